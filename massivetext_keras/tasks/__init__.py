"""Tasks: tokenizer, model, loss and the answer as strings."""

from massivetext_keras.tasks.causal_lm import CausalLM

__all__ = ["CausalLM"]
