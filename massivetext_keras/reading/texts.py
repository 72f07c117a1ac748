"""The texts of files, for training: what cannot be read is an error that names it."""

from __future__ import annotations

import hashlib
import logging
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from massivetext_keras.reading.document import Document, Problem
from massivetext_keras.reading.encodings import valid
from massivetext_keras.reading.find import search, several
from massivetext_keras.reading.formats import FORMATS, Options
from massivetext_keras.reading.read import NoText, content_of, rows_of
from massivetext_keras.reading.streams import (
    COMPRESSED,
    DamagedFile,
    damages,
    open_stream,
    suffixes,
)
from massivetext_keras.support.files import file_hash

TEXT_SUFFIXES = (".txt", ".text", ".md", ".rst", ".jsonl", ".ndjson", ".parquet")
_ALL = 2**62  # bytes: no document is too large
_HALF_BYTES = 3  # that half of a surrogate pair would be in UTF-8
_NOT_TRAINING = re.compile(r"(validation|test|dropped)-\d+-of-\d+\.")

logger = logging.getLogger(__name__)


@dataclass
class ReadReport:
    """What a reader met on its way; `read_documents` fills it in as it goes.

    Args:
        files: files opened.
        documents: documents handed out.
        bytes: of the texts handed out, in UTF-8.
        empty_files: text files without a character other than whitespace, skipped.
        empty_documents: lines of .jsonl files whose text is such, skipped.
        invalid: file -> bytes of it that were not UTF-8 and became U+FFFD.

    Example:
        >>> ReadReport(invalid={"a.txt": 2, "b.txt": 1}).invalid_bytes
        3
    """

    files: int = 0
    documents: int = 0
    bytes: int = 0
    empty_files: int = 0
    empty_documents: int = 0
    invalid: dict[str, int] = field(default_factory=dict)

    @property
    def invalid_bytes(self) -> int:
        """Bytes that were not UTF-8, over all files."""
        return sum(self.invalid.values())


def expand(patterns: str | Path | Iterable[str | Path]) -> list[Path]:
    """Find the files that names, patterns and folders stand for.

    A file is taken as it is named. A folder stands for the text files in it at any
    depth: those of `TEXT_SUFFIXES`, each also with .gz, .bz2, .zst, .xz or .br. A
    pattern (`*`, `?`, `[]`, and `**` for any depth) that spells a suffix takes whatever
    it matches, `raw/*.tsv`; one that does not, `raw/**`, takes text files. Hidden files
    are only taken by name. A folder that `massivetext corpus build` wrote stands for
    its shards for training.

    Args:
        patterns: one of these, or several.

    Returns:
        The files, sorted, each once, even if reached over several ways or links.

    Raises:
        FileNotFoundError: a pattern that nothing matches; names the nearest path.
        ValueError: a folder without text files.

    Example:
        >>> folder = getfixture("tmp_path")
        >>> for name in ["b.txt", "a.md", "picture.png"]:
        ...     _ = (folder / name).write_text("text")
        >>> [path.name for path in expand(folder)]
        ['a.md', 'b.txt']
    """
    found: dict[Path, Path] = {}
    for pattern in several(patterns):
        for path in _expand_one(pattern):
            found.setdefault(path.resolve(), path)
    return sorted(found.values())


def fingerprint(patterns: str | Path | Iterable[str | Path]) -> str:
    """SHA-256 of the contents of files in sorted order, wherever they lie.

    Args:
        patterns: what `expand` takes.

    Raises:
        FileNotFoundError, ValueError: as `expand` does.

    Example:
        >>> path = getfixture("tmp_path") / "a.txt"
        >>> _ = path.write_text("text")
        >>> fingerprint(path)[:8]
        'aa10070a'
    """
    digest = hashlib.sha256()
    for path in expand(patterns):
        digest.update(bytes.fromhex(file_hash(path)))
    return digest.hexdigest()


def read_documents(
    patterns: str | Path | Iterable[str | Path], report: ReadReport | None = None
) -> Iterator[str]:
    """Read documents: a text file is one, a .jsonl file has one on each line.

    Files of any of `formats.FORMATS` are read as for a corpus; only what cannot be read
    is an error here. Bytes that are not UTF-8 become U+FFFD as in
    `bytes.decode(errors="replace")`; a byte-order mark is dropped; line ends of text
    files become `\\n`. Files and records without text are skipped. One warning at the
    end names the files that were not UTF-8.

    Args:
        patterns: what `expand` takes.
        report: is filled in while reading; see `ReadReport`.

    Returns:
        An iterator over the documents, file by file in sorted order.

    Raises:
        FileNotFoundError, ValueError: at the call, as `expand` does.
        ValueError: while reading: a record without a text, a damaged file, or at the
            end no text in all of the files.

    Example:
        >>> path = getfixture("tmp_path") / "corpus.jsonl"
        >>> _ = path.write_text('{"text": "one"}\\n{"text": "two", "id": 7}\\n')
        >>> report = ReadReport()
        >>> list(read_documents(path, report)), report.documents, report.bytes
        (['one', 'two'], 2, 6)
    """
    patterns = several(patterns)
    report = ReadReport() if report is None else report
    return _read(expand(patterns), patterns, report)


def _expand_one(pattern: str | Path) -> list[Path]:
    paths, by_name = search(pattern)
    is_folder = Path(pattern).expanduser().is_dir()
    if not by_name:
        paths = [path for path in paths if suffixes(path.name)[0] in TEXT_SUFFIXES]
    if is_folder or Path(pattern).name in ("*", "**"):
        paths = [path for path in paths if not _is_not_training(path)]
    if not paths and is_folder:
        known = " ".join(TEXT_SUFFIXES)
        more = " ".join(COMPRESSED)
        raise ValueError(
            f"{str(pattern)!r} holds no text files ({known}, also with {more})"
        )
    if not paths:
        raise FileNotFoundError(f"no text file matches {str(pattern)!r}")
    return paths


def _is_not_training(path: Path) -> bool:
    """Whether it is a shard of a corpus that is not for training."""
    return bool(_NOT_TRAINING.match(path.name)) and any(
        (folder / "manifest.json").is_file() for folder in list(path.parents)[:2]
    )


def _read(
    paths: list[Path], patterns: list[str | Path], report: ReadReport
) -> Iterator[str]:
    before = report.documents
    for path in paths:
        report.files += 1
        yield from read_file(path, report)
    if report.invalid:
        names = list(report.invalid)
        more = f" and {len(names) - 5} more" if len(names) > 5 else ""
        logger.warning(
            "%d bytes were not UTF-8 and became U+FFFD, in %d of %d files: %s%s",
            report.invalid_bytes,
            len(names),
            report.files,
            ", ".join(names[:5]),
            more,
        )
    if report.documents == before:
        where = ", ".join(repr(str(pattern)) for pattern in patterns)
        raise ValueError(f"there is no text in {where} ({len(paths)} files)")


def read_file(
    path: str | Path, report: ReadReport | None = None, max_bytes: int | None = None
) -> Iterator[str]:
    """Read the texts of one file, as `read_documents` does those of several.

    Args:
        path: of the file, in any of `formats.FORMATS`.
        report: is filled in while reading.
        max_bytes: stop at the end of the line in which this many bytes were read.

    Raises:
        ValueError: a record without a text, or a damaged file.
    """
    report = ReadReport() if report is None else report
    format, taken = content_of(str(path)), 0
    options = Options(max_document_bytes=_ALL, max_ratio=None, name=Path(path).name)
    try:
        with open_stream(path, tolerant=True) as stream:
            for row in rows_of(stream, format, options, max_bytes):
                text = _text_of(row, path)
                if not isinstance(row, Document) or not text or text.isspace():
                    _count_empty(row, format, report)
                    continue
                size = len(text.encode())
                _count(row, size, path, report)
                yield text
                taken += size
                if max_bytes is not None and taken >= max_bytes:
                    return
            found = damages(stream)
    except NoText as error:
        raise ValueError(str(error).replace("it is", f"{path} is", 1)) from error
    except DamagedFile as error:
        raise ValueError(f"{path} is damaged: {error}") from error
    for damage in found:
        if damage.is_loss:
            raise ValueError(f"{path} is damaged: {damage.detail}")
        logger.warning("%s: %s", path, damage.detail)


def _text_of(row: Document | Problem, path: str | Path) -> str:
    """The text of a row, "" for one that is none by its kind.

    Raises:
        ValueError: of a bad record; names file and line.
    """
    if isinstance(row, Document):
        return valid(row.text)
    if row.reason in ("empty", "no_page"):
        return ""
    place, _, what = row.detail.partition(": ")
    number = place.removeprefix("line ")
    if not number.isdecimal():
        raise ValueError(f"{path}: {row.detail}")
    between = " is " if what.startswith("not ") else ": "
    raise ValueError(f"{path}:{number}{between}{what}")


def _count(row: Document, size: int, path: str | Path, report: ReadReport) -> None:
    report.documents += 1
    report.bytes += size
    wrong = row.columns.get("invalid_bytes", 0) + _HALF_BYTES * row.halves
    if wrong:
        report.invalid[str(path)] = report.invalid.get(str(path), 0) + wrong


def _count_empty(row: Document | Problem, format: str, report: ReadReport) -> None:
    if FORMATS[format].is_one:
        report.empty_files += 1
    elif isinstance(row, Document) or row.reason == "empty":
        report.empty_documents += 1
