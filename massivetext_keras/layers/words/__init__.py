"""What words are read with beside their vectors."""
