"""What encoders are pretrained on: texts in which tokens are hidden."""

from __future__ import annotations

from massivetext_keras.tasks.datasets import TextData


class MaskedTexts(TextData):
    """Texts with other tokens hidden each time."""

    objective = "masked"


class ReplacedTexts(TextData):
    """The same for the generator of a `ReplacedTokenDetector`, which fills them."""

    objective = "replaced"
