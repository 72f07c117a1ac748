"""Changes of words that should not matter much, and answers to texts with them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from massivetext_keras.robustness.back_translation import BackTranslation
from massivetext_keras.support.values import choose
from massivetext_keras.tasks.classification.task import TextClassifier

_WORD = re.compile(r"\w+")

# A text, a share of its words and a source of random numbers, to a text in which these
# are others.
Attack = Callable[[str, float, np.random.Generator], str]


def swapped(text: str, share: float, random: np.random.Generator) -> str:
    """Two neighbouring letters inside a share of the words change places, never the
    first or the last one.

    >>> swapped("a film", 1.0, np.random.default_rng(0))
    'a flim'
    """

    def change(word: str) -> str:
        if len(word) < 4:
            return word
        i = int(random.integers(1, len(word) - 2))
        return word[:i] + word[i + 1] + word[i] + word[i + 2 :]

    return _some_words(text, share, random, change)


def deleted(text: str, share: float, random: np.random.Generator) -> str:
    """A share of the words is left out.

    >>> deleted("a film", 1.0, np.random.default_rng(0))
    ' '
    """
    return _some_words(text, share, random, lambda word: "")


def uppercased(text: str, share: float, random: np.random.Generator) -> str:
    """A share of the words is in capitals.

    >>> uppercased("a film", 1.0, np.random.default_rng(0))
    'A FILM'
    """
    return _some_words(text, share, random, str.upper)


ATTACKS: dict[str, Attack] = {
    "swap": swapped,
    "delete": deleted,
    "upper": uppercased,
}
"""Changes of a text that leave its meaning, by name."""


def _some_words(
    text: str, share: float, random: np.random.Generator, change: Callable[[str], str]
) -> str:
    return _WORD.sub(
        lambda found: change(found[0]) if random.random() < share else found[0], text
    )


def under_attack(
    task: TextClassifier,
    examples: Sequence[Any],
    attacks: Iterable[str] = tuple(ATTACKS),
    share: float = 0.1,
    seed: int = 0,
    back_translation: BackTranslation | None = None,
) -> dict[str, dict[str, float]]:
    """The measures of a task's answers to examples whose texts were changed.

    Args:
        task: of any labels.
        examples: with what should be said of them, see `task.read_examples`.
        attacks: names of `ATTACKS`, to which others may be added.
        share: of the words that are changed, from 0 to 1.
        seed: of which, and of what translators draw.
        back_translation: that paraphrases the texts whole, as one more attack.

    Returns:
        Measures by attack, that of the translators by "back_translation"; those of the
        texts as they are by "none".

    Raises:
        ValueError: an attack is unknown, or the share is out of its range.
    """
    if not 0.0 <= share <= 1.0:
        raise ValueError(f"share must be from 0 to 1, got {share}")
    examples = task.examples_of(examples)
    found = {"none": task.measure(examples)}
    for name in attacks:
        change = choose("attack", name, ATTACKS)
        random = np.random.default_rng(seed)
        others = [x._replace(text=change(x.text, share, random)) for x in examples]
        found[name] = task.measure(others)
    if back_translation is not None:
        texts = back_translation([x.text for x in examples], seed)
        pairs = zip(examples, texts, strict=True)
        others = [x._replace(text=text) for x, text in pairs]
        found["back_translation"] = task.measure(others)
    return found
