"""Tasks: tokenizer, model, loss and the answer as strings."""

from massivetext_keras.tasks.causal_lm import CausalLM
from massivetext_keras.tasks.choice import FROM_TEXT, TASKS, task_class
from massivetext_keras.tasks.masked_lm import MaskedLM
from massivetext_keras.tasks.replaced_tokens import ReplacedTokenDetector
from massivetext_keras.tasks.seq2seq_lm import Seq2SeqLM
from massivetext_keras.tasks.text_embedder import TextEmbedder

__all__ = [
    "FROM_TEXT",
    "TASKS",
    "CausalLM",
    "MaskedLM",
    "ReplacedTokenDetector",
    "Seq2SeqLM",
    "TextEmbedder",
    "task_class",
]
