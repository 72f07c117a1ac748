"""What is done to a trained task to make it smaller, and what that costs."""

from massivetext_keras.support.backend import require

require()

from massivetext_keras.compression.comparison import (
    Change,
    Comparison,
    Side,
    compare,
    weight_bytes,
)
from massivetext_keras.compression.page import write_page

__all__ = ["Change", "Comparison", "Side", "compare", "weight_bytes", "write_page"]
