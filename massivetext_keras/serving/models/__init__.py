"""Models that are served: loaded, found by name, asked in batches."""
