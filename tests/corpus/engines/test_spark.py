"""A real cluster on loopback gives what the plain engine gives."""

from __future__ import annotations

import os
import random
import socket
import subprocess
import time
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from massivetext_keras.corpus.engines import spark
from massivetext_keras.corpus.engines.local import LocalEngine
from massivetext_keras.corpus.engines.spark import SparkEngine
from massivetext_keras.corpus.engines.tasks import StageError
from massivetext_keras.corpus.pipeline import build
from tests.corpus.engines import functions
from tests.corpus.plain_engine import PlainEngine
from tests.corpus.small_corpus import QUICK, contents, write_raw

HARM = {"hang in C": "time limit", "crash": "crashed: SIGSEGV"}


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def wait_for(text: str, log: Path, seconds: float = 300) -> None:
    end = time.monotonic() + seconds
    while text not in log.read_text():
        assert time.monotonic() < end, log.read_text()[-3000:]
        time.sleep(0.1)


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    """The address of a master that has one worker with two cores."""
    pyspark = pytest.importorskip("pyspark")
    folder, port = tmp_path_factory.mktemp("cluster"), free_port()
    environment = {
        **os.environ,
        "SPARK_LOCAL_IP": "127.0.0.1",
        "SPARK_DAEMON_MEMORY": "256m",
        "SPARK_WORKER_DIR": str(folder),
    }
    master = f"spark://127.0.0.1:{port}"
    commands = {
        "master.Master": ["--port", str(port)],
        "worker.Worker": ["--cores", "2", "--memory", "1g", master],
    }
    started = []
    try:
        for name, arguments in commands.items():
            log = folder / f"{name}.log"
            with log.open("w") as file:
                started.append(
                    subprocess.Popen(
                        [
                            Path(pyspark.__file__).parent / "bin/spark-class",
                            f"org.apache.spark.deploy.{name}",
                            "--host",
                            "127.0.0.1",
                            "--webui-port",
                            "0",
                            *arguments,
                        ],
                        env=environment,
                        stdout=file,
                        stderr=file,
                    )
                )
            if name == "master.Master":
                wait_for("New state: ALIVE", log)
        wait_for("Successfully registered with master", log)
        yield master
    finally:
        for process in reversed(started):
            process.terminate()
        for process in reversed(started):
            process.wait(timeout=20)


@pytest.fixture(scope="module")
def engine(cluster):
    with SparkEngine(cluster, workers=2, max_memory="1GB", time_limit=1) as engine:
        yield engine


@pytest.fixture(scope="module")
def inputs(tmp_path_factory):
    """Three parts with all kinds of columns, one part without rows."""
    folder, numbers = tmp_path_factory.mktemp("in puts[1]"), random.Random(2)
    texts = ["", "a", "ä", "a\0", "\uffff", "😀", None, "Zz"]
    schema = pa.schema(
        {
            "name": pa.string(),
            "key": pa.int64(),
            "hash": pa.binary(2),
            "number": pa.uint64(),
            "bands": pa.list_(pa.uint64()),
            "share": pa.float64(),
            "good": pa.bool_(),
        }
    )
    paths = []
    for part, many in enumerate([200, 0, 90]):
        rows = [
            {
                "name": numbers.choice(texts),
                "key": numbers.choice([None, -(2**63), -1, 0, 1, 2**63 - 1]),
                "hash": numbers.choice([None, b"\0\0", b"\x7f\xff", b"\x80\0"]),
                "number": numbers.choice([None, 0, 2**63, 2**64 - 1]),
                "bands": numbers.choice([None, [], [2**64 - 1], [1, 2], [1]]),
                "share": numbers.choice([None, -1.5, 0.0, float("inf"), float("nan")]),
                "good": numbers.choice([None, True, False]),
            }
            for _ in range(many)
        ]
        paths.append(folder / f"{part}.parquet")
        pq.write_table(pa.Table.from_pylist(rows, schema), paths[-1])
    return paths


def rows_of(paths) -> list[str]:
    return sorted(map(str, pa.concat_tables(map(pq.read_table, paths)).to_pylist()))


@pytest.mark.slow
def test_a_cluster_gives_the_same(engine, inputs, tmp_path, monkeypatch):
    monkeypatch.setattr(engine, "free", 30_000)  # some files
    told = []
    monkeypatch.setattr(engine, "progress", told.append)
    with LocalEngine(2) as local:
        expected = local.map_batches(inputs, functions.same, tmp_path / "local")
    found = engine.map_batches(inputs, functions.same, tmp_path / "map")
    assert [path.read_bytes() for path in found] == [
        path.read_bytes() for path in expected
    ]
    assert (told[-1].parts, told[-1].parts_done) == (3, 3)
    for keys in (["key"], ["hash", "number"], ["name", "good"]):
        name = "-".join(keys)
        # Each row of a group with its place in it: the order of rows is compared too.
        arguments = inputs, keys, functions.Numbered(keys)
        expected = PlainEngine().group_by_key(*arguments, tmp_path / f"plain {name}")
        found = engine.group_by_key(*arguments, tmp_path / f"spark {name}")
        assert len(found) > 1
        assert pq.read_schema(found[0]).equals(pq.read_schema(expected[0]))
        assert rows_of(found) == rows_of(expected)
        assert (
            engine.group_by_key(inputs, keys, None, tmp_path / f"spark {name}") == found
        )


@pytest.mark.slow
def test_harm_is_left_out_on_a_cluster(engine, tmp_path):
    texts = ["one", *HARM, "four"]
    rows = {"source": ["a"] * 4, "position": range(4), "text": texts}
    pq.write_table(pa.table(rows), tmp_path / "a.parquet")
    (found,) = engine.map_batches(
        [tmp_path / "a.parquet"], functions.lengths, tmp_path / "out"
    )
    reasons = pq.read_table(found)["reason"].to_pylist()
    assert reasons == [HARM.get(text) for text in texts]
    with pytest.raises(StageError, match='bad/a.parquet: KeyError: \'Field "n"'):
        engine.map_batches(
            [tmp_path / "a.parquet"], functions.doubled, tmp_path / "bad"
        )


@pytest.mark.slow
def test_no_rows_on_a_cluster(engine, inputs, tmp_path):
    found = engine.group_by_key(inputs[1:2], ["key"], functions.same, tmp_path / "out")
    assert [len(pq.read_table(path)) for path in found] == [0]
    assert pq.read_schema(found[0]).equals(pq.read_schema(inputs[1]))


def test_a_dead_master_is_told():
    pytest.importorskip("pyspark")
    port = free_port()
    with pytest.raises(StageError, match=f"no Spark master answers at .*:{port}"):
        SparkEngine(f"spark://127.0.0.1:{port}")
    with pytest.raises(ValueError, match="is no master: local"):
        SparkEngine("yarn")


def test_java_is_looked_for(monkeypatch, tmp_path):
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    with pytest.raises(StageError, match="Java 17 or later: there is none in JAVA_HOM"):
        spark._check_java()
    java = tmp_path / "bin/java"
    java.parent.mkdir()
    java.write_text("#!/bin/sh\necho 'openjdk version \"11.0.2\"' >&2\n")
    java.chmod(0o755)
    with pytest.raises(StageError, match="bin/java is 11.0.2"):
        spark._check_java()


def test_a_corpus_built_on_a_cluster_has_the_same_bytes(engine, tmp_path):
    raw = write_raw(tmp_path / "raw")
    recipe = QUICK.override("tests.corpus.own_rules:fails_at={}")  # not the package's
    for name, builder in {"spark": engine, "plain": PlainEngine()}.items():
        build(raw, tmp_path / name, recipe, builder, shard_bytes=50_000)
    assert contents(tmp_path / "spark") == contents(tmp_path / "plain")
