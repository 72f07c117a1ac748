"""What makes a trained task smaller and faster."""

from massivetext_keras.support.backend import require

require()

from massivetext_keras.compression.distillation import Distiller, student_of

__all__ = ["Distiller", "student_of"]
