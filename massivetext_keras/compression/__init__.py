"""What makes a trained task smaller and faster, and what that costs."""

from massivetext_keras.support.backend import require

require()

from massivetext_keras.compression.comparison import (
    Change,
    Comparison,
    Side,
    compare,
    weight_bytes,
)
from massivetext_keras.compression.distillation import Distiller, student_of
from massivetext_keras.compression.page import write_page
from massivetext_keras.compression.pruning import Pruner
from massivetext_keras.compression.sparsity import prune, zeros_in
from massivetext_keras.compression.structure import Importance, importance, without

__all__ = [
    "Change",
    "Comparison",
    "Distiller",
    "Importance",
    "Pruner",
    "Side",
    "compare",
    "importance",
    "prune",
    "student_of",
    "weight_bytes",
    "without",
    "write_page",
    "zeros_in",
]
