"""What tokenizers are made of, each part in the graph."""
