"""Labels for parts of texts."""
