"""Where the stages of the pipeline run: on this machine, or on Spark.

A stage is written with two primitives and never knows where it runs. Its rows lie in
folders of Parquet files ("parts"), before and after.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Protocol

import pyarrow as pa

Function = Callable[[Iterator[pa.Table]], Iterable[pa.Table]]


class Engine(Protocol):
    """Runs the functions of stages over the rows of Parquet files.

    A function is picklable (of a module, or `functools.partial` of one), takes an
    iterator of tables of a part and gives tables of its output: at least one each, one
    without rows where there are none. The rows it gives must depend on the rows alone,
    not on how they are divided into tables and parts.

    Nulls come before all values, strings and bytes are in the order of their bytes, a
    list is before one that it begins, NaN is after all numbers. Lists hold no nulls.
    """

    def map_batches(
        self,
        inputs: Sequence[Path],
        function: Function,
        output: Path,
        columns: Sequence[str] | None = None,
    ) -> list[Path]:
        """Runs a function over each part on its own.

        Args:
            inputs: Parquet files of different names, in any order.
            function: is called once a part, with its tables in order.
            output: folder of the stage; gets one part for each input, of its name. A
                part that is there already, from a run that was stopped, is not made
                again.
            columns: of the inputs that are read; None for all.

        Returns:
            The parts of the output, sorted by name.
        """

    def group_by_key(
        self,
        inputs: Sequence[Path],
        keys: Sequence[str],
        function: Function,
        output: Path,
        columns: Sequence[str] | None = None,
    ) -> list[Path]:
        """Runs a function over rows that were brought together by their keys.

        Args:
            inputs: Parquet files with the same columns, in any order.
            keys: columns; rows that agree in all of them are a group.
            function: gets tables sorted by the keys and then by the other columns
                from the first to the last; each holds whole groups, one or many.
            output: folder of the stage. If the stage is complete, nothing is done.
            columns: of the inputs that are read, in this order; None for all. Keys
                that are not among them follow.

        Returns:
            The parts of the output, sorted by name. Groups are in some part each; how
            many parts there are is the engine's affair.
        """
