"""Files and folders that others see whole or not at all, even after a power cut."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any


def expanded(path: str | os.PathLike) -> Path:
    """A path whose first part may be ~, the home of whoever asks.

    >>> expanded("a/~"), expanded("~").is_absolute()
    (PosixPath('a/~'), True)
    """
    return Path(path).expanduser()


@contextlib.contextmanager
def replacing_file(path: str | Path) -> Iterator[Path]:
    """The name of a file to write, which takes the place of `path` in the end.

    It does so if the block raises nothing; the folder is made if there is none.

    >>> path = getfixture("tmp_path") / "new" / "file"
    >>> with replacing_file(path) as draft:
    ...     _ = draft.write_text("text")
    >>> path.read_text(), len(list(path.parent.iterdir()))
    ('text', 1)
    """
    path = expanded(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        yield draft
        sync(draft)
        os.replace(draft, path)
        sync(path.parent)
    finally:
        draft.unlink(missing_ok=True)


def write_json(path: str | Path, values: Mapping[str, Any]) -> None:
    """Writes values as indented JSON; a reader sees the old file or the new one."""
    with replacing_file(path) as draft:
        draft.write_text(json.dumps(values, indent=2) + "\n")


def json_line(values: Mapping[str, Any]) -> bytes:
    """Values as a line of JSON in UTF-8; what JSON has no form for, such as a date, is
    a text, and a line with half a surrogate pair is in ASCII.

    >>> json_line({"a": Path("b")}), json_line({"a": "\\ud800"})
    (b'{"a": "b"}\\n', b'{"a": "\\\\ud800"}\\n')
    """
    try:
        text = json.dumps(values, ensure_ascii=False, default=str).encode()
    except UnicodeEncodeError:
        text = json.dumps(values, default=str).encode()
    return text + b"\n"


def read_json(path: str | Path) -> dict[str, Any]:
    """A JSON object.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file is damaged, or holds something else.

    >>> write_json(path := getfixture("tmp_path") / "file", {"a": 1})
    >>> read_json(path)
    {'a': 1}
    """
    try:
        values = json.loads(expanded(path).read_bytes())
    except ValueError as error:
        raise ValueError(f"{path}: not JSON ({error})") from None
    if not isinstance(values, dict):
        raise ValueError(f"{path}: not a JSON object")
    return values


def check_free(path: str | Path, overwrite: bool = False) -> None:
    """Refuses a folder that may not be written.

    Raises:
        FileExistsError: it is a file, or not empty and `overwrite` is false.
    """
    path = expanded(path)
    if path.is_file():
        raise FileExistsError(f"{path} is a file: give a folder")
    if path.exists() and any(path.iterdir()) and not overwrite:
        raise FileExistsError(
            f"{path} is not empty: choose another folder, or overwrite it"
        )


@contextlib.contextmanager
def replacing_folder(path: str | Path, overwrite: bool = False) -> Iterator[Path]:
    """A new folder that takes the place of `path` if the block raises nothing.

    Args:
        path: of the folder.
        overwrite: replace what is in it.

    Raises:
        FileExistsError: it is a file, or not empty and `overwrite` is false.

    >>> path = getfixture("tmp_path") / "new"
    >>> with replacing_folder(path) as folder:
    ...     _ = (folder / "file").write_text("text")
    >>> (path / "file").read_text()
    'text'
    """
    path = expanded(path)
    check_free(path, overwrite)
    path.parent.mkdir(parents=True, exist_ok=True)
    # Beside the target, so that the last step is a rename within one file system.
    aside = Path(tempfile.mkdtemp(prefix=f".{path.name}.", dir=path.parent))
    new, old = aside / "new", aside / "old"
    try:
        new.mkdir()
        yield new
        for place in (*new.rglob("*"), new):
            sync(place)
        if path.exists():
            path.rename(old)
        new.rename(path)
        sync(path.parent)
    except BaseException:
        if old.exists() and not path.exists():
            old.rename(path)
        raise
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def file_hash(path: str | Path) -> str:
    """SHA-256 of a file, in hexadecimal."""
    with open(expanded(path), "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def sync(path: Path) -> None:
    """Waits until a file or folder is on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
