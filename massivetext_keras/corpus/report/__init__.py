"""What a corpus is made of, for people."""
