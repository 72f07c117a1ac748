"""The engine of many machines: Spark hands out the tasks, and shuffles rows."""

from __future__ import annotations

import contextlib
import functools
import logging
import os
import pickle
import re
import shutil
import socket
import sys
import tempfile
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from massivetext_keras.corpus.engines import groups, parts
from massivetext_keras.corpus.engines.base import Read, TaskEngine
from massivetext_keras.corpus.engines.guard import Counts
from massivetext_keras.corpus.engines.local import IDLE_WORKER, LEAST_WORKER, LIBRARIES
from massivetext_keras.corpus.engines.pool import Pool
from massivetext_keras.corpus.engines.progress import Progress, Report
from massivetext_keras.corpus.engines.tasks import StageError, Task
from massivetext_keras.support.machine import LEAST_JAVA, cores, java
from massivetext_keras.support.values import parse_size

_LEAST_HEAP = 512 * 2**20  # Spark does not start with less
_ANSWER = 5.0  # seconds in which a master answers
_QUIET = """
rootLogger.level = error
rootLogger.appenderRef.console.ref = console
appender.console.type = Console
appender.console.name = console
appender.console.target = SYSTEM_ERR
appender.console.layout.type = PatternLayout
appender.console.layout.pattern = %c{1}: %m%n
"""


class SparkEngine(TaskEngine):
    """Runs stages on a Spark cluster, or on Spark in this machine.

    Tasks run in a guarded process of their own beside each executor's Python. Inputs
    and outputs are paths that mean the same on all machines.

    Args:
        master: "local[n]" for n tasks at a time here, or "spark://host:port".
        workers: tasks at a time in an executor of a cluster.
        max_memory: of an executor with what runs beside it: half for Java (512 MiB at
            least), half divided among the tasks it runs at a time (200 MB at least).
        time_limit: seconds that a document may take before it is quarantined.
        progress: is called with a `Progress` as parts are finished.
        patience: seconds in which some executor must take the work.
        settings: of Spark, over those that are made here.

    Raises:
        ImportError: pyspark is not installed.
        StageError: there is no Java, or no master answers.
    """

    def __init__(
        self,
        master: str = "local[2]",
        workers: int = 1,
        max_memory: int | str = "2GB",
        time_limit: float = 60.0,
        progress: Callable[[Progress], Any] | None = None,
        patience: float = 60.0,
        settings: Mapping[str, str] | None = None,
    ):
        local = re.fullmatch(r"local(?:\[(\d+|\*)\])?", master)
        if local:
            many = local[1] or "1"
            workers = cores() if many == "*" else int(many)
        most = parse_size(max_memory, "max_memory")
        self._memory = max(most // 2 // workers, LEAST_WORKER) - LIBRARIES
        super().__init__(free=self._memory - IDLE_WORKER)
        self._time_limit, self.progress = time_limit, progress
        self._patience, self._is_local = patience, bool(local)
        _check_java()
        if not local:
            _check_master(master)
        heap = f"{max(most // 2, _LEAST_HEAP) >> 20}m"
        self._folder = tempfile.TemporaryDirectory(prefix="spark-")
        ours = {
            "spark.driver.memory": heap if local else f"{_LEAST_HEAP >> 20}m",
            "spark.executor.memory": heap,
            "spark.executor.cores": str(workers),
            **_settings(master, Path(self._folder.name)),
        }
        self._session = _session(master, {**ours, **(settings or {})})

    def close(self) -> None:
        """Leaves the cluster; the engine cannot be used again."""
        self._session.stop()
        self._folder.cleanup()

    def run(self, tasks: Sequence[Task]) -> None:
        """Does the tasks whose output is not there."""
        left = [task for task in tasks if not task.output.exists()]
        report = Report(tasks, len(left), self.progress)
        if left:
            context = self._session.sparkContext
            told = [context.accumulator(0) for _ in Counts._fields]
            finished = context.accumulator(0)
            do = functools.partial(_do, told, finished, self._memory, self._time_limit)
            work = context.parallelize([pickle.dumps(task) for task in left], len(left))

            def show():
                report.parts_done = len(tasks) - len(left) + finished.value
                report.counts = Counts(*(one.value for one in told))
                report.show()

            errors = self._wait(lambda: work.map(do).collect(), show)
            show()
            for error in errors:
                if error is not None:
                    raise error
        report.show(last=True)

    def groups(
        self,
        inputs: Sequence[Path],
        keys: Sequence[str],
        columns: Sequence[str],
        buckets: int,
        folder: Path,
    ) -> list[Read]:
        """Has Spark shuffle and sort the rows, into files of whole groups."""
        rows = folder / "sorted"
        if not (rows / "_SUCCESS").exists():
            shutil.rmtree(rows, ignore_errors=True)
            self._wait(lambda: self._shuffle(inputs, keys, columns, buckets, rows))
        schema = pq.read_schema(inputs[0]).remove_metadata()
        return [
            functools.partial(
                groups.read_sorted,
                self.reading(path, columns),
                schema,
                keys,
                columns,
            )
            for path in sorted(rows.glob("part-*.parquet"))
        ] or [self.reading(inputs[0], columns)]

    def _shuffle(self, inputs, keys, columns, buckets, rows: Path) -> None:
        from pyspark.sql import functions

        def column(name):
            return functions.col("`" + name.replace("`", "``") + "`")

        order = [*keys, *(name for name in columns if name not in keys)]
        (
            self._session.read.parquet(*(_pattern(path) for path in inputs))
            .select(*map(column, columns))
            .repartition(buckets, *map(column, keys))
            .sortWithinPartitions(*(column(name).asc_nulls_first() for name in order))
            .write.option("compression", "zstd")
            .option("parquet.block.size", parts.GROUP_BYTES)
            .parquet(f"file://{rows}")
        )

    def _wait(self, job: Callable[[], Any], show: Callable[[], None] | None = None):
        """What a job gives, unless no executor takes it.

        Raises:
            StageError: it failed, or there is nobody to do it.
        """
        answer, failure = [], []

        def work():
            try:
                answer.append(job())
            except Exception as error:
                failure.append(error)

        context = self._session.sparkContext
        thread = threading.Thread(target=work, daemon=True)
        thread.start()
        alone = 0.0
        try:
            while thread.is_alive():
                thread.join(0.2)
                if show is not None:
                    show()
                alone = 0.0 if self._executors() else alone + 0.2
                if alone > self._patience:
                    raise StageError(
                        f"{context.master} has no executor for the work since "
                        f"{self._patience:g} seconds: are its workers running, with "
                        "the cores and the memory that were asked for?"
                    )
        except BaseException:
            with contextlib.suppress(Exception):  # Spark itself may be what is gone
                context.cancelAllJobs()
            raise
        if failure:
            lines = str(failure[0]).strip().splitlines() or [""]
            raise StageError(f"Spark: {lines[0]}") from failure[0]
        return answer[0]

    def _executors(self) -> int:
        status = self._session.sparkContext._jsc.sc().getExecutorMemoryStatus()
        return status.size() - (0 if self._is_local else 1)


def _do(told, finished, memory: int, time_limit: float, data: bytes):
    """A task, in the Python of an executor; the error, if it cannot be done."""
    try:
        counts = _pool(memory, time_limit).run([pickle.loads(data)], None)
    except (StageError, OSError) as error:
        return error
    for accumulator, value in zip(told, counts, strict=True):
        accumulator.add(value)
    finished.add(1)
    return None


@functools.cache
def _pool(memory: int, time_limit: float) -> Pool:
    return Pool(1, memory, time_limit)


def _session(master: str, settings: Mapping[str, str]):
    try:
        from pyspark import SparkConf
        from pyspark.sql import SparkSession
    except ImportError:
        raise ImportError(
            "Spark is not installed: pip install 'massivetext-keras[corpus,spark]'"
        ) from None
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    logging.getLogger("py4j").setLevel(logging.WARNING)
    configuration = SparkConf().setMaster(master).setAppName("massivetext")
    for name, value in settings.items():
        configuration.set(name, value)
    try:
        session = SparkSession.builder.config(conf=configuration).getOrCreate()
    except Exception as error:
        lines = str(error).strip().splitlines() or [""]
        raise StageError(f"{master}: Spark does not start: {lines[0]}") from error
    session.sparkContext.setLogLevel("ERROR")
    return session


def _settings(master: str, folder: Path) -> dict[str, str]:
    quiet = folder / "log4j2.properties"
    quiet.write_text(_QUIET)
    found = {
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
        "spark.driver.extraJavaOptions": f"-Dlog4j2.configurationFile=file:{quiet}",
        "spark.executorEnv.PYTHONPATH": os.pathsep.join(
            path or os.getcwd() for path in sys.path
        ),
        # Rows hold whole documents: few at a time.
        "spark.sql.parquet.columnarReaderBatchSize": "256",
        "spark.sql.session.timeZone": "UTC",
    }
    if re.match(r"local|spark://(localhost|127\.)", master):
        found |= {
            "spark.driver.host": "127.0.0.1",
            "spark.driver.bindAddress": "127.0.0.1",
        }
    return found


def _check_java() -> None:
    found, wanted = java(), f"Spark needs Java {LEAST_JAVA} or later"
    if found is None:
        home = os.environ.get("JAVA_HOME")
        where = f"in JAVA_HOME={home}" if home else "on PATH, and JAVA_HOME is not set"
        raise StageError(f"{wanted}: there is none {where}")
    if not found.runs_spark:
        raise StageError(f"{wanted}: {found.path} is {found.version or 'another'}")


def _check_master(master: str) -> None:
    found = re.fullmatch(r"spark://([^:/]+):(\d+)", master)
    if found is None:
        raise ValueError(f"{master!r} is no master: local[2], or spark://host:port")
    try:
        socket.create_connection((found[1], int(found[2])), timeout=_ANSWER).close()
    except OSError as error:
        raise StageError(f"no Spark master answers at {master}: {error}") from None


def _pattern(path: Path) -> str:
    """A path as Spark reads it, without the meaning that it gives to some signs."""
    return "file://" + re.sub(r"([\\*?\[\]{},])", r"\\\1", str(path))
