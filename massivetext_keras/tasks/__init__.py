"""Tasks: tokenizer, model, loss and the answer as strings."""

from massivetext_keras.tasks.causal_lm import CausalLM
from massivetext_keras.tasks.masked_lm import MaskedLM
from massivetext_keras.tasks.text_embedder import TextEmbedder

__all__ = ["CausalLM", "MaskedLM", "TextEmbedder"]
