"""Which document a worker is at, so that one that crashes or hangs can be left out.

A function says what it begins. If its process then dies, hangs or raises, the engine
runs the part again: documents that were begun together are suspects, to be worked on
alone; one that was alone is quarantined, with the reason.
"""

from __future__ import annotations

import itertools
import mmap
import struct
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple, TypeVar

from massivetext_keras.reading.document import Document

T = TypeVar("T")
_END: Any = object()


class Name(NamedTuple):
    """Which document: the files of two subsets may have the same names."""

    subset: str
    source: str
    position: int


# Shared memory: which of two slots holds the names, since when (nanoseconds; 0 while
# nothing is worked on), what was counted, and how long the names of each slot are.
_ACTIVE, _SINCE, _DOCUMENTS, _BYTES, _KEPT, _LENGTH = range(6)
_SLOTS = 64
_SLOT = 4 << 20
MEMORY = _SLOTS + 2 * _SLOT  # bytes; those that are not touched take no memory

# Reasons that do not come from the document's own text
TIME_LIMIT = "time limit"
MEMORY_LIMIT = "memory limit"

# Documents fail one by one; a step that fails on most is not right for any.
MOST_FAILURES = 100


class Counts(NamedTuple):
    """What a function says it has done: documents, bytes of them, and those kept."""

    documents: int = 0
    bytes: int = 0
    kept: int = 0

    def __add__(  # type: ignore[override]  # adds numbers, where tuples are joined
        self, other: Counts
    ) -> Counts:
        return Counts(*map(sum, zip(self, other, strict=True)))


class Memory:
    """What a worker writes while it works and its parent reads, even after its end."""

    def __init__(self, memory: mmap.mmap | bytearray):
        self._memory = memory

    def begin(self, names: Sequence[Name]) -> None:
        fields = (str(field) for name in names for field in name)
        data = "\0".join(fields).encode("utf-8", "surrogatepass")
        if len(data) > _SLOT:
            raise ValueError(f"{len(names)} documents are too many to begin together")
        # The other slot, so that there is a whole one at any time.
        slot = 1 - self._get(_ACTIVE)
        start = _SLOTS + slot * _SLOT
        self._memory[start : start + len(data)] = data
        self._set(_LENGTH + slot, len(data))
        self._set(_ACTIVE, slot)
        self._set(_SINCE, time.monotonic_ns())

    def end(self) -> None:
        self._set(_SINCE, 0)

    def count(self, counts: Counts) -> None:
        for place, value in zip((_DOCUMENTS, _BYTES, _KEPT), counts, strict=True):
            self._set(place, value)

    @property
    def counts(self) -> Counts:
        return Counts(*map(self._get, (_DOCUMENTS, _BYTES, _KEPT)))

    @property
    def since(self) -> int:
        """When the documents that are worked on were begun; 0 if there are none."""
        return self._get(_SINCE)

    @property
    def names(self) -> list[Name]:
        """The documents that are worked on."""
        if not self._get(_SINCE):
            return []
        slot = self._get(_ACTIVE)
        start = _SLOTS + slot * _SLOT
        data = bytes(self._memory[start : start + self._get(_LENGTH + slot)])
        fields = iter(data.decode("utf-8", "surrogatepass").split("\0"))
        return [
            Name(subset, source, int(position))
            for subset, source, position in zip(fields, fields, fields, strict=True)
        ]

    def _get(self, place: int) -> int:
        return struct.unpack_from("<q", self._memory, 8 * place)[0]

    def _set(self, place: int, value: int) -> None:
        struct.pack_into("<q", self._memory, 8 * place, value)


@dataclass
class Guard:
    """What a worker knows of the part it works on.

    Args:
        memory: shared with the parent, if there is one.
        quarantine: documents to leave out, with the reason.
        suspects: documents to work on alone.
    """

    memory: Memory = field(default_factory=lambda: Memory(bytearray(MEMORY)))
    quarantine: dict[Name, str] = field(default_factory=dict)
    suspects: set[Name] = field(default_factory=set)
    counts: Counts = Counts()
    begun: int = 0
    failed: int = 0

    def fail(self, error: Exception) -> str:
        """The reason that a document failed with.

        Raises:
            RuntimeError: most documents fail.
        """
        self.failed += 1
        reason = reason_of(error)
        if self.failed > max(MOST_FAILURES, self.begun // 2):
            raise RuntimeError(
                f"{self.failed} of {self.begun} documents fail, the last with {reason}"
            ) from error
        return reason


_guard = Guard()


def use(guard: Guard) -> None:
    """Sets what the functions below speak of, in this process."""
    global _guard
    _guard = guard


def begin(*names: Name) -> None:
    """Says which documents are worked on from here to the next call, or table.

    Args:
        names: of each.
    """
    _guard.begun += len(names)
    _guard.memory.begin(names)


def end() -> None:
    """Says that no document is worked on."""
    _guard.memory.end()


def count(documents: int = 0, bytes: int = 0, kept: int = 0) -> None:
    """Says what was done since it was last said, for the progress that people see."""
    _guard.counts += Counts(documents, bytes, kept)
    _guard.memory.count(_guard.counts)


def quarantined(name: Name) -> str | None:
    """Why a document is to be left out; None if it is not."""
    return _guard.quarantine.get(name)


def suspect(name: Name) -> bool:
    """Whether a document is to be worked on alone."""
    return name in _guard.suspects


def reading(
    rows: Iterable[T], subset: str, source: str, broken: Callable[[str], T]
) -> Iterator[T]:
    """What a reader gives, up to where it crashes, hangs or raises.

    Args:
        rows: documents of a file, as they are read.
        subset, source: the file.
        broken: makes the last row, of the reason, where reading does not go on.

    >>> list(reading("ab", "web", "file", str.upper))
    ['a', 'b']
    """
    rows, source = iter(rows), f"{source}: reading"
    for number in itertools.count():
        name = Name(subset, source, number)
        reason = quarantined(name)
        if reason is not None:
            yield broken(reason)
            return
        begin(name)
        _guard.begun -= 1  # it is counted when it is worked on
        try:
            row = next(rows, _END)
        except (OSError, MemoryError):  # as in `_try`
            raise
        except Exception as error:
            yield broken(_guard.fail(error))
            return
        finally:
            end()
        if row is _END:
            return
        yield row


def each(
    documents: Sequence[Document], work: Callable[[list[Document]], Any]
) -> Iterator[tuple[list[Document], Any, str | None]]:
    """Works on documents, without those that crash, hang or raise.

    Args:
        documents: in order, as they were read.
        work: is called with many of them, or with one. Documents that it changed
            before it raised are given to it again as they were.

    Returns:
        Some documents in order each time, what `work` gave for them, and None; or one
        document, None, and the reason of its quarantine.

    >>> def work(some):
    ...     return [1 / len(document.text) for document in some]
    >>> for some, result, reason in each([Document("ab"), Document("")], work):
    ...     print(len(some), result, reason)
    1 [0.5] None
    1 None ZeroDivisionError: division by zero
    """
    together: list[Document] = []
    for document in documents:
        name = _name(document)
        reason = quarantined(name)
        if reason is None and not suspect(name):
            together.append(document)
            continue
        yield from _try(together, work)
        together = []
        if reason is None:
            yield from _try([document], work)
        else:
            yield [document], None, reason
    yield from _try(together, work)


def _name(document: Document) -> Name:
    return Name(document.subset, document.source, document.position)


def _try(documents, work):
    if not documents:
        return
    before = [replace(one, columns=dict(one.columns)) for one in documents]
    begin(*map(_name, documents))
    try:
        result = work(documents)
    except (OSError, MemoryError):  # of the machine, or to be decided by the engine
        raise
    except Exception as error:
        end()
        if len(documents) > 1:
            _guard.begun -= len(documents)  # they are begun again
            for document in before:
                yield from _try([document], work)
        else:
            yield before, None, _guard.fail(error)
    else:
        end()
        yield documents, result, None


def reason_of(error: BaseException) -> str:
    """What a document that raised an error is quarantined with, in one line."""
    if isinstance(error, MemoryError):
        return MEMORY_LIMIT
    text = " ".join(str(error).split())[:200]
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
