"""Where kept documents go: sides, shards and their manifest."""
