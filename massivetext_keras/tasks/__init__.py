"""Tasks: tokenizer, model, loss and the answer as strings."""

from massivetext_keras.backend import require

require()

from massivetext_keras.tasks.causal_lm import CausalLM
from massivetext_keras.tasks.choice import FROM_TEXT, TASKS, task_class
from massivetext_keras.tasks.from_examples import FromExamples, split_examples
from massivetext_keras.tasks.masked_lm import MaskedLM
from massivetext_keras.tasks.preprocessor import Preprocessor
from massivetext_keras.tasks.question_answerer import QuestionAnswerer
from massivetext_keras.tasks.replaced_tokens import ReplacedTokenDetector
from massivetext_keras.tasks.seq2seq_lm import Seq2SeqLM
from massivetext_keras.tasks.text_classifier import TextClassifier
from massivetext_keras.tasks.text_embedder import TextEmbedder
from massivetext_keras.tasks.token_classifier import TokenClassifier

__all__ = [
    "FROM_TEXT",
    "TASKS",
    "CausalLM",
    "FromExamples",
    "MaskedLM",
    "Preprocessor",
    "QuestionAnswerer",
    "ReplacedTokenDetector",
    "Seq2SeqLM",
    "TextClassifier",
    "TextEmbedder",
    "TokenClassifier",
    "split_examples",
    "task_class",
]
