"""What rules measure texts by: words, characters, hashes."""
