"""A text for a text."""
