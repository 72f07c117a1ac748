"""Files, folders and patterns in; documents out."""

from __future__ import annotations

import glob
import gzip
import hashlib
import json
import logging
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from massivetext_keras.configs import closest
from massivetext_keras.files import file_hash

TEXT_SUFFIXES = (".txt", ".md", ".rst", ".jsonl")

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
    depth: .txt, .md, .rst and .jsonl, each also with .gz. A pattern (`*`, `?`, `[]`,
    and `**` for any depth) that spells a suffix takes whatever it matches, `raw/*.tsv`;
    one that does not, `raw/**`, takes text files. Hidden files are only taken by name.

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
    for pattern in _several(patterns):
        for path in _expand_one(Path(pattern).expanduser()):
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
    """Read documents: a text file is one, a .jsonl file has one per line.

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
            "text", a damaged .gz file, or at the end no text in all of the files.

    Example:
        >>> path = getfixture("tmp_path") / "corpus.jsonl"
        >>> _ = path.write_text('{"text": "one"}\\n{"text": "two", "id": 7}\\n')
        >>> report = ReadReport()
        >>> list(read_documents(path, report)), report.documents, report.bytes
        (['one', 'two'], 2, 6)
    """
    patterns = _several(patterns)
    report = ReadReport() if report is None else report
    return _read(expand(patterns), patterns, report)


def _several(patterns: str | Path | Iterable[str | Path]) -> list[str | Path]:
    patterns = [patterns] if isinstance(patterns, str | Path) else list(patterns)
    if not patterns or not all(str(pattern) for pattern in patterns):
        raise ValueError("give at least one file, folder or pattern to read")
    return patterns


def _expand_one(pattern: Path) -> list[Path]:
    if pattern.is_file():
        return [pattern]
    search = Path(glob.escape(str(pattern)), "**") if pattern.is_dir() else pattern
    paths = map(Path, glob.iglob(str(search), recursive=True))
    paths = [
        path
        for path in paths
        if (search.suffix or _kind(path) in TEXT_SUFFIXES) and path.is_file()
    ]
    if not paths and pattern.is_dir():
        known = " ".join(TEXT_SUFFIXES)
        raise ValueError(f"{str(pattern)!r} holds no text files ({known}, also .gz)")
    if not paths:
        raise FileNotFoundError(
            f"no text file matches {str(pattern)!r}{_nearest(pattern)}"
        )
    return paths


def _kind(path: Path) -> str:
    """The suffix, without .gz and in lower case."""
    name = path.name.lower()
    return Path(name.removesuffix(".gz")).suffix


def _nearest(pattern: Path) -> str:
    """A hint: the path most like the first part of the pattern that is missing."""
    folder = Path(pattern.anchor)
    for part in pattern.relative_to(folder).parts:
        if not (folder / part).exists():
            near = closest(part, (path.name for path in folder.iterdir()))
            return f"; did you mean {str(folder / near)!r}?" if near else ""
        folder = folder / part
        if not folder.is_dir():
            return f"; {str(folder)!r} is a file"
    return ""


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
            damaged .gz file.
    """
    report = ReadReport() if report is None else report
    open_file = gzip.open if path.suffix.lower() == ".gz" else open
    try:
        with open_file(path, "rb") as file:
            read = _read_lines if _kind(path) == ".jsonl" else _read_text
            yield from read(file, path, report, max_bytes)
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise ValueError(f"{path} is damaged: {error}") from error


def _read_lines(file, path: Path, report: ReadReport, max_bytes) -> Iterator[str]:
    taken = 0
    for number, line in enumerate(file, 1):
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


def _read_text(file, path: Path, report: ReadReport, max_bytes) -> Iterator[str]:
    if max_bytes is None:
        data = file.read()
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
