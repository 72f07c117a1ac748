"""Other words for the same: a text to another language, and back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from massivetext_keras.support.values import check_least
from massivetext_keras.tasks.seq2seq.task import Seq2SeqLM


class BackTranslation:
    """Paraphrases by two translators (Mallinson et al., 2017).

    Args:
        there: from the language of the texts to another one.
        back: from that to the language of the texts.
        temperature: of the tokens that both draw (0: they search for the best texts).
        num_beams: of their search.

    Raises:
        ValueError: a translator is none, or has no tokenizer; or a number is out of its
            range.
    """

    def __init__(
        self,
        there: Seq2SeqLM,
        back: Seq2SeqLM,
        temperature: float = 0.0,
        num_beams: int = 4,
    ):
        for task in (there, back):
            if not isinstance(task, Seq2SeqLM):
                kind = type(task).__name__
                raise ValueError(f"back translation: a {kind} is no Seq2SeqLM")
            task.need_tokenizer()
        if not 0.0 <= temperature < float("inf"):
            raise ValueError(f"temperature must be at least 0, got {temperature}")
        check_least(1, num_beams=num_beams)
        self.there, self.back = there, back
        self.temperature, self.num_beams = temperature, num_beams

    def __call__(self, texts: Sequence[str], seed: int = 0) -> list[str]:
        """A paraphrase of each text.

        Args:
            texts: of any length; of one that is too long for a translator the beginning
                is translated.
            seed: of tokens that are drawn.
        """
        how: dict[str, Any] = {"num_beams": self.num_beams}
        if self.temperature:
            how = {"temperature": self.temperature, "seed": seed, "num_beams": 1}
        return self.back.translate(self.there.translate([*texts], **how), **how)
