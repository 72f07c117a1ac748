"""What makes a trained task smaller and faster."""

from massivetext_keras.support.backend import require

require()

from massivetext_keras.compression.distillation import Distiller, student_of
from massivetext_keras.compression.structure import Importance, importance, without

__all__ = ["Distiller", "Importance", "importance", "student_of", "without"]
