"""Files to read: what names, folders, patterns and URLs stand for."""

from __future__ import annotations

import os
from collections import Counter, deque
from collections.abc import Iterable, Iterator
from fnmatch import fnmatchcase
from itertools import takewhile
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

from massivetext_keras.reading.formats import FORMATS
from massivetext_keras.reading.read import Source, content_of
from massivetext_keras.reading.streams import suffixes
from massivetext_keras.support.extras import need
from massivetext_keras.support.values import choose, closest


def find(
    inputs: str | Path | Iterable[str | Path],
    *,
    format: str | None = None,
    skipped: Counter[str] | None = None,
) -> list[Source]:
    """Finds the files that a corpus is built from.

    An input is a file, a folder, a pattern (`*`, `?`, `[]`, and `**` for any depth) or
    a URL of one of these, such as "s3://bucket/**/*.parquet", that fsspec opens.
    Folders, and patterns that spell no suffix, stand for the files whose suffix says
    their format. Hidden files and folders are only taken by name. A folder is
    walked once, however many links lead to it.

    Args:
        inputs: one of these, or several.
        format: read all files as this one of `FORMATS`; then no suffix is skipped.
        skipped: suffix -> files that were passed over because of it; is filled in.

    Returns:
        The files, sorted by name, each once. Names are relative to the innermost folder
        that all inputs share, so they are the same wherever that folder lies.

    Raises:
        FileNotFoundError: an input that nothing matches; names the nearest path.
        ValueError: an input without a file that can be read, or an unknown format.

    >>> folder = getfixture("tmp_path")
    >>> for name in ["a.txt", "b.csv.gz", "c.png"]:
    ...     _ = (folder / name).write_text("text")
    >>> [(source.name, source.format) for source in find(folder)]
    [('a.txt', 'text'), ('b.csv.gz', 'csv')]
    """
    if format is not None:
        choose("format", format, FORMATS)
    found: dict[str, tuple[bool, str, int, str]] = {}
    bases = []
    for item in several(inputs):
        place = _locate(item)
        bases.append(place.root)
        passed: Counter[str] = Counter()
        readable = False
        for file in place.files():
            kind = format or content_of(file.path, place.by_name)
            if kind is None:
                passed["".join(suffixes(file.path))] += 1
            else:
                readable = True
                # Of several ways to a file, the one without links names it.
                entry = (file.path != file.real, file.path, file.size, kind)
                found[file.real] = min(found.get(file.real, entry), entry)
        if not readable:
            if not passed and not place.exists:
                raise FileNotFoundError(place.nothing("no file"))
            raise ValueError(
                f"{str(item)!r} holds no file of a known format"
                + (f", only {_listed(passed)}" if passed else "")
            )
        if skipped is not None:
            skipped.update(passed)
    names = _names((path for _, path, _, _ in found.values()), bases)
    sources = [
        Source(path, names[path], size, kind) for _, path, size, kind in found.values()
    ]
    return sorted(sources, key=lambda source: (source.name, source.path))


def _listed(passed: Counter[str]) -> str:
    """Suffixes that were passed over, and how to have what may be wanted."""
    said = " ".join(sorted(suffix or "files without a suffix" for suffix in passed))
    return said + ("; if .json holds documents, say *.json" * (".json" in passed))


def several(patterns: str | Path | Iterable[str | Path]) -> list[str | Path]:
    """One pattern or several, as a list.

    Raises:
        ValueError: there is none, or one is empty.
    """
    patterns = [patterns] if isinstance(patterns, str | Path) else list(patterns)
    if not patterns or not all(str(pattern) for pattern in patterns):
        raise ValueError("give at least one file, folder or pattern to read")
    return patterns


def search(pattern: str | Path) -> tuple[list[Path], bool]:
    """The files on this machine that a name, folder or pattern stands for.

    Returns:
        (paths as they were reached, whether they or their suffix were spelled).

    Raises:
        FileNotFoundError: a name or pattern that nothing matches; names the nearest
            path.
    """
    place = _locate(Path(pattern).expanduser())
    paths = [Path(file.path) for file in place.files()]
    if not paths and not os.path.isdir(pattern):
        raise FileNotFoundError(place.nothing("no text file"))
    return paths, place.by_name


class _File(NamedTuple):
    path: str
    real: str  # without links
    size: int


class _Place(NamedTuple):
    """Where an input looks for files: a folder, and a pattern of paths below it."""

    item: str
    base: str
    parts: tuple[str, ...]
    is_file: bool
    system: Any = None  # of fsspec, for a URL

    @property
    def root(self) -> str:
        """The base as a path or URL that files begin with."""
        return self.system.unstrip_protocol(self.base) if self.system else self.base

    @property
    def exists(self) -> bool:
        """Whether there is the file, or the folder of which all is meant."""
        path = self.system or os.path
        whole = self.parts == ("**",) and path.isdir(self.base or ".")
        return self.is_file or whole

    @property
    def by_name(self) -> bool:
        """Whether a file is named, or a suffix."""
        return self.is_file or bool(PurePosixPath(self.parts[-1]).suffix)

    def files(self) -> Iterator[_File]:
        """The files that match, in no particular order."""
        depth = None if "**" in self.parts else len(self.parts)
        for file, below in self._remote(depth) if self.system else self._local(depth):
            if self.is_file or _matches(below.split("/"), self.parts):
                yield file

    def _local(self, depth: int | None) -> Iterator[tuple[_File, str]]:
        hidden = any(part.startswith(".") for part in self.parts)
        walk = self.parts if self.is_file else _walk(self.base, depth, hidden)
        for below in walk:
            path = os.path.join(self.base, below)
            yield _File(path, os.path.realpath(path), os.path.getsize(path)), below

    def _remote(self, depth: int | None) -> Iterator[tuple[_File, str]]:
        start = f"{self.base}/{self.parts[0]}" if self.is_file else self.base
        found = self.system.find(start, maxdepth=depth, detail=True)
        for path, about in found.items():
            url = self.system.unstrip_protocol(path)
            below = path.removeprefix(self.base).lstrip("/")
            yield _File(url, url, about.get("size") or 0), below

    def nothing(self, what: str) -> str:
        """What to say where nothing matches, with the path that is most like it."""
        hint = "" if self.system else _nearest(Path(self.item))
        return f"{what} matches {self.item!r}{hint}"


def _locate(item: str | Path) -> _Place:
    if "://" in str(item):
        return _locate_remote(str(item))
    path = os.path.normpath(Path(item).expanduser())
    if os.path.isfile(path):
        folder, name = os.path.split(path)
        return _Place(str(item), folder, (name,), True)
    if os.path.isdir(path):
        return _Place(str(item), path, ("**",), False)
    base, parts = _split(Path(path).parts)
    return _Place(str(item), os.path.join("", *base), parts, False)


def _locate_remote(url: str) -> _Place:
    system, path = need("fsspec").url_to_fs(url)
    system.invalidate_cache()  # of what it held before
    path = path.rstrip("/")
    if system.isfile(path):
        folder, _, name = path.rpartition("/")
        return _Place(url, folder, (name,), True, system)
    if system.isdir(path):
        return _Place(url, path, ("**",), False, system)
    base, parts = _split(tuple(path.split("/")))
    return _Place(url, "/".join(base), parts, False, system)


def _split(parts: tuple[str, ...]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The folders before the first part with a wildcard, and the rest."""
    plain = tuple(takewhile(lambda part: not set(part) & set("*?["), parts[:-1]))
    return plain, parts[len(plain) :]


def _matches(path: list[str], pattern: tuple[str, ...]) -> bool:
    """Whether a path is one that a pattern means; `**` is any number of folders."""
    if not pattern or not path:
        return not pattern and not path
    first, *rest = pattern
    if path[0].startswith(".") and not first.startswith("."):
        return False
    if first != "**":
        return fnmatchcase(path[0], first) and _matches(path[1:], tuple(rest))
    if not rest:
        return not any(part.startswith(".") for part in path)
    return _matches(path, tuple(rest)) or _matches(path[1:], pattern)


def _walk(base: str, depth: int | None, hidden: bool) -> Iterator[str]:
    """The files below a folder, as paths relative to it.

    Each folder is walked once; one that links lead to, after those that lie there.
    """
    folders, links = deque([("", 1)]), deque[tuple[str, int]]()
    seen = set()
    while folders or links:
        below, level = (folders or links).popleft()
        folder = os.path.join(base, below) or "."
        if not os.path.isdir(folder):
            continue
        status = os.stat(folder)
        if (status.st_dev, status.st_ino) in seen:
            continue
        seen.add((status.st_dev, status.st_ino))
        for name in sorted(os.listdir(folder)):
            if name.startswith(".") and not hidden:
                continue
            path = os.path.join(folder, name)
            inner = f"{below}/{name}" if below else name
            if os.path.isdir(path):
                if depth is None or level < depth:
                    queue = links if os.path.islink(path) else folders
                    queue.append((inner, level + 1))
            elif os.path.isfile(path):
                yield inner


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


def _names(files: Iterable[str], bases: list[str]) -> dict[str, str]:
    """Path -> name, relative to the innermost folder that all bases share."""
    if any("://" in base for base in bases):
        shared = os.path.commonprefix([f"{base}/" for base in bases])
        start = shared.rpartition("/")[0] + "/"
        return {path: _spelled(path.removeprefix(start)) for path in files}
    shared = os.path.commonpath([os.path.abspath(base) for base in bases])
    return {
        path: _spelled(Path(os.path.relpath(os.path.abspath(path), shared)).as_posix())
        for path in files
    }


def _spelled(name: str) -> str:
    """A name with an escape for each byte of it that is not UTF-8.

    >>> print(_spelled(os.fsdecode(b"caf\\xe9.txt")))
    caf\\udce9.txt
    """
    return name.encode("utf-8", "backslashreplace").decode()
