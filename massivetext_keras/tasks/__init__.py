"""Tasks: tokenizer, model, loss and the answer as strings."""

from massivetext_keras.support.backend import require

require()

from massivetext_keras.tasks.adversarial.task import AdversarialTextGenerator
from massivetext_keras.tasks.answering.task import QuestionAnswerer
from massivetext_keras.tasks.base import Task
from massivetext_keras.tasks.classification.task import TextClassifier
from massivetext_keras.tasks.embedding.task import TextEmbedder
from massivetext_keras.tasks.examples import Examples, split_examples
from massivetext_keras.tasks.language_model.moderation import Moderation, judge
from massivetext_keras.tasks.language_model.task import CausalLM
from massivetext_keras.tasks.masked_lm.replaced_tokens import ReplacedTokenDetector
from massivetext_keras.tasks.masked_lm.task import MaskedLM
from massivetext_keras.tasks.ngram.task import NgramLM
from massivetext_keras.tasks.preprocessor import Preprocessor
from massivetext_keras.tasks.registry import FROM_TEXT, TASKS, task_class
from massivetext_keras.tasks.seq2seq.task import Seq2SeqLM
from massivetext_keras.tasks.tagging.task import TokenClassifier
from massivetext_keras.tasks.word_vectors.embedding import from_vectors
from massivetext_keras.tasks.word_vectors.task import WordVectors

__all__ = [
    "FROM_TEXT",
    "TASKS",
    "AdversarialTextGenerator",
    "CausalLM",
    "Examples",
    "MaskedLM",
    "Moderation",
    "NgramLM",
    "Preprocessor",
    "QuestionAnswerer",
    "ReplacedTokenDetector",
    "Seq2SeqLM",
    "Task",
    "TextClassifier",
    "TextEmbedder",
    "TokenClassifier",
    "WordVectors",
    "from_vectors",
    "judge",
    "split_examples",
    "task_class",
]
