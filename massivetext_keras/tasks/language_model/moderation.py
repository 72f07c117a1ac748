"""What a language model may be asked and may say, and what is said instead."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import tensorflow as tf

from massivetext_keras.generation.texts import Completion
from massivetext_keras.support.importing import function_at
from massivetext_keras.support.values import choose
from massivetext_keras.tasks.classification.task import TextClassifier
from massivetext_keras.text.held import due

FILTERED = "content_filter"  # as OpenAI calls the end of what was refused
FOLDER = "moderation"  # of the classifier, within the preset
REFUSAL = "I cannot help with that."

# Texts to the reason why each may not pass, "" or None if it may.
Reasons = Callable[[Sequence[str]], Sequence[str | None]]
Written = TypeVar("Written", bound=str | Completion)


def judge(function: Reasons) -> Reasons:
    """Marks a function as one that presets may name: no other is called by them.

    >>> @judge
    ... def no_shouts(texts):
    ...     return ["it shouts" if text.isupper() else "" for text in texts]
    """
    function.judges = True  # type: ignore[attr-defined]  # a mark
    return function


@dataclasses.dataclass(frozen=True)
class Moderation:
    """Judges prompts and texts of a `CausalLM`, as its `moderation`.

    What may not pass is replaced by the refusal, whole and without the prompt. Presets
    hold it: a classifier with its weights, of a function the place. A text that is
    streamed is held back until a sentence of it has ended and was judged; the refusal
    follows on what was let pass before. Rows of ids (`generate_ids`) are not judged.

    Attributes:
        judge: a `TextClassifier`, which of a long text reads the beginning; or a
            function that gives a reason for each of some texts that may not pass, ""
            or None for the others; or its place, "package.module:function". One that a
            preset shall name is marked by `tasks.judge`.
        labels: of the classifier, that may not pass.
        threshold: score from which a label is one of a text.
        refusal: what is said instead.
        before: whether prompts, and messages, are judged.
        after: whether what is written is.

    Raises:
        ValueError: the labels are not those of a classifier, the threshold is out of
            its range, or there is no such function.

    >>> polite = Moderation(lambda texts: ["rude" if "!" in x else "" for x in texts])
    >>> polite.refused(["Hi.", "Hey!"])
    [False, True]
    """

    judge: TextClassifier | Reasons | str | None
    labels: Sequence[str] = ()
    threshold: float = 0.5
    refusal: str = REFUSAL
    before: bool = True
    after: bool = True

    def __post_init__(self):
        object.__setattr__(self, "labels", tuple(self.labels))
        if isinstance(self.judge, str):
            object.__setattr__(self, "judge", function_at(self.judge, FOLDER))
        if not 0.0 < self.threshold <= 1.0:
            raise ValueError(f"threshold must be above 0, at most 1: {self.threshold}")
        if self.judge is None or isinstance(self.judge, TextClassifier):
            if not self.labels:
                raise ValueError("moderation: name the labels that may not pass")
        elif self.labels:
            raise ValueError("moderation: labels are of a classifier, not a function")
        if isinstance(self.judge, TextClassifier):
            self.judge.need_tokenizer()
            for label in self.labels:
                choose("label", label, dict.fromkeys(self.judge.labels))

    @classmethod
    def of(cls, given: Moderation | Mapping[str, Any] | None) -> Moderation | None:
        """What a `CausalLM` is given: one, what `to_dict` gives, or None.

        Raises:
            ValueError: a file names a function that is not marked.
        """
        if not isinstance(given, Mapping):
            return given
        found, place = cls(**given), given.get("judge")
        if isinstance(place, str) and not getattr(found.judge, "judges", False):
            raise ValueError(
                f"moderation: {place} is not marked by massivetext_keras.tasks.judge"
            )
        return found

    def to_dict(self) -> dict[str, Any]:
        """As JSON; of a classifier the judge is None."""
        own = self.in_graph or self.judge is None
        judge = None if own else _place(self.judge)
        return {
            "judge": judge,
            "labels": list(self.labels),
            "threshold": self.threshold,
            "refusal": self.refusal,
            "before": self.before,
            "after": self.after,
        }

    @property
    def in_graph(self) -> bool:
        """Whether an export can have it."""
        return self._classifier is not None

    @property
    def _classifier(self) -> TextClassifier | None:
        return self.judge if isinstance(self.judge, TextClassifier) else None

    def save(self, folder: str | Path) -> None:
        """Writes the classifier beside the model of a preset.

        Raises:
            ValueError: nobody could find the function again, or it is not marked.
        """
        if self._classifier is not None:
            self._classifier.save_preset(Path(folder) / FOLDER)
            return
        place = _place(self._needed())
        try:
            found = function_at(place, FOLDER)
        except (ValueError, ImportError):
            found = None
        if found is not self.judge or not getattr(found, "judges", False):
            raise ValueError(
                f"moderation: {place} is not found again when the preset is read: take "
                "a function of a module, marked by massivetext_keras.tasks.judge"
            )

    def loaded(self, folder: str | Path) -> Moderation:
        """The same with the classifier of a preset, if it has one."""
        if self.judge is not None:
            return self
        classifier = TextClassifier.from_preset(str(Path(folder) / FOLDER))
        return dataclasses.replace(self, judge=classifier)

    def reasons(self, texts: Sequence[str]) -> list[str]:
        """Why each of some texts may not pass, "" if it may.

        Raises:
            ValueError: the judge gives no reason for each.
        """
        texts = list(texts)
        if not texts:
            return []
        classifier = self._classifier
        if classifier is None:
            found = [reason or "" for reason in self._needed()(texts)]
            if len(found) != len(texts):
                raise ValueError(
                    f"moderation: {len(found)} reasons for {len(texts)} texts"
                )
            return found
        scores = classifier.texts_graph.rows([text.encode() for text in texts])
        above = scores["scores"][:, self._columns(classifier)] >= self.threshold
        return [self.labels[row.argmax()] if row.any() else "" for row in above]

    def refused(self, texts: Sequence[str]) -> list[bool]:
        """Which of some texts may not pass."""
        return [bool(reason) for reason in self.reasons(texts)]

    def held(self, pieces: Iterable[str]) -> Iterator[str]:
        """Pieces of a text as they may be sent, with the refusal where they may not."""
        if not self.after:
            yield from pieces
            return
        text, sent = "", 0
        for piece in pieces:
            text += piece
            end = due(text, sent, len(text))
            if end > sent:
                if any(self.refused([text[:end]])):
                    yield self.refusal
                    return
                yield text[sent:end]
                sent = end
        if sent < len(text):
            yield self.refusal if any(self.refused([text])) else text[sent:]

    def refused_in_graph(self, asked: tf.Tensor, written: tf.Tensor) -> tf.Tensor:
        """Which rows may not pass, for an export.

        Args:
            asked: string [batch], or [batch, turns] with "" where there is none.
            written: string [batch].

        Returns:
            bool [batch].

        Raises:
            ValueError: the judge is a function.
        """
        self.check_in_graph()
        found = tf.zeros(tf.shape(written), tf.bool)
        if self.before:
            rows = tf.reshape(asked, [tf.shape(written)[0], -1])
            bad = tf.reshape(self._bad(tf.reshape(rows, [-1])), tf.shape(rows))
            found |= tf.reduce_any(bad & (rows != ""), axis=1)
        return found | self._bad(written) if self.after else found

    def check_in_graph(self) -> TextClassifier:
        """The classifier; refuses a judge that no graph can have.

        Raises:
            ValueError: it is a function, or was not read.
        """
        judge = self._needed()
        if not isinstance(judge, TextClassifier):
            raise ValueError(
                "moderation: a function cannot be in an export: set task.moderation to "
                "None, or to one by a classifier, and see `massivetext serve "
                "--moderation`"
            )
        return judge

    def held_by_export(self) -> list[Any]:
        """What a module has to keep for `refused_in_graph`."""
        classifier = self._classifier
        if classifier is None:
            return []
        weights = classifier.named_weights().values()
        return [classifier.tokenizer, *(weight.value for weight in weights)]

    def _bad(self, texts: tf.Tensor) -> tf.Tensor:
        classifier = self.check_in_graph()
        scores = classifier.texts_graph(texts)["scores"]
        above = tf.gather(scores, self._columns(classifier), axis=1) >= self.threshold
        return tf.reduce_any(above, axis=1)

    def _columns(self, classifier: TextClassifier) -> list[int]:
        return [[*classifier.labels].index(label) for label in self.labels]

    def _needed(self) -> TextClassifier | Reasons:
        if self.judge is None or isinstance(self.judge, str):
            raise ValueError(
                "moderation: its classifier was not read: from_preset reads it, or set "
                "task.moderation"
            )
        return self.judge


def allowed(moderation: Moderation | None, asked: Sequence[Sequence[str]]) -> list[int]:
    """Numbers of what may be answered.

    Args:
        moderation: None lets all pass.
        asked: the texts that are asked together.

    >>> polite = Moderation(lambda texts: ["rude" if "!" in x else "" for x in texts])
    >>> allowed(polite, [["Hi."], ["Hi.", "Hey!"]])
    [0]
    """
    numbers = [*range(len(asked))]
    if moderation is None or not moderation.before:
        return numbers
    bad = iter(moderation.refused([text for some in asked for text in some]))
    wrong = [any([next(bad) for _ in some]) for some in asked]
    return [i for i in numbers if not wrong[i]]


def cleared(
    moderation: Moderation | None, texts: Sequence[Written]
) -> list[Written | None]:
    """Texts that were written, None in place of one that may not pass."""
    if moderation is None or not moderation.after:
        return [*texts]
    bad = moderation.refused([x if isinstance(x, str) else x.text for x in texts])
    return [None if wrong else x for x, wrong in zip(texts, bad, strict=True)]


def _place(function: Any) -> str:
    return f"{function.__module__}:{function.__qualname__}"
