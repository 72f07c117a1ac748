"""Questions answered by parts of contexts."""
