"""What may come in and go out: banned phrases, and a judge of the user's choice."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path

from massivetext_keras.serving.moderation.phrases import Phrases
from massivetext_keras.serving.refusals import Refusal
from massivetext_keras.serving.requests import Finish, Piece
from massivetext_keras.support.importing import function_at
from massivetext_keras.text.held import due

# Texts to the reason why each may not pass, "" or None if it may.
Judge = Callable[[Sequence[str]], Sequence[str | None]]
FILTERED = "content_filter"  # as OpenAI calls the end of what was cut


class Moderator:
    """Judges texts before they are read and after they are written.

    Args:
        banned: phrases.
        judge: gives reasons; None lets all texts pass.

    >>> moderator = Moderator(["bad word"])
    >>> asyncio.run(moderator.check(["A bad  Word."], "prompt"))
    Traceback (most recent call last):
    massivetext_keras.serving.refusals.Refusal: prompt has a banned phrase
    """

    def __init__(self, banned: Sequence[str] = (), judge: Judge | None = None):
        self.phrases, self.judge = Phrases(banned), judge

    @property
    def is_idle(self) -> bool:
        """Whether it lets everything pass."""
        return self.judge is None and not self.phrases.count

    def and_by(self, judge: Judge) -> Moderator:
        """The same with one more judge."""
        first = self.judge
        found = Moderator(judge=judge)
        if first is not None:

            def both(texts: Sequence[str]) -> list[str | None]:
                pairs = zip(first(texts), judge(texts), strict=True)
                return [one or other for one, other in pairs]

            found.judge = both
        found.phrases = self.phrases
        return found

    async def reason(self, texts: Sequence[str]) -> str:
        """Why one of some whole texts may not pass, "" if all may.

        Raises:
            Refusal: the judge failed: nothing passes unjudged.
        """
        if any(self.phrases.look(text).phrase for text in texts):
            return "has a banned phrase"
        if self.judge is None or not texts:
            return ""
        try:
            found = await asyncio.to_thread(self.judge, list(texts))
        except Exception as error:
            why = f"the moderation failed: {type(error).__name__}"
            raise Refusal(503, why, code="moderation_failed") from error
        if len(found) != len(texts):
            why = f"the moderation gave {len(found)} reasons for {len(texts)} texts"
            raise Refusal(503, why, code="moderation_failed")
        return next((f"is not let pass: {reason}" for reason in found if reason), "")

    async def check(self, texts: Sequence[str], field: str) -> None:
        """Refuses texts that may not pass.

        Raises:
            Refusal: names the field.
        """
        if reason := await self.reason(texts):
            raise Refusal(422, f"{field} {reason}", field, FILTERED)


class Clearance:
    """Holds a text back until nothing that follows can make it one that may not pass.

    A judge is asked at the ends of sentences, of the text so far.

    Attributes:
        sent: characters that were let pass.
        is_cut: whether the text ends here, whatever is written besides.
    """

    def __init__(self, moderator: Moderator):
        self.moderator = moderator
        self.sent, self.is_cut = 0, False
        self._text, self._judged = "", 0
        self._pieces: list[tuple[int, Piece]] = []  # where each ends, which

    async def feed(self, piece: Piece) -> Piece:
        """A piece, to what may be sent now, perhaps nothing."""
        self._text += piece.text
        self._pieces.append((len(self._text), piece))
        look = self.moderator.phrases.look(self._text[self.sent :])
        self.is_cut = bool(look.phrase)
        return await self._pass(self.sent + look.settled, whole=False)

    async def end(self) -> Piece:
        """What may be sent of the rest, now that nothing follows."""
        return await self._pass(len(self._text), whole=True)

    async def _pass(self, end: int, whole: bool) -> Piece:
        if self.moderator.judge is not None and not self.is_cut:
            end = await self._judge(end, whole)
        text, self.sent = self._text[self.sent : end], max(self.sent, end)
        ids: tuple[int, ...] = ()
        logprobs: tuple[float, ...] = ()
        while self._pieces and self._pieces[0][0] <= self.sent:
            _, piece = self._pieces.pop(0)
            ids, logprobs = ids + piece.token_ids, logprobs + piece.logprobs
        return Piece(text, ids, logprobs)

    async def _judge(self, end: int, whole: bool) -> int:
        """How much of the text may be sent."""
        end = due(self._text, self._judged, end, whole)
        if end == self._judged and not whole:
            return self.sent
        if end > self._judged:
            self.is_cut = bool(await self.moderator.reason([self._text[:end]]))
            self._judged = end
        return self.sent if self.is_cut else end


async def cleared(
    events: AsyncIterator[Piece | Finish], moderator: Moderator
) -> AsyncIterator[Piece | Finish]:
    """The events of a text, as they may be sent."""
    if moderator.is_idle:
        async for event in events:
            yield event
        return
    clearance, count = Clearance(moderator), 0
    async for event in events:
        if isinstance(event, Piece):
            count += len(event.token_ids)
            passed = await clearance.feed(event)
        else:
            passed = await clearance.end()
        if passed.text or passed.token_ids:
            yield passed
        if clearance.is_cut:
            given = event.prompt_tokens if isinstance(event, Finish) else 0
            yield Finish(FILTERED, given, count)
            return
        if isinstance(event, Finish):
            yield event


def read_phrases(path: str) -> list[str]:
    """The lines of a file that are not empty."""
    lines = Path(path).read_text(encoding="utf-8").splitlines()
    return [line for line in lines if line.strip()]


def find_judge(place: str, labels: Sequence[str], threshold: float) -> Judge:
    """The judge that a text names.

    Args:
        place: "package.module:function", or the folder of an export of a
            `TextClassifier`.
        labels: of the classifier, that may not pass.
        threshold: the score from which a label is one of a text.

    Raises:
        ValueError: there is none, or no labels are given.
        OSError: there is no export.
    """
    if not Path(place).is_dir() and ":" in place:
        return function_at(place, "moderation")
    return _classifier(place, labels, threshold)


def _classifier(path: str, labels: Sequence[str], threshold: float) -> Judge:
    import tensorflow as tf
    import tensorflow_text  # noqa: F401  brings the operations of tokenizers

    root = tf.saved_model.load(path)
    if "classify" not in root.signatures:
        raise ValueError(f"moderation: {path} has no signature classify")
    classify, root_held = root.signatures["classify"], root
    classes = classify(text=tf.constant([""]))["classes"].numpy()[0]
    known = [name.decode() for name in classes]
    if wrong := [label for label in labels if label not in known] or not labels:
        told = ", ".join(known)
        raise ValueError(f"moderation_labels: {wrong or 'none'}; {path} has {told}")

    def judge(texts: Sequence[str], _: object = root_held) -> list[str]:
        answer = classify(text=tf.constant([text.encode() for text in texts]))
        return [
            next((k for k in labels if row[known.index(k)] >= threshold), "")
            for row in answer["scores"].numpy()
        ]

    return judge
