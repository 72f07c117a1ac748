"""n-gram language models: texts in, probabilities and texts out."""
