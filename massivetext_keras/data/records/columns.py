"""Sentences with a word to a line: CoNLL columns, and CoNLL-U with roles."""

from __future__ import annotations

import itertools
import logging
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, BinaryIO

from massivetext_keras.data.records.common import MOST_BYTES, Options, Record
from massivetext_keras.reading.streams import lines
from massivetext_keras.support.tags import is_tag, place_of, spans_of_tags

logger = logging.getLogger(__name__)

_BLANKS = " \t\r\n"  # not U+00A0, which is a part of a word
_COLUMN = re.compile(r"[ \t]+")
_DOCUMENT = "-DOCSTART-"
_LANGUAGE = re.compile(r"([a-z]{2,3}(?:-[a-z]+)?):(?=.)")
_LOOKED_AT = 100  # sentences, for a language before every word
# Of scripts that put no spaces between words.
_UNSPACED = re.compile(
    r"[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3000-\u30ff\u3400-\u9fff"
    r"\uf900-\ufaff\uff01-\uff0f\uff1a-\uff20\uff66-\uff9d\U00020000-\U0003ffff]"
)

Row = tuple[int, list[str]]  # the number of a line, and its columns


def joined_words(
    words: Sequence[str], spaced: Sequence[bool] | None = None
) -> tuple[str, list[list[int]]]:
    """The text of words, and where they are in it.

    Args:
        words: that are not empty.
        spaced: whether a space follows each (None: but for scripts that have none).

    >>> joined_words(["Paris", ",", "我", "们"])
    ('Paris ,我们', [[0, 5], [6, 7], [7, 8], [8, 9]])
    """
    text, places = "", []
    for place, word in enumerate(words):
        if place:
            between = not (_UNSPACED.match(text[-1]) or _UNSPACED.match(word))
            text += " " * (between if spaced is None else spaced[place - 1])
        places.append([len(text), len(text) + len(word)])
        text += word
    return text, places


def read_conll(stream: BinaryIO, options: Options) -> Iterator[Record]:
    """Reads sentences of words with tags: IOB1, BIO, BIOES, BMES or BILOU.

    A blank line ends a sentence, and lines that begin with # and have no tag, or other
    columns than the words, are comments; words are joined by spaces, but for those of
    scripts without. Where every word has a language before it, as in WikiANN
    (`en:Paris`), that is taken off. Tags that go on with a span that there is not begin
    one.

    Fields are `text`, `words` [[start, end], …] and, where there are tags, `entities`
    [[start, end, label], …]. The columns "words" and "tags" are numbers, 0 and -1 if
    nobody says others.

    Raises:
        ValueError: a column is no number; or a tag goes on with nothing in a file where
            B- begins spans, and the problems are strict.
    """
    place, tag_place = _number(options, "words", 0), _number(options, "tags", -1)
    sentences = _without_comments(_sentences(stream, options), tag_place)
    first = list(itertools.islice(sentences, _LOOKED_AT))
    cut = _language(
        [row[place] for rows in first for _, row in rows if _has(row, place)]
    )
    count = _Beginnings()
    for rows in itertools.chain(first, sentences):
        line = rows[0][0]
        if not all(_has(row, place) for _, row in rows):
            options.bad(line, f"a word that column {place} does not have")
            continue
        text, places = joined_words([row[place][cut:] for _, row in rows])
        fields: dict[str, Any] = {"text": text, "words": places}
        if len(rows[0][1]) > 1:
            tagged = [len(row) > 1 and _has(row, tag_place) for _, row in rows]
            if not all(tagged):
                options.bad(line, "a word without a tag")
                continue
            tags = [row[tag_place] for _, row in rows]
            try:
                spans = spans_of_tags(tags)
            except ValueError as error:
                options.bad(line, str(error))
                continue
            count.add(line, tags)
            fields["entities"] = [
                [places[start][0], places[end - 1][1], label]
                for start, end, label in spans
            ]
        yield options.record(line, fields)
    count.tell(options)


class _Beginnings:
    """How spans begin after O in a file: with B-, or, as in IOB1, with I-."""

    def __init__(self):
        self.marked, self.wrong = 0, []

    def add(self, line: int, tags: Sequence[str]) -> None:
        for i, (before, tag) in enumerate(itertools.pairwise(["O", *tags])):
            place, earlier = place_of(tag), place_of(before)
            if place in "BS" and before == "O":
                self.marked += 1
            elif place in "IE" and (earlier in "OES" or before[1:] != tag[1:]):
                self.wrong.append(line + i)

    def tell(self, options: Options) -> None:
        """Warns of errors, or raises; I- at a beginning is none in IOB1."""
        if not (self.marked and self.wrong):
            return
        where = f"{options.path}:{self.wrong[0]}"
        if options.problems.strict:
            raise ValueError(f"{where}: a tag goes on with a span that there is not")
        logger.warning(
            "%s: %d tags, the first in line %d, go on with a span that there is not: "
            "each begins one",
            options.path,
            len(self.wrong),
            self.wrong[0],
        )


def _number(options: Options, field: str, default: int) -> int:
    number = options.columns.get(field, default)
    if not isinstance(number, int):
        raise ValueError(
            f"{options.path}: columns have numbers, from 0, not names: "
            f"{field}={number!r}"
        )
    return number


def _has(row: Sequence[str], place: int) -> bool:
    return -len(row) <= place < len(row) and bool(row[place].strip(_BLANKS))


def _language(words: Sequence[str]) -> int:
    """How many characters before every word name a language, the same one."""
    found = {match[0] if match else "" for match in map(_LANGUAGE.match, words)}
    return len(found.pop()) if len(words) > 1 and len(found) == 1 else 0


def _sentences(stream: BinaryIO, options: Options) -> Iterator[list[Row]]:
    """The lines between blank ones; what only says that a document begins is none."""
    rows: list[Row] = []
    for number, line in itertools.chain(lines(stream, MOST_BYTES), [(0, b"")]):
        if line is None:
            options.bad(number, f"more than {MOST_BYTES:,} bytes")
            continue
        text = options.decoded(number, line).rstrip(_BLANKS)
        if text:
            row = text.split("\t") if "\t" in text else _COLUMN.split(text.strip(" "))
            if not row[0].startswith(_DOCUMENT):
                rows.append((number, row))
        elif rows:
            yield rows
            rows = []


def _without_comments(
    sentences: Iterable[list[Row]], tag_place: int
) -> Iterator[list[Row]]:
    """Sentences of words: # is one if it has the columns of the others, and a tag."""
    width = 0
    for rows in sentences:
        others = [row for _, row in rows if not row[0].startswith("#")]
        width = max(map(len, others), default=width)
        words = [
            (number, row)
            for number, row in rows
            if not row[0].startswith("#") or _is_word(row, width, tag_place)
        ]
        if words:
            yield words


def _is_word(row: Sequence[str], width: int, tag_place: int) -> bool:
    if width and len(row) != width:
        return False
    return len(row) == 1 or (_has(row, tag_place) and is_tag(row[tag_place]))


# Columns of the senses of predicates; the roles of each predicate follow, in order.
_SENSE, _SENSE_WITHOUT_DEPS = 10, 9
_NUMBERS = re.compile(r"\d+(?:-\d+)?")  # of a word, or of a token of several
_NOTHING = ("", "_")
_PREDICATES_OWN = ("V", "C-V")


def read_conllu(stream: BinaryIO, options: Options) -> Iterator[Record]:
    """Reads sentences of CoNLL-U with roles (Universal Propositions), by predicate.

    The sense of a predicate is in column 11, counted from 1, and the roles of the k-th
    in column 11 + k; or, where column 9 marks predicates with Y, one column further to
    the left. The text is that of the words, with `SpaceAfter=No`; where column 10 is
    none of CoNLL-U's, as `joined_words` writes it. A token of several words (1-2 don't)
    is in the text as it is written, and one word where it is not written as they are
    (German zum). What is not in the text, such as empty nodes, is passed over, and so
    are sentences without predicates.

    Fields are `text`, `words` and `entities` as those of `read_conll`, of which a role
    of a single word is one; `predicate` [start, end], its `sense`, and the `document`
    that `# newdoc id` names.
    """
    document = None
    for rows in _sentences(stream, options):
        line = rows[0][0]
        for _, row in rows:
            name, _, value = " ".join(row).partition("=")
            if name.strip() == "# newdoc id":
                document = value.strip()
        own = _surface([row for _, row in rows])
        if not own or not all(len(row) > 9 for row in own):
            if own:
                options.bad(line, "fewer than 10 columns")
            continue
        marked = any(row[8] == "Y" for row in own)
        sense = _SENSE_WITHOUT_DEPS if marked else _SENSE
        spaced = None if marked else ["SpaceAfter=No" not in row[9] for row in own]
        text, places = joined_words([row[1] for row in own], spaced)
        predicates = [i for i, row in enumerate(own) if _at(row, sense)]
        width = max(_width(row) for row in own)
        if width - sense - 1 != len(predicates) and (predicates or width > sense + 1):
            options.bad(line, "columns of roles that are not one for each predicate")
            continue
        for k, of in enumerate(predicates):
            roles = [_at(row, sense + 1 + k) for row in own]
            entities = [
                [*place, role]
                for place, role in zip(places, roles, strict=True)
                if role and role not in _PREDICATES_OWN
            ]
            yield options.record(
                line,
                {
                    "text": text,
                    "words": places,
                    "entities": entities,
                    "predicate": places[of],
                    "sense": own[of][sense],
                    "document": document,
                },
            )


def _surface(rows: Sequence[list[str]]) -> list[list[str]]:
    """The words of a sentence as they are written, without what is not.

    The words of a token become its parts, or one, which has what the first of them that
    has something says in each column.
    """
    own: list[list[str]] = []
    words = iter([row for row in rows if _NUMBERS.fullmatch(row[0])])
    for row in words:
        first, _, last = row[0].partition("-")
        if not last:
            own.append(row)
            continue
        count = max(int(last) - int(first) + 1, 0)
        parts = list(itertools.islice(words, count))
        if len(row) < 10 or not all(len(part) > 9 for part in parts):
            own += parts
        elif "".join(part[1] for part in parts).lower() == row[1].lower():
            own += _parts_of(row, parts)
        else:
            own.append(_merged(row, parts))
    return own


def _parts_of(token: Sequence[str], parts: list[list[str]]) -> Iterator[list[str]]:
    """The words of a token, spelled as it is, without spaces between them."""
    at = 0
    for number, part in enumerate(parts, 1):
        part = list(part)
        part[1] = token[1][at : at + len(part[1])]
        at += len(part[1])
        part[9] = token[9] if number == len(parts) else "SpaceAfter=No"
        yield part


def _merged(token: Sequence[str], parts: Sequence[Sequence[str]]) -> list[str]:
    width = max(map(len, parts), default=len(token))
    row = [
        next((x for part in parts if (x := _at(part, place))), "_")
        for place in range(width)
    ]
    row[0], row[1], row[9] = parts[0][0] if parts else token[0], token[1], token[9]
    return row


def _at(row: Sequence[str], place: int) -> str:
    """What a column says, "" if nothing."""
    value = row[place].strip() if place < len(row) else ""
    return "" if value in _NOTHING else value


def _width(row: Sequence[str]) -> int:
    """Columns up to the last that is not empty."""
    return max(i for i, value in enumerate(row) if value.strip()) + 1
