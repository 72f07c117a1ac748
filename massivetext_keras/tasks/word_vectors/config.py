"""What word vectors are made by."""

from __future__ import annotations

import dataclasses

from massivetext_keras.support.values import Config, setting
from massivetext_keras.tasks.ngram.units import UNITS

METHODS = ("skipgram", "cbow", "glove")
LOSSES = ("negative", "hierarchical")
RATES = {"skipgram": 0.025, "cbow": 0.05, "glove": 0.05}


@dataclasses.dataclass(frozen=True)
class WordVectorsConfig(Config):
    """How vectors of words are learnt.

    Attributes:
        method: skipgram or cbow (Mikolov et al., 2013), or glove (Pennington et al.,
            2014).
        size: numbers of a vector.
        window: words on each side that belong to a word; of skipgram and cbow a number
            up to it that is drawn for each word.
        loss: negative sampling, or hierarchical softmax; of skipgram and cbow.
        negatives: words that are drawn for each right one.
        sample: words whose share of the text is above it are left out at random (0:
            none).
        min_count: words that occur less often are left out.
        units: what a word is: words, of scripts without spaces a letter; spaced, what
            stands between white space; characters; bytes.
        lowercase: read all texts in lower case.
        min_ngram, max_ngram: lengths of the parts of words, in characters, that have
            vectors too (0: none; Bojanowski et al., 2017, have 3 to 6).
        buckets: rows that the parts share by their hashes.
        x_max: co-occurrences that have full weight, of glove.
        seed: of all that is drawn.

    Raises:
        ValueError: a number is out of its range, or values do not go together.
    """

    method: str = setting("skipgram", choices=METHODS)
    size: int = setting(100, least=1)
    window: int = setting(5, least=1)
    loss: str = setting("negative", choices=LOSSES)
    negatives: int = setting(5, least=1)
    sample: float = setting(1e-3, least=0)
    min_count: int = setting(5, least=1)
    units: str = setting("words", choices=tuple(UNITS))
    lowercase: bool = False
    min_ngram: int = setting(0, least=0)
    max_ngram: int = setting(0, least=0)
    buckets: int = setting(200_000, least=1)
    x_max: float = setting(100.0, above=0)
    seed: int = 0

    def __post_init__(self):
        super().__post_init__()
        if self.min_ngram > self.max_ngram or (self.max_ngram and not self.min_ngram):
            raise ValueError(
                f"parts of words have min_ngram={self.min_ngram} to "
                f"max_ngram={self.max_ngram} characters: give such as 3 and 6"
            )
        if self.method == "glove" and (self.max_ngram or self.loss != "negative"):
            raise ValueError("glove has neither parts of words nor another loss")

    @property
    def has_parts(self) -> bool:
        """Whether parts of words have vectors."""
        return self.max_ngram > 0
