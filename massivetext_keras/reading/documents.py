"""Files, folders and patterns in; documents out."""

from __future__ import annotations

import hashlib
import json
import logging
import re
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from massivetext_keras.reading.find import search, several
from massivetext_keras.reading.formats.common import Options, Problem
from massivetext_keras.reading.formats.content import (
    format_by_content,
    is_binary,
    is_noise,
)
from massivetext_keras.reading.formats.json_values import raw_objects
from massivetext_keras.reading.formats.tables import read_parquet
from massivetext_keras.reading.streams import (
    COMPRESSED,
    DamagedFile,
    as_utf8,
    damages,
    lines,
    open_stream,
    read_whole,
    suffixes,
)
from massivetext_keras.support.files import file_hash

TEXT_SUFFIXES = (".txt", ".text", ".md", ".rst", ".jsonl", ".ndjson", ".parquet")
_LINES = (".jsonl", ".ndjson")
_SEEN = 2**13  # bytes by which the kind of a file is known
_NOT_TRAINING = re.compile(r"(validation|test|dropped)-\d+-of-\d+\.")

logger = logging.getLogger(__name__)


@dataclass
class ReadReport:
    """What a reader met on its way; `read_documents` fills it in as it goes.

    Args:
        files: files opened.
        documents: documents handed out.
        bytes: bytes of text read, after decompression.
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
    depth: those of `TEXT_SUFFIXES`, each also with .gz, .bz2, .zst or .xz. A
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

    Bytes that are not UTF-8 become U+FFFD as in `bytes.decode(errors="replace")`; a
    byte-order mark is dropped; line ends of text files become `\\n`. A .jsonl line is
    an object whose "text" is the document. Files with .gz are decompressed. Files and
    lines without text are skipped. One warning at the end names the files that were
    not UTF-8.

    Args:
        patterns: what `expand` takes.
        report: is filled in while reading; see `ReadReport`.

    Returns:
        An iterator over the documents, file by file in sorted order.

    Raises:
        FileNotFoundError, ValueError: at the call, as `expand` does.
        ValueError: while reading: a .jsonl line that is not an object with a string
            "text", a damaged file, or at the end no text in all of the files.

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
    path: Path, report: ReadReport | None = None, max_bytes: int | None = None
) -> Iterator[str]:
    """Read the documents of one file, as `read_documents` does those of several.

    Args:
        path: of the file.
        report: is filled in while reading.
        max_bytes: stop at the end of the line in which this many bytes were read.

    Raises:
        ValueError: a .jsonl line that is not an object with a string "text", or a
            damaged file.
    """
    report = ReadReport() if report is None else report
    try:
        with open_stream(path, tolerant=True) as stream:
            read, text = _reader(stream, path)
            yield from read(text, path, report, max_bytes)
            found = damages(stream)
    except DamagedFile as error:
        raise ValueError(f"{path} is damaged: {error}") from error
    for damage in found:
        if damage.is_loss:
            raise ValueError(f"{path} is damaged: {damage.detail}")
        logger.warning("%s: %s", path, damage.detail)


def _reader(stream, path: Path):
    """How the documents of a file are read, by its suffix or what it begins with; and
    the stream that is read."""
    kind = suffixes(path.name)[0]
    head = stream.peek(_SEEN)
    by_content = kind not in TEXT_SUFFIXES
    if kind == ".parquet" or (by_content and format_by_content(head) == "parquet"):
        return _read_rows, stream
    what = is_binary(head)
    stream = stream if what else as_utf8(stream)
    head = stream.peek(_SEEN)
    if what or is_noise(head):
        raise ValueError(f"{path} is no text, but {what or 'binary data'}")
    found = format_by_content(head) if by_content else None
    if kind in _LINES or found == "jsonl":
        return _read_lines, stream
    return (_read_objects if found == "json" else _read_text), stream


def _read_objects(file, path: Path, report: ReadReport, max_bytes) -> Iterator[str]:
    taken = 0
    for raw in raw_objects(file, sys.maxsize - 1):
        text = _decode(_text_field(raw.data, f"{path}: {raw.where}"), path, report)
        if text.strip():
            report.documents += 1
            yield text
        else:
            report.empty_documents += 1
        taken += len(raw.data)
        if max_bytes is not None and taken >= max_bytes:
            return


def _read_lines(file, path: Path, report: ReadReport, max_bytes) -> Iterator[str]:
    taken = 0
    for number, line in lines(file, sys.maxsize - 1):
        if line.strip():
            text = _decode(_text_field(line, f"{path}:{number}"), path, report)
            if text.strip():
                report.documents += 1
                yield text
            else:
                report.empty_documents += 1
        taken += len(line)
        if max_bytes is not None and taken >= max_bytes:
            return


def _read_rows(file, path: Path, report: ReadReport, max_bytes) -> Iterator[str]:
    taken = 0
    for row in read_parquet(file, Options("text")):
        if isinstance(row, Problem):
            raise ValueError(f"{path}: {row.detail}")
        size = len(row.text.encode())
        report.bytes += size
        if row.text.strip():
            report.documents += 1
            yield row.text
        else:
            report.empty_documents += 1
        taken += size
        if max_bytes is not None and taken >= max_bytes:
            return


def _read_text(file, path: Path, report: ReadReport, max_bytes) -> Iterator[str]:
    if max_bytes is None:
        data = read_whole(file)
    else:
        data = file.read(max(max_bytes - 1, 0)) + file.readline()
    text = _decode(data, path, report)
    if text.strip():
        report.documents += 1
        yield text.replace("\r\n", "\n").replace("\r", "\n")
    else:
        report.empty_files += 1


def _text_field(line: bytes, where: str) -> bytes:
    """The "text" of a .jsonl line as UTF-8, what is not valid in it left as it is."""
    try:
        # Each invalid byte passes through json as a lone surrogate and back.
        record = json.loads(line.decode("utf-8-sig", "surrogateescape"))
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{where} is not JSON: {error}") from error
    if not isinstance(record, dict) or not isinstance(record.get("text"), str):
        raise ValueError(f'{where} is not an object with a string "text"')
    text = record["text"]
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:  # an escape such as \ud800 in the JSON itself
        return text.encode("utf-8", "surrogatepass")


def _decode(data: bytes, path: Path, report: ReadReport) -> str:
    report.bytes += len(data)
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        valid = len(data.decode("utf-8", "ignore").encode())
        name = str(path)
        report.invalid[name] = report.invalid.get(name, 0) + len(data) - valid
        return data.decode("utf-8-sig", "replace")
