"""Documents with duplicates that are known, and an engine to find them with."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import xxhash

from massivetext_keras.corpus.batch import Batch
from massivetext_keras.corpus.duplicates.minhash import minhash_bands
from massivetext_keras.reading.document import Document
from tests.corpus.plain_engine import PlainEngine

SCHEMA = pa.schema(
    {
        "id": pa.binary(16),
        "text": pa.string(),
        "subset": pa.string(),
        "source": pa.string(),
        "position": pa.int64(),
        "bytes": pa.int64(),
        "reason": pa.string(),
        "bands": pa.list_(pa.uint64()),
    }
)


class SortedEngine(PlainEngine):
    """A plain engine that hands over all groups in one table."""

    def group_by_key(self, inputs, keys, function, output, columns=None):
        if not inputs:
            return []
        table = pa.concat_tables(pq.read_table(path) for path in inputs)
        table = table.select(list(columns or table.column_names))
        others = [name for name in table.column_names if name not in keys]
        order = [(name, "ascending") for name in [*keys, *others]]
        path = Path(output) / "part-00000.parquet"
        self._write(function, [table.sort_by(order)], path)
        return [path]


def text_id(text: str) -> bytes:
    return xxhash.xxh3_128_digest(text.encode())


def write_parts(
    folder: Path, parts: Iterable[Iterable[Document]], ngram: int = 13
) -> list[Path]:
    """Parts of cleaned documents; those with a column "reason" were dropped."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for number, documents in enumerate(parts):
        batch = Batch(documents)
        columns = {
            "id": [text_id(text) for text in batch.texts],
            "text": batch.texts,
            "subset": [document.subset for document in batch.documents],
            "source": [document.source for document in batch.documents],
            "position": [document.position for document in batch.documents],
            "bytes": [len(text.encode()) for text in batch.texts],
            "reason": [document.columns.get("reason") for document in batch.documents],
            "bands": minhash_bands(batch, ngram=ngram),
        }
        paths.append(folder / f"{number}.parquet")
        pq.write_table(pa.table(columns, schema=SCHEMA), paths[-1])
    return paths


def rows(paths: Iterable[Path]) -> list[dict]:
    return pa.concat_tables(pq.read_table(path) for path in paths).to_pylist()


def pair_at(
    rng: np.random.Generator, jaccard: float, ngram: int = 13, least: int = 60
) -> tuple[str, str]:
    """Two texts whose sets of shingles have a Jaccard similarity of exactly that.

    The last k words of a text of s shingles, all different, are replaced: k shingles
    are, too, and the similarity is (s - k) / (s + k).
    """
    ratio = (1 + jaccard) / (1 - jaccard)
    k = next(k for k in range(1, 999) if k * ratio > least and _whole(k * ratio))
    s = round(k * ratio)
    words = np.char.mod("w%d", rng.integers(0, 10**9, s + ngram - 1 + k))
    text = words[: s + ngram - 1]
    return " ".join(text), " ".join([*text[:-k], *words[-k:]])


def _whole(number: float) -> bool:
    return abs(number - round(number)) < 1e-9
