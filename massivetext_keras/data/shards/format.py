"""What a folder of shards holds: a manifest, and files of records of one size.

    manifest.json            what the shards are, and the hash of each
    train-00000.tfrecord     packed rows, and so on
    validation-00000.tfrecord

A file is a TFRecord whose records have one size, so that record i lies at i times
`record_dtype(…).itemsize` and `tf.data.TFRecordDataset` reads it too. What a record
holds are the bytes of `row_dtype`: `sequence_length + 1` tokens and as many segments,
numbers of little end. Segments 1, 2 and so on are documents or pieces of documents, 0
is padding.
"""

from __future__ import annotations

import dataclasses
import logging
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from massivetext_keras.support.files import file_hash, read_json
from massivetext_keras.support.values import Config

logger = logging.getLogger(__name__)

MANIFEST = "manifest.json"
FORMAT = "massivetext_keras shards 1"
SIDES = ("train", "validation")
"""The parts of a folder of shards: the names of its files begin with them."""


@dataclasses.dataclass(frozen=True)
class Shard(Config):
    """A file: its records, its size, and what `files.file_hash` says of it."""

    examples: int = 0
    bytes: int = 0
    hash: str = ""


@dataclasses.dataclass(frozen=True)
class Side(Config):
    """The training or the validation part of a folder.

    Attributes:
        documents: texts that are in it.
        too_short: texts that are not, for they have fewer than two tokens.
        tokens: of the documents, the special ones at their ends included.
        predictions: tokens with a loss: all but the first of each document.
        examples: rows.
        padding: share of the rows' places that hold no token.
        shards: file -> `Shard`, in the order of the rows.
    """

    documents: int = 0
    too_short: int = 0
    tokens: int = 0
    predictions: int = 0
    examples: int = 0
    padding: float = 0.0
    shards: dict = dataclasses.field(default_factory=dict)

    def __post_init__(self):
        super().__post_init__()
        for name, shard in self.shards.items():
            if not isinstance(shard, Shard):
                self.shards[name] = Shard.from_dict(dict(shard))


@dataclasses.dataclass(frozen=True)
class Manifest(Config):
    """What the shards of a folder are.

    Attributes:
        format: of the folder.
        corpus: a name for what the text is.
        sequence_length: tokens that a row predicts; it holds one more.
        token_dtype, segment_dtype: of a record, as NumPy names them.
        tokenizer: its fingerprint.
        vocabulary_size: of the tokenizer.
        validation_fraction: share of the text held out.
        seed: of that split.
        versions: package -> version that wrote the folder.
        train, validation: the two sides.
    """

    format: str = FORMAT
    corpus: str = ""
    sequence_length: int = 0
    token_dtype: str = "<u2"
    segment_dtype: str = "|u1"
    tokenizer: str = ""
    vocabulary_size: int = 0
    validation_fraction: float = 0.0
    seed: int = 0
    versions: dict = dataclasses.field(default_factory=dict)
    train: Side = Side()
    validation: Side = Side()

    @property
    def row_dtype(self) -> np.dtype:
        """The bytes of a row.

        >>> Manifest(sequence_length=3).row_dtype.itemsize
        12
        """
        tokens = self.sequence_length + 1
        fields = ("tokens", self.token_dtype), ("segments", self.segment_dtype)
        return np.dtype([(name, dtype, tokens) for name, dtype in fields])

    @property
    def record_dtype(self) -> np.dtype:
        """The bytes of a row as a TFRecord frames them.

        >>> Manifest(sequence_length=3).record_dtype.itemsize
        28
        """
        return np.dtype(
            [("length", "<u8"), ("length_crc", "<u4")]
            + [("row", self.row_dtype), ("row_crc", "<u4")]
        )


def smallest_dtype(count: int, choices: Sequence[str]) -> str:
    """The first of some integer types that has `count` values.

    >>> smallest_dtype(65536, ["<u2", "<u4"]), smallest_dtype(65537, ["<u2", "<u4"])
    ('<u2', '<u4')
    """
    return next(name for name in choices if count <= np.iinfo(name).max + 1)


def is_shards(path: str | Path) -> bool:
    """Whether a folder is one of shards, be it damaged."""
    folder = Path(path)
    if not folder.is_dir():
        return False
    return any(folder.glob("*.tfrecord")) or (
        (folder / MANIFEST).is_file()
        and str(read_json(folder / MANIFEST).get("format")).startswith(FORMAT[:-1])
    )


def read_manifest(folder: str | Path) -> Manifest:
    """The manifest of a folder of shards.

    Raises:
        FileNotFoundError: there is none.
        ValueError: it is damaged, or of another format.
    """
    path = Path(folder) / MANIFEST
    try:
        values = read_json(path)
        if values.get("format") != FORMAT:
            raise ValueError(f"its format is {values.get('format')!r}, not {FORMAT!r}")
        return Manifest.from_dict(values)
    except FileNotFoundError:
        raise FileNotFoundError(
            f"{path} is missing: these shards are not whole"
        ) from None
    except (ValueError, TypeError) as error:
        text = str(error)
        raise ValueError(text if str(path) in text else f"{path}: {text}") from None


def check_files(folder: str | Path, manifest: Manifest) -> None:
    """Reads all shards and compares them with the manifest.

    Raises:
        FileNotFoundError: a shard is missing.
        ValueError: a shard was truncated or changed; the message names it.
    """
    folder, frame = Path(folder), manifest.record_dtype.itemsize
    shards = {**manifest.train.shards, **manifest.validation.shards}
    for name, shard in shards.items():
        path = folder / name
        if not path.is_file():
            raise FileNotFoundError(f"{path} is missing: {MANIFEST} lists it")
        size = path.stat().st_size
        if not size == shard.bytes == shard.examples * frame:
            raise ValueError(
                f"{path} has {size:,} bytes where {MANIFEST} says {shard.bytes:,}, "
                f"{shard.examples:,} records of {frame:,}: it is truncated, or not "
                "one of these shards"
            )
    begin = time.perf_counter()
    with ThreadPoolExecutor() as pool:
        hashes = pool.map(lambda name: file_hash(folder / name), shards)
        for (name, shard), found in zip(shards.items(), hashes, strict=True):
            if found != shard.hash:
                raise ValueError(
                    f"{folder / name} was changed after it was written: its hash is "
                    f"not the one in {MANIFEST}"
                )
    megabytes = sum(shard.bytes for shard in shards.values()) / 1e6
    seconds = time.perf_counter() - begin
    logger.info(
        f"{folder}: {len(shards):,} shards are as they were written "
        f"({megabytes:,.0f} MB, {megabytes / seconds:,.0f} MB/s)"
    )
