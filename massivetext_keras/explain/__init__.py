"""Which parts of a text an answer depends on, and how far that can be believed."""

from massivetext_keras.support.backend import require

require()

from massivetext_keras.explain.explanation import Explanation
from massivetext_keras.explain.faithfulness import Faithfulness, faithfulness
from massivetext_keras.explain.methods import METHODS, explain
from massivetext_keras.explain.page import draw, page, table, write_page
from massivetext_keras.explain.sanity import sanity_check

__all__ = [
    "METHODS",
    "Explanation",
    "Faithfulness",
    "draw",
    "explain",
    "faithfulness",
    "page",
    "sanity_check",
    "table",
    "write_page",
]
