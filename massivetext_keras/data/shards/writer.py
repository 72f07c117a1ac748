"""Text files to a folder of shards, once and for all runs."""

from __future__ import annotations

import itertools
import time
from collections import deque
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import tensorflow as tf
from tqdm import tqdm

from massivetext_keras import corpus
from massivetext_keras.data.batching.packing import Packer
from massivetext_keras.data.shards.format import (
    MANIFEST,
    SIDES,
    Manifest,
    Shard,
    Side,
    smallest_dtype,
)
from massivetext_keras.support.files import file_hash, replacing_folder, write_json
from massivetext_keras.support.versions import versions
from massivetext_keras.text.documents import encoded_documents

SHARD_BYTES = 256 << 20


def write_shards(
    folder: str | Path,
    files: str | Path | Sequence[str | Path],
    tokenizer,
    sequence_length: int,
    validation_fraction: float = 0.05,
    seed: int = 0,
    corpus_name: str | None = None,
    overwrite: bool = False,
    shard_bytes: int = SHARD_BYTES,
    progress: bool = False,
) -> Manifest:
    """Tokenises and packs text files into shards, for `CausalLM.datasets`.

    A row has `sequence_length + 1` tokens, of which it predicts `sequence_length`: no
    document is cut that fits, a longer one is cut such that the last token of a piece
    is the first of the next, and so every token of a document but its first is
    predicted once. The split is that of `corpus.split_documents`. Memory is bounded by
    the largest document and the window of `Packer`; files are read twice if there is
    something to hold out.

    Args:
        folder: of the shards; it appears whole or not at all.
        files: paths, globs and folders of text.
        tokenizer: strings to ids; see `encoded_documents`.
        sequence_length: tokens that a row predicts.
        validation_fraction: share of the text held out (0: none).
        seed: of the split.
        corpus_name: for logs of a run on several folders (None: the folder's name).
        overwrite: replace what is in the folder.
        shard_bytes: of a file, about.
        progress: show a bar.

    Returns:
        What `manifest.json` says.

    Raises:
        FileExistsError: the folder is not empty and `overwrite` is false.
        FileNotFoundError: a pattern matches nothing.
        ValueError: there is no text, or too little of it.
    """
    if sequence_length < 1:
        raise ValueError(f"sequence_length must be positive, got {sequence_length}")
    size = tokenizer.vocabulary_size
    manifest = Manifest(
        corpus=corpus_name or Path(folder).resolve().name,
        sequence_length=sequence_length,
        token_dtype=smallest_dtype(size, ("<u2", "<u4")),
        # a segment has two tokens at least, and 0 is none
        segment_dtype=smallest_dtype((sequence_length + 1) // 2 + 1, ("|u1", "<u2")),
        tokenizer=tokenizer.fingerprint,
        vocabulary_size=size,
        validation_fraction=validation_fraction,
        seed=seed,
        versions=versions("tensorflow-text"),
    )
    with replacing_folder(folder, overwrite) as new:
        report = corpus.ReadReport()
        split = corpus.Split.of(
            corpus.read_documents(files, report), validation_fraction, seed
        )
        writers = [_SideWriter(new, side, manifest, shard_bytes) for side in SIDES]
        if split.fraction:  # they were read once, and what is to say of them was said
            paths = corpus.expand(files)
            documents: Iterator[str] = itertools.chain.from_iterable(
                map(corpus.read_file, paths)
            )
        else:
            documents = corpus.read_documents(files)
        total = report.documents or None
        with tqdm(total=total, unit="doc", disable=not progress) as bar:
            _write(writers, split, documents, tokenizer, bar)
        sides = {writer.name: writer.close() for writer in writers}
        for name, side in sides.items():
            if not side.examples and (name == "train" or validation_fraction):
                raise ValueError(
                    f"the text for {name} has no document of two tokens or more"
                )
        manifest = manifest.replace(**sides)
        write_json(new / MANIFEST, manifest.to_dict())
    return manifest


def _write(writers, split, documents, tokenizer, bar) -> None:
    sides: deque[_SideWriter] = deque()  # of the texts that are being tokenised

    def texts() -> Iterator[str]:
        for document in documents:
            bar.update()
            for writer, text in zip(writers, split(document), strict=True):
                if text is not None:
                    sides.append(writer)
                    yield text

    begin, tokens = time.perf_counter(), 0
    for rows in encoded_documents(tokenizer, texts()):
        for ids in rows:
            sides.popleft().add(ids)
            tokens += len(ids)
        rate = tokens / (time.perf_counter() - begin)
        bar.set_postfix_str(f"{rate:,.0f} tokens/s")


class _SideWriter:
    """Writes the shards of the training or the validation side."""

    def __init__(self, folder: Path, name: str, manifest: Manifest, shard_bytes: int):
        self.name = name
        self._folder, self._dtype = folder, manifest.row_dtype
        self._packer = Packer(manifest.sequence_length)
        self._most = max(1, shard_bytes // manifest.record_dtype.itemsize)
        self._writer: tf.io.TFRecordWriter | None = None
        self._examples: list[int] = []  # of each shard
        self._count = dict.fromkeys(("documents", "too_short", "tokens"), 0)
        self._filled = 0

    def add(self, ids: np.ndarray) -> None:
        """Takes the ids of a document."""
        if len(ids) < 2:
            self._count["too_short"] += 1
            return
        self._count["documents"] += 1
        self._count["tokens"] += len(ids)
        self._packer.add(ids)
        if self._packer.ready:
            self._put(*self._packer.take())

    def close(self) -> Side:
        """Writes what is left; gives what was written."""
        self._put(*self._packer.take(rest=True))
        self._end_shard()
        examples = sum(self._examples)
        places = examples * self._dtype["tokens"].shape[0]
        return Side(
            **self._count,
            predictions=self._count["tokens"] - self._count["documents"],
            examples=examples,
            padding=1 - self._filled / places if places else 0.0,
            shards={
                path.name: Shard(count, path.stat().st_size, file_hash(path))
                for path, count in zip(self._paths(), self._examples, strict=True)
            },
        )

    def _paths(self) -> list[Path]:
        names = (f"{self.name}-{i:05}.tfrecord" for i in range(len(self._examples)))
        return [self._folder / name for name in names]

    def _put(self, tokens: np.ndarray, segments: np.ndarray) -> None:
        self._filled += int(np.count_nonzero(segments))
        rows = np.empty(len(tokens), self._dtype)
        rows["tokens"], rows["segments"] = tokens, segments
        for row in rows:
            if self._writer is None:
                self._examples.append(0)
                self._writer = tf.io.TFRecordWriter(str(self._paths()[-1]))
            self._writer.write(row.tobytes())
            self._examples[-1] += 1
            if self._examples[-1] == self._most:
                self._end_shard()

    def _end_shard(self) -> None:
        if self._writer is not None:
            self._writer.close()
            self._writer = None
