"""Word vectors: skip-gram, CBOW and GloVe, their files and what they answer."""
