"""A folder for each class, a text in each file, as those of aclImdb."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeGuard

from massivetext_keras.data.records.common import Options, Problems, Record
from massivetext_keras.reading.streams import open_stream, suffixes

PARTS = {"train", "test", "dev", "val", "valid", "validation"}
UNLABELLED = {"unsup", "unlabelled", "unlabeled"}
_SUFFIXES = {"", ".txt"}


def is_class_folder(files: Any) -> TypeGuard[str | Path]:
    """Whether files are one folder with a folder of texts for each class.

    Raises:
        ValueError: it has such folders in parts of their own, train and test.

    >>> root = getfixture("tmp_path")
    >>> for name in ("pos", "neg"):
    ...     (root / name).mkdir()
    ...     _ = (root / name / "0.txt").write_text(name)
    >>> is_class_folder(root), is_class_folder(root / "pos")
    (True, False)
    """
    if not isinstance(files, str | Path) or not Path(files).expanduser().is_dir():
        return False
    root = Path(files).expanduser()
    parts = [x for x in _folders(root) if x.name in PARTS and len(_classes(x)) > 1]
    if parts:
        names = " or ".join(str(part) for part in parts)
        raise ValueError(f"{files} has parts with classes of their own: give {names}")
    return len(_classes(root)) > 1


def class_folder_records(
    root: str | Path, encoding: str, problems: Problems
) -> Iterator[Record]:
    """`text` and `label` of every file: the label is the name of its folder, or None in
    one that says it has none (unsup)."""
    for folder in _classes(Path(root).expanduser()):
        label = None if folder.name in UNLABELLED else folder.name
        for path in _texts(folder):
            options = Options(str(path), encoding=encoding, problems=problems)
            with open_stream(path) as stream:
                text = options.decoded(None, options.text(stream).read())
            fields = {"text": text.strip("\r\n"), "label": label}
            yield Record(fields, str(path))


def _folders(root: Path) -> list[Path]:
    return sorted(x for x in root.iterdir() if x.is_dir() and x.name[:1] != ".")


def _classes(root: Path) -> list[Path]:
    """Folders with texts in them, and no folders."""
    return [x for x in _folders(root) if _texts(x) and not _folders(x)]


def _texts(folder: Path) -> list[Path]:
    return sorted(
        x
        for x in folder.iterdir()
        if x.is_file() and x.name[:1] != "." and suffixes(x.name)[0] in _SUFFIXES
    )
