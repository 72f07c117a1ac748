"""MB/s of the rules and of signatures beside datatrove's: the same pages, a core each.

A step gets raw texts in batches of 256, so that finding words is in every number. To
add a contest, add a row to both tables.
"""

from __future__ import annotations

import functools
import json
import os
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from common import Contestant, compete, corpus_pages, print_ratios

PEERS = Path(__file__).parents[1] / ".venv-peers/bin/python"
BATCH = 256
MINHASH = {"ngram": 13, "bands": 20, "rows": 6}


def pages() -> list[str]:
    """Those that every contestant reads."""
    return json.loads(Path(os.environ["PAGES"]).read_text())


def speeds(texts: list[str], runs: dict[str, Callable], repeats: int) -> dict:
    """MB of UTF-8 per second of each run over the texts, the best of the repeats."""
    megabytes = sum(len(text.encode()) for text in texts) / 1e6
    found = {}
    for name, run in runs.items():
        run(texts[:2])  # loads what is loaded once
        seconds = []
        for _ in range(repeats):
            begin = time.perf_counter()
            run(texts)
            seconds.append(time.perf_counter() - begin)
        found[f"{name}, MB/s"] = megabytes / min(seconds)
    return found


def ours() -> dict[str, float]:
    from massivetext_keras.corpus.batch import Batch
    from massivetext_keras.corpus.duplicates.minhash import minhash_bands
    from massivetext_keras.corpus.rules.c4_lines import c4_lines
    from massivetext_keras.corpus.rules.c4_pages import c4_pages
    from massivetext_keras.corpus.rules.fineweb_quality import fineweb_quality
    from massivetext_keras.corpus.rules.gopher_quality import gopher_quality
    from massivetext_keras.corpus.rules.gopher_repetition import gopher_repetition
    from massivetext_keras.reading.document import Document

    steps = {
        "quality": [gopher_quality],
        "repetition": [gopher_repetition],
        "C4": [c4_lines, c4_pages],
        "FineWeb": [fineweb_quality],
        "all four": [
            *(gopher_quality, gopher_repetition, fineweb_quality),
            *(c4_lines, c4_pages),
        ],
        "MinHash signatures": [functools.partial(minhash_bands, **MINHASH)],
    }

    def run(functions: Sequence[Callable], texts: list[str]) -> None:
        for first in range(0, len(texts), BATCH):
            batch = Batch(map(Document, texts[first : first + BATCH]))
            for function in functions:
                function(batch)

    return speeds(
        pages(),
        {
            name: lambda texts, functions=functions: run(functions, texts)
            for name, functions in steps.items()
        },
        repeats=5,
    )


def datatrove() -> dict[str, float]:
    from datatrove.data import Document
    from datatrove.pipeline import filters
    from datatrove.pipeline.dedup.minhash import MinhashConfig, MinhashDedupSignature

    steps = {
        "quality": [filters.GopherQualityFilter()],
        "repetition": [filters.GopherRepetitionFilter()],
        "C4": [filters.C4QualityFilter()],
        "FineWeb": [filters.FineWebQualityFilter()],
    }

    def run(found: Sequence, texts: list[str]) -> None:
        for index, text in enumerate(texts):
            for each in found:
                each.filter(Document(text=text, id=str(index)))

    runs = {
        name: lambda texts, found=found: run(found, texts)
        for name, found in steps.items()
    }
    bands, rows, ngram = (MINHASH[name] for name in ("bands", "rows", "ngram"))
    minhash = MinhashDedupSignature("/", MinhashConfig(ngram, bands, rows))

    def sign(texts: list[str]) -> None:
        for text in texts:
            shingles = minhash.get_shingles(text)
            if len(shingles):
                minhash.get_signature(shingles)

    runs["MinHash signatures"] = sign
    return speeds(pages(), runs, repeats=1)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        if "PAGES" not in os.environ:
            os.environ["PAGES"] = f"{folder}/pages.json"
            texts = corpus_pages()
            Path(os.environ["PAGES"]).write_text(json.dumps(texts))
            size = sum(len(text.encode()) for text in texts)
            print(f"{len(texts)} pages, {size / 1e6:.1f} MB")
        best = compete(
            __file__,
            {"ours": ours, "datatrove": Contestant(datatrove, PEERS)},
        )
    for measurement in best["ours"]:
        print_ratios(best, "ours", measurement)
