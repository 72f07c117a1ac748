"""Plans as tables, for the terminal and for a page."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from massivetext_keras.architecture.axes import AXES
from massivetext_keras.pages.aligned import aligned
from massivetext_keras.planning.search import Plan


class Table(NamedTuple):
    """A table.

    Attributes:
        name: what it tells.
        heads: of its columns.
        rows: the cells of each plan.
    """

    name: str
    heads: tuple[str, ...]
    rows: list[tuple[str, ...]]

    def lines(self) -> Iterator[str]:
        """For the terminal.

        >>> for line in Table("sizes", ("a", "size"), [("1", "20")]).lines():
        ...     print(line)
        sizes
          a  size
          1    20
        """
        yield self.name
        rows = aligned([self.heads, *self.rows], right=range(len(self.heads)))
        yield from (f"  {row}" for row in rows)


def tables(plans: Sequence[Plan]) -> list[Table]:
    """The plans, their seconds, memory and traffic, a row for each."""
    return [overview(plans), seconds(plans), memory(plans), traffic(plans)]


def overview(plans: Sequence[Plan]) -> Table:
    """What a mesh does, how much of the devices it uses, and how fast it is."""
    heads = ("micro-batches", "state split", "recompute", "GB", "bubble", "s/step")
    return Table(
        "Meshes that fit, best first",
        (*AXES, *heads, "MFU", "TFLOP/s"),
        [(*_mesh(plan), *_choices(plan), *_speed(plan)) for plan in plans],
    )


def seconds(plans: Sequence[Plan]) -> Table:
    """By part."""
    return _parts("Seconds of a step", plans, [plan.seconds for plan in plans], 1.0)


def memory(plans: Sequence[Plan]) -> Table:
    """By part."""
    return _parts("GB of the fullest device", plans, [x.memory for x in plans], 1e9)


def traffic(plans: Sequence[Plan]) -> Table:
    """By axis."""
    rows = [
        (*_mesh(plan), *(f"{size / 1e9:,.2f}" for size in plan.sent)) for plan in plans
    ]
    heads = tuple(f"over {axis}" for axis in plans[0].sent._fields)
    return Table("GB that a device sends in a step", (*AXES, *heads), rows)


def _mesh(plan: Plan) -> tuple[str, ...]:
    return tuple(str(getattr(plan.split, axis)) for axis in AXES)


def _choices(plan: Plan) -> tuple[str, ...]:
    split = plan.split
    parts = split.micro_batches(plan.job.rows)
    rows = f"{parts} of {split.micro_batch}"
    return rows, split.shard_state, "yes" if split.recompute else "no"


def _speed(plan: Plan) -> tuple[str, ...]:
    return (
        f"{plan.memory.total / 1e9:.1f}",
        f"{plan.bubble:.1%}",
        f"{plan.seconds.total:.3g}",
        f"{plan.utilisation:.1%}",
        f"{plan.flops_per_device / 1e12:.0f}",
    )


def _parts(name: str, plans: Sequence[Plan], parts: Sequence, unit: float) -> Table:
    fields = type(parts[0])._fields
    rows = [
        (*_mesh(plan), *(f"{x / unit:.3g}" for x in (*found, found.total)))
        for plan, found in zip(plans, parts, strict=True)
    ]
    return Table(name, (*AXES, *fields, "total"), rows)
