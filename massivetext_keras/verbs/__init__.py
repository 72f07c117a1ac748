"""What the verbs of `massivetext` do, given their parsed flags."""

from __future__ import annotations

from massivetext_keras.verbs.chats import chat
from massivetext_keras.verbs.common import UsageError, Values
from massivetext_keras.verbs.corpora import (
    corpus_build,
    corpus_explain,
    corpus_ngram,
    corpus_report,
    corpus_stats,
)
from massivetext_keras.verbs.evaluations import compare, tune
from massivetext_keras.verbs.models import evaluate, export, generate, presets, train
from massivetext_keras.verbs.tasks import finetune, predict
from massivetext_keras.verbs.texts import tokenize, tokenizer_train

__all__ = [
    "UsageError",
    "Values",
    "chat",
    "compare",
    "corpus_build",
    "corpus_explain",
    "corpus_ngram",
    "corpus_report",
    "corpus_stats",
    "doctor",
    "evaluate",
    "export",
    "finetune",
    "generate",
    "predict",
    "presets",
    "tokenize",
    "tokenizer_train",
    "train",
    "tune",
]


def doctor(values: Values) -> None:
    from massivetext_keras.doctor import report

    for line in report(values.devices):
        print(line)
