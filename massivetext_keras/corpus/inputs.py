"""The files that a build reads: found, bundled into parts, and hashed."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import xxhash

from massivetext_keras.reading.find import find
from massivetext_keras.reading.streams import open_bytes
from massivetext_keras.support.extras import need
from massivetext_keras.support.files import replacing_file

FILES = pa.schema(
    [
        ("subset", pa.string()),
        ("path", pa.binary()),  # as the system has it, which need not be UTF-8
        ("name", pa.string()),
        ("bytes", pa.int64()),
        ("format", pa.string()),
    ]
)
HASHES = pa.schema(
    [
        ("subset", pa.string()),
        ("name", pa.string()),
        ("bytes", pa.int64()),
        ("hash", pa.string()),
    ]
)
_BUNDLE = 8 << 20  # bytes of files in a part, so that small ones share one
_MOST = 1000  # files in a part
_CHUNK = 1 << 20
UNREADABLE = "unreadable"
# Of what fsspec's file systems tell of a file, each in its own words
_STAMPS = re.compile(
    r"e?tag|generation|sha\d*|crc|md5.*|content.md5|digest|checksum|blob_id|version.*"
    r"|created|updated|m?time|modif.*|last.?modified|date_time",
    re.IGNORECASE,
)


def list_files(inputs: Any, format: str | None = None) -> list[dict[str, Any]]:
    """Finds the files that inputs stand for.

    Args:
        inputs: files, folders, patterns or URLs; or subset -> these.
        format: of all of them; None for what their suffixes say.

    Returns:
        Rows of `FILES`, sorted by subset and name.

    Raises:
        FileNotFoundError, ValueError: as `sources.find` does; a file that two subsets
            have, or two files of one name.
    """
    subsets = inputs if isinstance(inputs, Mapping) else {"": inputs}
    rows: list[dict[str, Any]] = []
    seen: dict[str | tuple[str, str], str] = {}
    for subset, patterns in subsets.items():
        for source in find(patterns, format=format):
            row = {"subset": subset, **source._asdict()}
            for key in (source.path, (subset, source.name)):
                if key in seen:
                    raise ValueError(
                        f"{source.path} is read twice, or has the name of another "
                        f"file: {seen[key]!r} of subset {subset!r}"
                    )
                seen[key] = source.name
            rows.append(row)
    return sorted(rows, key=lambda row: (row["subset"], row["name"]))


def stamp(path: str) -> int | str:
    """What is another once a file has been changed.

    Args:
        path: of the file, or its URL.

    Returns:
        When it was changed, in nanoseconds; of a URL the times, tags and hashes that
        its store tells, and a hash of what is in it where it tells none.
    """
    if "://" not in path:
        return Path(path).stat().st_mtime_ns if Path(path).exists() else 0
    system, place = need("fsspec").url_to_fs(path)
    about = system.info(place)
    told = {name: about[name] for name in about if _STAMPS.fullmatch(name)}
    return str(sorted(told.items())) if any(told.values()) else _hash(path)


def write_listing(files: Sequence[Mapping[str, Any]], folder: Path) -> list[Path]:
    """Writes rows of files as the parts that the first stage works on, one by one."""
    bundles: list[list[Mapping[str, Any]]] = [[]]
    size = 0
    for row in files:
        if bundles[-1] and (size + row["bytes"] > _BUNDLE or len(bundles[-1]) >= _MOST):
            bundles.append([])
            size = 0
        bundles[-1].append(row)
        size += row["bytes"]
    paths = []
    for bundle in bundles:
        name = hashlib.sha256(repr(bundle).encode()).hexdigest()[:16]
        paths.append(folder / f"{name}.parquet")
        with replacing_file(paths[-1]) as draft:
            rows = [{**row, "path": os.fsencode(row["path"])} for row in bundle]
            pq.write_table(pa.Table.from_pylist(rows, FILES), draft)
    return paths


def hash_files(tables: Iterator[pa.Table]) -> Iterator[pa.Table]:
    """Rows of `FILES` -> those of `HASHES`: size and XXH3-128 of each as it lies."""
    yield HASHES.empty_table()
    for table in tables:
        for file in table.to_pylist():
            row = {key: file[key] for key in ("subset", "name", "bytes")}
            row["hash"] = _hash(os.fsdecode(file["path"]))
            yield pa.Table.from_pylist([row], HASHES)


def _hash(path: str) -> str:
    digest = xxhash.xxh3_128()
    try:
        with open_bytes(path) as stream:
            while chunk := stream.read(_CHUNK):
                digest.update(chunk)
    except OSError:
        return UNREADABLE  # the reader says why
    return digest.hexdigest()


def summary(hashes: Sequence[Path]) -> dict[str, dict[str, Any]]:
    """Subset -> `files`, `bytes` and one `hash` of all names and hashes."""
    rows = pa.concat_tables(map(pq.read_table, hashes)).to_pylist()
    rows.sort(key=lambda row: (row["subset"], row["name"]))
    found: dict[str, dict[str, Any]] = {}
    for row in rows:
        entry = found.setdefault(
            row["subset"], {"files": 0, "bytes": 0, "hash": hashlib.sha256()}
        )
        entry["files"] += 1
        entry["bytes"] += row["bytes"]
        entry["hash"].update(f"{row['name']}\0{row['hash']}\n".encode())
    return {
        subset: {**entry, "hash": entry["hash"].hexdigest()}
        for subset, entry in found.items()
    }
