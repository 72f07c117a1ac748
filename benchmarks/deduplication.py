"""Duplicates planted in text that is grown from real sentences: what is found, and how.

A fifth of the documents are copies of others with some words replaced, so that the
similarity of their 13-grams, known exactly, is anywhere from .5 to 1; and 1 in 30 is
a page that differs from one other in a few words, a boilerplate of hundreds of pages.
Fails if under .99 of the pairs from .8 on are found, or one under .7 is dropped. Then
paragraphs, and runs of 50 words, that several documents have are found.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import xxhash
from common import corpus_pages

MEGABYTES, GROWTH, PARTS, MEMORY = 8, (1, 3, 10), 16, "1GB"
NGRAM, WORDS = 13, (100, 1500)
SCHEMA = pa.schema(
    {
        "id": pa.binary(16),
        "text": pa.string(),
        "subset": pa.string(),
        "source": pa.string(),
        "position": pa.int64(),
        "reason": pa.string(),
        "bands": pa.list_(pa.uint64()),
    }
)


def grow(size: int, seed: int) -> tuple[list[str], list[int]]:
    """Texts of about so many bytes, and which each was copied from, itself if none."""
    rng = np.random.default_rng(seed)
    pages = corpus_pages()
    sentences = [s.split() for page in pages for s in re.split(r"(?<=[.!?])\s", page)]
    vocabulary = sorted({word for sentence in sentences for word in sentence})
    texts, origins = [], []
    while size > 0:
        kind, origin = rng.random(), len(texts)
        if origin and kind < 0.2:
            origin = origins[rng.integers(origin)]
            words = texts[origin].split()
            shingles = max(len(words) - NGRAM + 1, 1)
            jaccard = rng.uniform(0.5, 1.0)
            lost = shingles * (1 - jaccard) / (1 + jaccard)
            for place in rng.integers(len(words), size=round(lost / NGRAM)):
                words[place] = vocabulary[rng.integers(len(vocabulary))]
        elif origin and kind < 0.2 + 1 / 30:
            origin = 0
            words = texts[0].split()
            words[-3:] = (vocabulary[n] for n in rng.integers(len(vocabulary), size=3))
        else:
            words, wanted = [], rng.integers(*WORDS)
            while len(words) < wanted:
                words += sentences[rng.integers(len(sentences))]
        texts.append(" ".join(words))
        origins.append(origin)
        size -= len(texts[-1].encode())
    return texts, origins


def write(texts: list[str], folder: Path) -> float:
    """Parts of cleaned documents; the seconds that their signatures took."""
    from massivetext_keras.corpus.batch import Batch
    from massivetext_keras.corpus.duplicates.minhash import minhash_bands
    from massivetext_keras.reading.document import Document

    folder.mkdir()
    seconds = 0.0
    for part in range(PARTS):
        rows = texts[part::PARTS]
        bands = []
        for first in range(0, len(rows), 256):
            batch = Batch(map(Document, rows[first : first + 256]))
            begin = time.process_time()
            bands += minhash_bands(batch, ngram=NGRAM)
            seconds += time.process_time() - begin
        columns = {
            "id": [xxhash.xxh3_128_digest(text.encode()) for text in rows],
            "text": rows,
            "subset": [""] * len(rows),
            "source": [str(part)] * len(rows),
            "position": range(len(rows)),
            "reason": [None] * len(rows),
            "bands": bands,
        }
        table = pa.table(columns, schema=SCHEMA)
        pq.write_table(table, folder / f"{part:02}.parquet", row_group_size=1024)
    return seconds


def work(task: str, folder: Path) -> None:
    """What runs in a process of its own."""
    from massivetext_keras.corpus.duplicates.deduplication import find_duplicates
    from massivetext_keras.corpus.duplicates.repeats import find_repeats
    from massivetext_keras.corpus.engines.local import LocalEngine

    begin = time.perf_counter()
    documents = sorted((folder / "documents").glob("*.parquet"))
    stages = folder / "duplicates"
    with LocalEngine(max_memory=MEMORY) as engine:
        if task == "duplicates":
            find_duplicates(engine, documents, stages, ngram=NGRAM)
        else:
            found = sorted((stages / "duplicates").glob("*.parquet"))
            options = {"paragraphs": True, "run": 50}
            find_repeats(engine, documents, found, folder / "repeats", **options)
    print(time.perf_counter() - begin)


def run(task: str, folder: Path, megabytes: float) -> None:
    """Prints the speed, and the peak memory of all processes."""
    from massivetext_keras.corpus.engines.memory import proportional_bytes

    child = subprocess.Popen(
        [sys.executable, __file__, task, str(folder)], stdout=subprocess.PIPE, text=True
    )
    peak = 0
    while child.poll() is None:
        peak = max(peak, sum(map(proportional_bytes, family(child.pid))))
        time.sleep(0.05)
    if child.returncode:
        raise SystemExit(f"finding {task} ended with {child.returncode}")
    seconds = float(child.stdout.read().splitlines()[-1])
    print(
        f"  {task} found in {seconds:.1f} s, {megabytes / seconds:.1f} MB/s with "
        f"{os.cpu_count()} cores; peak {peak / 1e6:.0f} MB of {MEMORY}",
        flush=True,
    )


def family(process: int) -> list[int]:
    """A process and those that it started."""
    parents = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            stat = path.read_text()
        except OSError:
            continue
        parents[int(path.parent.name)] = int(stat.rpartition(")")[2].split()[1])
    found = [process]
    for member in found:
        found += [child for child, parent in parents.items() if parent == member]
    return found


def jaccard(left: str, right: str) -> float:
    """Of the sets of 13-grams, by the words themselves."""
    from massivetext_keras.corpus.batch import Batch
    from massivetext_keras.corpus.text.words import words as words_of
    from massivetext_keras.reading.document import Document

    sets = []
    for text in (left, right):
        words = words_of(Batch([Document(text)])).tokens
        ends = range(NGRAM, max(len(words), NGRAM) + 1)
        sets.append({tuple(words[end - NGRAM : end]) for end in ends})
    return len(sets[0] & sets[1]) / len(sets[0] | sets[1])


def judge(texts: list[str], origins: list[int], dropped: list[dict]) -> None:
    """Prints how many of the planted pairs were found, and how many wrongly."""
    ids = [xxhash.xxh3_128_digest(text.encode()) for text in texts]
    number = {one: at for at, one in reversed(list(enumerate(ids)))}
    cluster = {
        row["id"]: row["survivor"] for row in dropped if row["reason"][-5:] == "fuzzy"
    }
    pairs = [(at, of) for at, of in enumerate(origins) if at != of]
    truth = np.array([jaccard(texts[at], texts[of]) for at, of in pairs])
    joined = np.array(
        [
            cluster.get(ids[at], ids[at]) == cluster.get(ids[of], ids[of])
            for at, of in pairs
        ]
    )
    for low, high in [(0.5, 0.7), (0.7, 0.8), (0.8, 0.85), (0.85, 0.9), (0.9, 1.01)]:
        some = (truth >= low) & (truth < high)
        share = joined[some].mean() if some.any() else float("nan")
        print(
            f"  J {low:.2f} to {min(high, 1):.2f}: {some.sum()} pairs, "
            f"{share:.4f} of them together"
        )
    alike = truth >= 0.8
    recall = joined[alike].mean()
    members: dict[bytes, list[bytes]] = {}
    for one, survivor in cluster.items():
        members.setdefault(survivor, [survivor]).append(one)
    wrong, least = 0, 1.0
    for one, survivor in cluster.items():
        best = 0.0  # the most that it is like another one of its cluster
        for other in members[survivor]:
            if best < 0.8 and other != one:
                best = max(best, jaccard(texts[number[one]], texts[number[other]]))
        least, wrong = min(least, best), wrong + (best < 0.8)
    precision = 1 - wrong / max(len(cluster), 1)
    print(
        f"  recall {recall:.4f} of {alike.sum()} pairs with J >= .8; precision "
        f"{precision:.4f} of {len(cluster)} dropped, the least similar {least:.3f}"
    )
    if recall < 0.99 or least < 0.7:
        raise SystemExit("recall is under .99, or a document under .7 was dropped")


def main() -> None:
    for growth in GROWTH:
        texts, origins = grow(growth * MEGABYTES * 10**6, seed=growth)
        size = sum(len(text.encode()) for text in texts) / 1e6
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            seconds = write(texts, folder / "documents")
            print(
                f"{growth}x: {len(texts)} documents, {size:.0f} MB; signatures "
                f"{size / seconds:.0f} MB/s on one core"
            )
            run("duplicates", folder, size)
            found = (folder / "duplicates/duplicates").glob("*.parquet")
            dropped = [row for path in found for row in pq.read_table(path).to_pylist()]
            judge(texts, origins, dropped)
            run("repeats", folder, size)


if __name__ == "__main__":
    work(sys.argv[1], Path(sys.argv[2])) if len(sys.argv) > 1 else main()
