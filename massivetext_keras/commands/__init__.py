"""The verbs of `massivetext` and their flags, as tables."""

from __future__ import annotations

from massivetext_keras import verbs
from massivetext_keras.commands import corpora, models, tasks, texts
from massivetext_keras.commands.flags import REQUIRED, Flag, Verb

__all__ = ["REQUIRED", "VERBS", "Flag", "Verb"]

VERBS = {
    **corpora.VERBS,
    **texts.VERBS,
    **models.VERBS,
    **tasks.VERBS,
    "doctor": Verb(
        "say what is installed and what would not work here",
        "",
        (
            Flag(
                "devices",
                False,
                "ask TensorFlow for its devices, and what training would use",
                bool,
            ),
        ),
        verbs.doctor,
    ),
}
