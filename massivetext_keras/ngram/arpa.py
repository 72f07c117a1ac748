"""ARPA files of backoff models, as SRILM and KenLM read and write them."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from itertools import islice
from pathlib import Path
from typing import TextIO

import numpy as np

from massivetext_keras.ngram.tables import NEVER, BackoffModel, Table, find
from massivetext_keras.support.files import expanded, replacing_file

SPECIAL = ("<unk>", "<s>", "</s>")  # the words of `counting.UNKNOWN`, BEGIN and END
_LINES = 100_000  # read or written at a time
_COUNT = re.compile(r"ngram (\d+)=\s*(\d+)")
Done = Callable[[int], None]


def write_arpa(
    path: str | Path,
    model: BackoffModel,
    words: Sequence[str],
    comment: str = "",
    done: Done = lambda lines: None,
) -> None:
    """Writes a model as text.

    Args:
        path: of the file.
        model: whose probabilities are written.
        words: of each id, without white space.
        comment: first line, behind a "# ", which readers pass over.
        done: is told how many n-grams more were written.

    >>> words = Table(np.arange(4), np.log10([0.1, 1, 0.4, 0.5]), np.zeros(4))
    >>> path = getfixture("tmp_path") / "model.arpa"
    >>> write_arpa(path, BackoffModel([words]), ["<unk>", "<s>", "</s>", "a"])
    >>> path.read_text().splitlines()[4:7]
    ['-1\\t<unk>', '0\\t<s>', '-0.39794\\t</s>']
    """
    names = np.array(words, object)
    with replacing_file(path) as draft, open(draft, "w", encoding="utf-8") as file:
        if comment:
            file.write(f"# {comment}\n")
        file.write("\\data\\\n")
        for length, table in enumerate(model.tables, start=1):
            file.write(f"ngram {length}={len(table.keys)}\n")
        for length, table in enumerate(model.tables, start=1):
            file.write(f"\n\\{length}-grams:\n")
            for start in range(0, len(table.keys), _LINES):
                some = slice(start, start + _LINES)
                grams = _grams(model, names, length, table.keys[some])
                numbers, ends = table.log_prob[some].tolist(), ["\n"] * len(grams)
                if length < model.order:
                    ends = [f"\t{left:.7g}\n" for left in table.backoff[some].tolist()]
                rows = zip(numbers, grams, ends, strict=True)
                lines = [f"{number:.7g}\t{gram}{end}" for number, gram, end in rows]
                file.write("".join(lines))
                done(len(grams))
        file.write("\n\\end\\\n")


def _grams(
    model: BackoffModel, names: np.ndarray, length: int, keys: np.ndarray
) -> list[str]:
    """The words of n-grams, by their keys."""
    columns = []
    for shorter in range(length - 2, -1, -1):
        places, last = np.divmod(keys, model.vocabulary_size)
        columns.append(names[last])
        keys = model.tables[shorter].keys[places]
    columns.append(names[keys])
    return list(map(" ".join, zip(*reversed(columns), strict=True)))


def read_arpa(
    path: str | Path, done: Done = lambda lines: None
) -> tuple[BackoffModel, list[str], str]:
    """Reads a model.

    Args:
        path: of the file.
        done: is told how many n-grams more were read.

    Returns:
        The model, the words of its ids, of which the first are `SPECIAL`, and the
        comment of the first line. An unknown word has 1e-100 where the file has none,
        as in KenLM.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is cut or damaged; names the line.
    """
    with open(expanded(path), encoding="utf-8", newline="\n") as file:
        try:
            return _Reader(path, file, done).read()
        except UnicodeDecodeError as error:
            raise ValueError(f"{path}: not UTF-8 ({error.reason})") from None


class _Reader:
    """Reads a file from its beginning to its end, and knows the line.

    Args:
        path: for messages.
        file: that is open.
        done: see `read_arpa`.
    """

    def __init__(self, path: str | Path, file: TextIO, done: Done):
        self.path, self.file, self.done = path, file, done
        self.line = 0
        self.held = ""  # a line that was read too early
        self.ids: dict[str, int] = {}

    def read(self) -> tuple[BackoffModel, list[str], str]:
        comment, counts = self._header()
        tables: list[Table] = []
        for length, number in enumerate(counts, start=1):
            self._expect(f"\\{length}-grams:")
            table = self._table(tables, length, number, length == len(counts))
            tables.append(table)
        self._expect("\\end\\")
        return BackoffModel(tables), list(self.ids), comment

    def fail(self, what: str, line: int | None = None) -> ValueError:
        return ValueError(f"{self.path}:{line or self.line}: {what}")

    def _next(self) -> str:
        """The next line that is not empty, without white space around it."""
        if self.held:
            text, self.held = self.held, ""
            return text
        for text in self.file:
            self.line += 1
            if text := text.strip(" \t\r\n"):
                return text
        raise self.fail("the file ends here: it is cut, or no ARPA file")

    def _expect(self, wanted: str) -> None:
        if (found := self._next()) != wanted:
            raise self.fail(f"{_short(found)} where {wanted} should be")

    def _header(self) -> tuple[str, list[int]]:
        comment, text = "", self._next()
        while text.startswith("#"):
            comment, text = comment or text[1:].strip(), self._next()
        if text != "\\data\\":
            raise self.fail(f"{_short(text)} where \\data\\ should be: no ARPA file")
        counts: list[int] = []
        while found := _COUNT.fullmatch(text := self._next()):
            if int(found[1]) != len(counts) + 1:
                raise self.fail(f"ngram {found[1]} where {len(counts) + 1} should be")
            counts.append(int(found[2]))
        if not counts:
            raise self.fail("no `ngram 1=…` behind \\data\\")
        self.held = text
        return comment, counts

    def _table(
        self, tables: Sequence[Table], length: int, number: int, last: bool
    ) -> Table:
        """The n-grams of one length, in the order of their keys."""
        keys = np.empty(number, np.int64)
        values = np.zeros((2, number), np.float32)
        first = self.line + 1
        for start in range(0, number, _LINES):
            columns = self._columns(min(_LINES, number - start), length, last)
            some = slice(start, start + len(columns[0]))
            keys[some] = self._keys(columns[1 : length + 1], tables, first + start)
            for row, place in enumerate((0, length + 1)[: 1 if last else 2]):
                values[row, some] = self._floats(columns[place], first + start)
            self.done(len(columns[0]))
        if length == 1:
            keys, values = self._with_special(values)
            number = len(keys)
        order = np.argsort(keys, kind="stable")
        keys = keys[order]
        if np.any(twice := keys[1:] == keys[:-1]):
            line = first + int(order[1:][twice].min())
            raise self.fail(f"this {length}-gram was there before", line)
        log_prob, backoff = values[:, order]
        return Table(keys, log_prob, backoff if not last else backoff[:0])

    def _columns(self, number: int, length: int, last: bool) -> Sequence[Sequence[str]]:
        """The fields of the next lines, as many as there should be, by column."""
        lines = list(islice(self.file, number))
        width = length + (1 if last else 2)
        fields = "".join(lines).split()
        columns = [fields[place::width] for place in range(width)]
        if len(fields) != width * len(lines) or any(
            line.count("\t") != width - length for line in lines
        ):
            rows = self._rows(lines, length, last)
            columns = [list(column) for column in zip(*rows, strict=True)]
        self.line += len(lines)
        if len(lines) < number:
            raise self.fail(
                f"the file ends here: of its {length}-grams {number - len(lines):,} or "
                "more are missing"
            )
        return columns

    def _rows(self, lines: list[str], length: int, last: bool) -> list[list[str]]:
        """The fields of lines of which some have no backoff, which is 0 then."""
        rows = [line.split() for line in lines]
        for number, row in enumerate(rows, start=self.line + 1):
            if len(row) == length + 1 and not last:
                row.append("0")
            elif len(row) != length + (1 if last else 2):
                shown = _short(" ".join(row)) if row else "an empty line"
                raise self.fail(
                    f"{shown} where a number and the {length} words of a "
                    f"{length}-gram should be",
                    number,
                )
        return rows

    def _keys(
        self, words: Sequence[Sequence[str]], tables: Sequence[Table], line: int
    ) -> np.ndarray:
        if not tables:
            ids = self.ids
            for number, word in enumerate(words[0], start=line):
                if ids.setdefault(word, len(ids)) != len(ids) - 1:
                    raise self.fail(f"{word!r} was there before", number)
            return np.arange(len(ids) - len(words[0]), len(ids))
        keys = self._ids(words[0], line)
        for place in range(1, len(words)):
            if place > 1:
                keys = find(tables[place - 1].keys, keys)
            if np.any(missing := keys < 0):
                row = int(np.argmax(missing))
                gram = [column[row] for column in words]
                raise self.fail(
                    f"{' '.join(gram)!r} is there, but its beginning "
                    f"{' '.join(gram[:place])!r} is not",
                    line + row,
                )
            keys = keys * len(self.ids) + self._ids(words[place], line)
        return keys

    def _ids(self, words: Sequence[str], line: int) -> np.ndarray:
        ids = list(map(self.ids.get, words))
        if None in ids:
            row = ids.index(None)
            raise self.fail(f"the word {words[row]!r} is no 1-gram", line + row)
        return np.array(ids, np.int64)

    def _floats(self, texts: Sequence[str], line: int) -> np.ndarray:
        try:
            return np.fromiter(map(float, texts), np.float32, len(texts))
        except ValueError:
            row = next(row for row, text in enumerate(texts) if not _is_number(text))
            raise self.fail(f"{texts[row]!r} is no number", line + row) from None

    def _with_special(self, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Words renumbered so that `SPECIAL` come first, which are added if missing."""
        others = [word for word in self.ids if word not in SPECIAL]
        missing = [word for word in SPECIAL if word not in self.ids]
        old = [*self.ids, *missing]
        added = np.full((2, len(missing)), [[NEVER], [0.0]], np.float32)
        self.ids = {word: i for i, word in enumerate((*SPECIAL, *others))}
        keys = np.array([self.ids[word] for word in old])
        return keys, np.concatenate([values, added], axis=1)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _short(text: str) -> str:
    return repr(text if len(text) <= 40 else f"{text[:39]}…")
