"""What the name of a model begins with that lies in the form of another library."""

from __future__ import annotations

from pathlib import Path

from massivetext_keras.architecture import shapes

HUGGING_FACE = "hf:"
KERAS_HUB = "kerashub:"
BERT = "bert:"
T5 = "t5:"
GGUF = "gguf:"
# What follows each of them.
FOREIGN = {
    HUGGING_FACE: "FOLDER",
    KERAS_HUB: "FOLDER",
    BERT: "FOLDER",
    T5: "FOLDER",
    GGUF: "FILE",
}


def is_foreign(text: str) -> bool:
    """Whether a text begins with the name of another library.

    >>> is_foreign("kerashub:gpt2"), is_foreign("gpt2_small")
    (True, False)
    """
    return text.startswith(tuple(FOREIGN))


def is_shape(text: str) -> bool:
    """Whether a text names a shape. "a:b" is a folder where there is one, else the
    place of a shape from outside, which is imported.

    Raises:
        UnknownName: it is a place, and no shape is there.

    >>> is_shape("bert_tiny"), is_shape("hf:bert_tiny")
    (True, False)
    """
    is_folder = is_foreign(text) or (":" in text and Path(text).is_dir())
    return not is_folder and text in shapes.PRESETS


def described() -> str:
    """All forms, for the help of a flag.

    >>> described()
    'hf:FOLDER, kerashub:FOLDER, bert:FOLDER, t5:FOLDER or gguf:FILE'
    """
    *most, last = (prefix + what for prefix, what in FOREIGN.items())
    return f"{', '.join(most)} or {last}"
