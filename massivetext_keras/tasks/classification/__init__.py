"""Labels for texts and pairs of texts."""
