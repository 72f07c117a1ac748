"""Files of llama.cpp, in and out: names and values of its architectures, tokenizers."""
