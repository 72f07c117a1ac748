"""What the name of a model begins with that lies in the form of another library."""

from __future__ import annotations

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


def described() -> str:
    """All forms, for the help of a flag.

    >>> described()
    'hf:FOLDER, kerashub:FOLDER, bert:FOLDER, t5:FOLDER or gguf:FILE'
    """
    *most, last = (prefix + what for prefix, what in FOREIGN.items())
    return f"{', '.join(most)} or {last}"
