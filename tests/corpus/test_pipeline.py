"""A corpus built whole: the same bytes however it is built, and nothing lost."""

from __future__ import annotations

import dataclasses
import gzip
import json
import os
import random
import shutil
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from massivetext_keras.corpus import python_documentation
from massivetext_keras.corpus.engines.local import LocalEngine
from massivetext_keras.corpus.pipeline import build
from massivetext_keras.corpus.recipes import Recipe
from massivetext_keras.corpus.shards.manifest import Manifest, read_manifest
from tests.corpus.plain_engine import PlainEngine
from tests.corpus.small_corpus import (
    QUICK,
    contents,
    documents,
    write_jsonl,
    write_raw,
)
from tests.processes import ROOT


@pytest.fixture(scope="module")
def raw(tmp_path_factory) -> Path:
    return write_raw(tmp_path_factory.mktemp("raw"))


@pytest.fixture(scope="module")
def built(raw, tmp_path_factory) -> tuple[Path, Manifest]:
    folder = tmp_path_factory.mktemp("built") / "corpus"
    return folder, build(
        raw, folder, QUICK, PlainEngine(), test_fraction=0.1, shard_bytes=50_000
    )


def test_what_is_kept_and_why_the_rest_is_not(built):
    folder, manifest = built
    assert manifest.documents == {"read": 67, "kept": 60}
    assert {
        reason: counts["documents"] for reason, counts in manifest.dropped.items()
    } == {
        "read.empty": 1,
        "gopher_quality.words": 2,
        "deduplication.exact": 3,
        "deduplication.fuzzy": 1,
    }
    assert list(manifest.dropped)[0] == "read.empty"
    kept = documents(folder)
    assert len(kept) == len({row["text"] for row in kept}) == 60
    assert manifest.bytes["kept"] == sum(len(row["text"].encode()) for row in kept)


def test_what_is_not_kept_is_listed_with_its_reason(built):
    folder, manifest = built
    listed = documents(folder, "dropped")
    assert list(manifest.listings) == ["dropped-00000-of-00001.jsonl.zst"]
    counts = Counter(row["reason"] for row in listed)
    assert counts == {
        reason: counts["documents"] for reason, counts in manifest.dropped.items()
    }
    [short] = [row for row in listed if row["text"] == "too short"]
    assert (short["source"], short["position"]) == ("a.jsonl", 20)
    assert (short["value"], short["bounds"]) == (2, ">= 20 and <= 100,000")


def test_shards_are_sorted_and_equal_in_size(built):
    folder, manifest = built
    train = [name for name in manifest.shards if name.startswith("train")]
    assert len(train) > 2
    ids = [row["id"] for row in documents(folder, "train")]
    assert ids == sorted(ids)
    sizes = [manifest.shards[name]["bytes"] for name in train]
    assert max(sizes) - min(sizes) < 2 * 6000
    assert read_manifest(folder, check=True) == manifest


def test_a_changed_shard_is_found(built, tmp_path):
    folder = shutil.copytree(built[0], tmp_path / "copy")
    shard = next(folder.glob("train-*"))
    data = bytearray(shard.read_bytes())
    data[100] ^= 1
    shard.write_bytes(data)
    with pytest.raises(ValueError, match=f"{shard.name} is not the file that was"):
        read_manifest(folder, check=True)


@pytest.mark.parametrize("workers", [1, 2])
def test_processes_give_the_same_bytes(raw, built, tmp_path, workers):
    with LocalEngine(workers) as engine:
        # The same files, in another order.
        files = [raw / "more", raw / "b.jsonl", raw / "a.jsonl"]
        build(
            files,
            tmp_path / "corpus",
            QUICK,
            engine,
            test_fraction=0.1,
            shard_bytes=50_000,
        )
    assert contents(tmp_path / "corpus") == contents(built[0])


def test_parquet_holds_the_same(raw, built, tmp_path):
    build(raw, tmp_path / "corpus", QUICK, PlainEngine(), format="parquet")
    rows = []
    for path in (tmp_path / "corpus").glob("*.parquet"):
        if path.name.startswith("dropped"):
            continue
        rows += pq.read_table(path).to_pylist()
    found = {row["id"]: row["text"] for row in rows}
    assert found == {row["id"]: row["text"] for row in documents(built[0])}


def test_a_document_stays_on_its_side_when_others_are_added(raw, built, tmp_path):
    shutil.copytree(raw, tmp_path / "raw")
    texts = [text for text in python_documentation() if len(text) > 6000][:10]
    write_jsonl(tmp_path / "raw/d.jsonl", texts)
    build(
        tmp_path / "raw", tmp_path / "corpus", QUICK, PlainEngine(), test_fraction=0.1
    )
    for side in ("train", "validation", "test"):
        before = {row["id"] for row in documents(built[0], side)}
        after = {row["id"] for row in documents(tmp_path / "corpus", side)}
        assert before <= after


def test_a_mixture_of_subsets(raw, tmp_path):
    inputs = {"web": raw / "a.jsonl", "books": [raw / "b.jsonl", raw / "more"]}
    manifest = build(
        inputs,
        tmp_path / "corpus",
        QUICK,
        PlainEngine(),
        weights={"web": 0.5, "books": 0.5},
    )
    assert manifest.dropped["mixture.share"]["documents"] > 0
    assert set(manifest.subsets) == {"web", "books"}
    assert (tmp_path / "corpus/web/train-00000-of-00001.jsonl.zst").exists()
    total = {
        subset: sum(side["bytes"] for side in sides.values())
        for subset, sides in manifest.subsets.items()
    }
    assert 0.5 < total["web"] / total["books"] < 2  # of some twenty documents each
    assert manifest.inputs["books"]["files"] == 2


def test_a_subset_without_weight_is_refused(raw, tmp_path):
    with pytest.raises(ValueError, match="no positive weight for subset 'web': books"):
        build({"web": raw}, tmp_path / "c", QUICK, PlainEngine(), weights={"books": 1})


def test_a_corpus_is_not_replaced_unasked(raw, built, tmp_path, caplog):
    folder = shutil.copytree(built[0], tmp_path / "corpus")
    before = contents(folder)
    with pytest.raises(FileExistsError, match="of other inputs or another recipe"):
        build(raw, folder, Recipe("other", {"normalize": {}}), PlainEngine())
    assert contents(folder) == before
    manifest = build(
        raw,
        folder,
        Recipe("other", {"normalize": {}}),
        PlainEngine(),
        overwrite=True,
    )
    assert manifest.documents["kept"] == 62
    assert read_manifest(folder).recipe["name"] == "other"


def test_the_same_build_again_does_nothing(raw, tmp_path, caplog):
    caplog.set_level("INFO")
    first = build(raw, tmp_path / "c", QUICK, PlainEngine())
    assert not (tmp_path / ".c.work").exists()
    again = build(raw, tmp_path / "c", QUICK, engine=None)
    assert again == first
    assert "is complete: nothing to do" in caplog.text


def test_nothing_left_says_what_dropped_it(tmp_path):
    write_jsonl(tmp_path / "a.jsonl", ["few words"] * 3)
    with pytest.raises(
        ValueError, match="no document is left: 3 by gopher_quality.words were dropped"
    ):
        build(tmp_path / "a.jsonl", tmp_path / "corpus", QUICK, PlainEngine())
    assert not (tmp_path / "corpus").exists()


def test_damaged_files_are_counted_and_the_rest_is_kept(raw, tmp_path):
    folder = shutil.copytree(raw, tmp_path / "raw")
    whole = gzip.compress((raw / "a.jsonl").read_bytes())
    (folder / "cut.jsonl.gz").write_bytes(whole[: len(whole) // 2])
    (folder / "bad.jsonl").write_bytes(b'{"text": \n\xff\xfe\x00\n')
    manifest = build(folder, tmp_path / "corpus", QUICK, PlainEngine())
    assert manifest.dropped["read.damaged"]["documents"] == 1
    assert manifest.dropped["read.bad_record"]["documents"] == 2
    assert manifest.documents["kept"] == 60


def test_a_step_that_fails_on_a_document_leaves_it_out(raw, tmp_path):
    write_jsonl(tmp_path / "d.jsonl", ["one of many, do not read this"])
    inputs = {"docs": [raw, tmp_path / "d.jsonl"]}
    recipe = Recipe("mine", {"tests.corpus.own_rules:fails_at": {}, **QUICK.steps})
    manifest = build(inputs, tmp_path / "corpus", recipe, PlainEngine())
    assert manifest.dropped["quarantine.document"]["documents"] == 1
    assert manifest.documents["kept"] == 60


def test_a_reader_that_fails_ends_its_file_alone(raw, tmp_path):
    recipe = QUICK.override("read.format=tests.corpus.own_rules:failing")
    manifest = build(raw, tmp_path / "corpus", recipe, PlainEngine())
    assert manifest.dropped["read.stopped"]["documents"] == 1
    [row] = [
        row
        for row in documents(tmp_path / "corpus", "dropped")
        if row["reason"] == "read.stopped"
    ]
    assert (row["source"], row["bounds"]) == ("b.jsonl", "KeyError: 'no such state'")
    assert manifest.documents["kept"] == 50  # 10 of the 20 in that file


KILLS = 8


@pytest.mark.slow
def test_killed_again_and_again_it_gives_the_same_bytes(raw, built, tmp_path):
    """Kill -9 at random moments; finished parts are not made again."""
    command = [
        *(sys.executable, "-m", "massivetext_keras", "corpus", "build"),
        *(f"--input={raw}", "--output=corpus", "--recipe=recipe.json"),
        *("--test_fraction=0.1", "--shard_size=50000", "--workers=2"),
    ]
    (tmp_path / "recipe.json").write_text(json.dumps(dataclasses.asdict(QUICK)))
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}

    def run() -> subprocess.Popen:
        return subprocess.Popen(
            command, cwd=tmp_path, env=environment, stdout=subprocess.DEVNULL
        )

    began = time.monotonic()
    assert run().wait() == 0
    seconds = time.monotonic() - began
    moments, kills, made = random.Random(0), 0, {}
    while True:
        if (tmp_path / "corpus").exists():
            assert contents(tmp_path / "corpus") == contents(built[0])
            if kills == KILLS:
                break
            shutil.rmtree(tmp_path / "corpus")
            made = {}
        began, process = time.monotonic(), run()
        try:
            process.wait(moments.uniform(0.2, 1) * seconds if kills < KILLS else None)
            assert process.returncode == 0
            seconds = min(seconds, time.monotonic() - began)  # the first may be slow
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            kills += 1
        parts = {
            path: path.stat().st_mtime_ns
            for path in (tmp_path / ".corpus.work").rglob("cleaned/*.parquet")
        }
        complete = (tmp_path / "corpus").exists()
        assert made.items() <= parts.items() or complete
        made = parts
    assert not list(tmp_path.glob(".corpus.work"))
