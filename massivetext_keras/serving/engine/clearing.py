"""What of a text may be sent: nothing that a stop string may cut off."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from massivetext_keras.serving.engine.characters import Characters
from massivetext_keras.serving.requests import Piece


class Clearing:
    """Texts in pieces, cut as `StopStrings` cuts them.

    Of a text that goes on, what may become a stop string is held back, and with it the
    tokens that it is made of.

    Args:
        characters: of the text.
        stop: strings that the text ends before.
        scored: whether pieces have log-probabilities.

    Attributes:
        count: tokens so far; of a text that a string ended, up to the one that
            completed it.
        stopped: whether a string ended the text.
    """

    def __init__(self, characters: Characters, stop: Sequence[str], scored: bool):
        self.characters, self.stop, self.scored = characters, stop, scored
        self.count, self.stopped = 0, False
        self._held = ""
        self._cleared = self._length = 0  # characters
        self._tokens: deque[tuple[int, int, int, float]] = deque()

    def add(
        self, token_ids: Sequence[int], scores: Sequence[float], ended: bool
    ) -> Piece:
        """The piece that new tokens clear, perhaps an empty one.

        Args:
            token_ids: at least one.
            scores: their log-probabilities.
            ended: whether they are the last ones.
        """
        ready = ""
        texts = self.characters.of(token_ids)
        for index, score, text in zip(token_ids, scores, texts, strict=True):
            begin = self._length
            self._held, self._length = self._held + text, begin + len(text)
            self._tokens.append((begin, self._length, index, score))
            self.count += 1
            if text:
                ready += self._settled()
            if self.stopped:
                return self._piece(ready, True)
        if ended:
            self._held += self.characters.rest()
            places = self._complete()
            self.stopped = bool(places)
            ready += self._held[: min(places, default=None)]
        return self._piece(ready, ended)

    def _complete(self) -> list[int]:
        """Where strings begin that are complete in what is held."""
        places = (self._held.find(string) for string in self.stop)
        return [place for place in places if place >= 0]

    def _settled(self) -> str:
        """Takes off what is held as much as nothing can change that follows."""
        text, size = self._held, len(self._held)
        if not self.stop:
            self._held = ""
            return text
        complete = min(self._complete(), default=size)
        begun = min((_begun(text, string) for string in self.stop), default=size)
        self.stopped = complete < size and complete <= begun
        cut = min(complete, begun)
        self._held = text[cut:]
        return text[:cut]

    def _piece(self, text: str, ended: bool) -> Piece:
        self._cleared += len(text)
        ids, scores = [], []
        while self._tokens:
            begin, end, index, score = self._tokens[0]
            cut_in_two = ended and begin < self._cleared
            if end > self._cleared and not cut_in_two:
                break
            self._tokens.popleft()
            ids.append(index)
            scores.append(score)
        return Piece(text, tuple(ids), tuple(scores) if self.scored else ())


def _begun(text: str, string: str) -> int:
    """Where the end of a text begins a string that it does not complete; its length
    where it begins none.

    >>> _begun("xab", "abc"), _begun("xab", "ab")
    (1, 3)
    """
    for place in range(max(len(text) - len(string) + 1, 0), len(text)):
        if string.startswith(text[place:]):
            return place
    return len(text)
