"""All meshes that fit, best first; or what would fit."""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from massivetext_keras.architecture.axes import AXES, SHARD_STATES
from massivetext_keras.planning.cluster import Cluster
from massivetext_keras.planning.job import Job
from massivetext_keras.planning.memory import Memory, memory
from massivetext_keras.planning.seconds import (
    Seconds,
    Sent,
    hardware_flops,
    seconds,
    sent,
)
from massivetext_keras.planning.split import (
    Split,
    axis_problem,
    schedule_problem,
)
from massivetext_keras.support.arguments import Positive

_MOST_NODES = 1 << 13  # that are tried where nothing fits


class NothingFits(ValueError):
    """No mesh fits into the memory of the devices; the message says what would."""


class Impossible(ValueError):
    """What is asked for does not go with the shape, whatever the memory.

    Attributes:
        argument: what is wrong: "devices", "mesh", "micro_batch" or "chunks".
    """

    def __init__(self, argument: str, text: str):
        super().__init__(text)
        self.argument = argument


@dataclasses.dataclass(frozen=True)
class Plan:
    """A split of a job among a cluster, and what it takes.

    Attributes:
        job, cluster, split: what is trained where, and how.
    """

    job: Job
    cluster: Cluster
    split: Split

    @functools.cached_property
    def memory(self) -> Memory:
        """Of the fullest device."""
        return memory(self.job, self.split)

    @functools.cached_property
    def seconds(self) -> Seconds:
        """Of an update."""
        return seconds(self.job, self.split, self.cluster)

    @functools.cached_property
    def sent(self) -> Sent:
        """By a device in an update."""
        return sent(self.job, self.split)

    @property
    def utilisation(self) -> float:
        """Operations that the model needs, of what the devices could do in that time;
        recomputation does not count (Chowdhery et al., 2022, appendix B)."""
        could = self.seconds.total * self.cluster.flops * self.cluster.devices
        return self.job.flops / could

    @property
    def flops_per_device(self) -> float:
        """FLOP/s of a device, those of recomputation too."""
        done = hardware_flops(self.job, self.split)
        return done / self.seconds.total / self.cluster.devices

    @property
    def bubble(self) -> float:
        """Share of the time that a device waits for other stages."""
        return self.seconds.bubble / self.seconds.total

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return {
            **dataclasses.asdict(self.split),
            "micro_batches": self.split.micro_batches(self.job.rows),
            "memory": {**self.memory._asdict(), "total": self.memory.total},
            "seconds": {**self.seconds._asdict(), "total": self.seconds.total},
            "sent": self.sent._asdict(),
            "bubble": self.bubble,
            "utilisation": self.utilisation,
            "flops_per_device": self.flops_per_device,
        }


@dataclasses.dataclass(frozen=True)
class Choice:
    """What may be chosen; None leaves it to the search.

    Attributes:
        mesh: axis -> devices along it, of the axes that are given.
        micro_batch: rows of a replica at a time (None: the power of two that is best).
        chunks: of the blocks of a stage; more than one is the interleaved schedule.
        shard_state: see `Split`.
        recompute: see `Split`.
    """

    mesh: Mapping[str, int] = dataclasses.field(default_factory=dict)
    micro_batch: Positive | None = None
    chunks: Positive = 1
    shard_state: str | None = None
    recompute: bool | None = None


def plans(job: Job, cluster: Cluster, choice: Choice | None = None) -> list[Plan]:
    """The meshes that fit, best first, each with what makes it fastest.

    Args:
        job: what is trained.
        cluster: where.
        choice: what is given (None: nothing).

    Raises:
        Impossible: no mesh has so many devices, or what is given does not go with one;
            the message has the nearest value that does.
        NothingFits: none fits; the message says how much memory, or how many devices,
            would do.

    >>> from massivetext_keras.architecture.config import TransformerConfig
    >>> job = Job(TransformerConfig(), rows=512, length=1024)
    >>> plans(job, Cluster(8))[0].split.mesh
    'data 8 x tensor 1 x pipeline 1'
    """
    choice = choice or Choice()
    best: dict[str, Plan] = {}
    for found in _fitting(job, cluster, choice):
        mesh = found.split.mesh
        known = best.get(mesh)
        if known is None or found.seconds.total < known.seconds.total:
            best[mesh] = found
    if not best:
        raise NothingFits(_what_would_fit(job, cluster, choice))
    return sorted(best.values(), key=lambda x: (x.seconds.total, x.memory.total))


def meshes(job: Job, devices: int, choice: Choice) -> list[Split]:
    """Every mesh of so many devices that the job can be split among."""
    sizes = {
        axis: [
            size
            for size in _divisors(devices)
            if size == choice.mesh.get(axis, size) and not axis_problem(axis, size, job)
        ]
        for axis in AXES
    }
    return [
        Split(devices // (tensor * pipeline), tensor, pipeline)
        for tensor in sizes["tensor"]
        for pipeline in sizes["pipeline"]
        if devices % (tensor * pipeline) == 0
        and devices // (tensor * pipeline) in sizes["data"]
    ]


def splits(job: Job, devices: int, choice: Choice) -> Iterator[Split]:
    """Every way to run on every mesh."""
    for mesh in meshes(job, devices, choice):
        rows = job.rows // mesh.data
        sizes = [choice.micro_batch] if choice.micro_batch else _powers(rows)
        chunks = choice.chunks if mesh.pipeline > 1 else 1
        states: Sequence[str] = SHARD_STATES if mesh.data > 1 else ("none",)
        if choice.shard_state is not None:
            states = (choice.shard_state,)
        both = (False, True) if choice.recompute is None else (choice.recompute,)
        for micro_batch in sizes:
            timed = dataclasses.replace(mesh, micro_batch=micro_batch, chunks=chunks)
            if schedule_problem(timed, job):
                continue
            for state in states:
                for recompute in both:
                    yield dataclasses.replace(
                        timed, shard_state=state, recompute=recompute
                    )


def _fitting(job: Job, cluster: Cluster, choice: Choice) -> Iterator[Plan]:
    possible = False
    for split in splits(job, cluster.devices, choice):
        possible, found = True, Plan(job, cluster, split)
        if found.memory.total <= cluster.memory:
            yield found
    if not possible:
        raise _why_none(job, cluster.devices, choice)


def _why_none(job: Job, devices: int, choice: Choice) -> Impossible:
    """Why there is no split at all, and the nearest that there is."""
    for axis, size in choice.mesh.items():
        good = [x for x in _divisors(devices) if not axis_problem(axis, x, job)]
        if size not in good:
            near = _nearest(size, good)
            problem = axis_problem(axis, size, job)
            problem = problem or f"does not divide {devices:,} devices"
            hint = f": did you mean {axis}:{near}?" if near else ""
            return Impossible("mesh", f"{axis}:{size} {problem}{hint}")
    product = math.prod(choice.mesh.values())
    if devices % product or len(choice.mesh) == len(AXES) and product != devices:
        near = product * max(1, round(devices / product))
        return Impossible(
            "mesh",
            f"{_asked(choice)} is for {product:,} devices, not for {devices:,}: did "
            f"you mean --devices={near if len(choice.mesh) < len(AXES) else product}?",
        )
    found = meshes(job, devices, choice)
    if not found:
        fewer = (n for n in range(devices, 0, -1) if meshes(job, n, choice))
        near = next(fewer, None)
        hint = f": {near:,} devices can be" if near else ""
        asked = f" with {_asked(choice)}" if choice.mesh else ""
        return Impossible(
            "devices",
            f"{devices:,} devices cannot be data x tensor x pipeline{asked} for this "
            f"shape and {job.rows:,} rows{hint}",
        )
    if (wanted := choice.micro_batch) is not None:
        sizes = {size for mesh in found for size in _divisors(job.rows // mesh.data)}
        if wanted not in sizes:
            near = _nearest(wanted, sizes)
            return Impossible(
                "micro_batch",
                f"{wanted} does not divide the rows of any replica: did you mean "
                f"{near}?",
            )
    reasons = {
        schedule_problem(dataclasses.replace(mesh, chunks=choice.chunks), job): mesh
        for mesh in found
    }
    reason, mesh = next(
        ((why, mesh) for why, mesh in reasons.items() if why),
        ("no micro-batches are a multiple of the stages", found[0]),
    )
    return Impossible("chunks", f"{reason} ({mesh.mesh}): did you mean 1?")


def _asked(choice: Choice) -> str:
    return ",".join(f"{axis}:{size}" for axis, size in choice.mesh.items())


def _nearest(wanted: int, good: Iterable[int]) -> int | None:
    return min(good, key=lambda size: (abs(size - wanted), size), default=None)


def _what_would_fit(job: Job, cluster: Cluster, choice: Choice) -> str:
    """The least memory that these devices need, and the fewest of them that do."""
    found = _least_memory(job, cluster.devices, choice)
    assert found is not None  # else it were `Impossible`
    least, split = found
    line = (
        f"nothing fits into {cluster.memory / 1e9:g} GB on {cluster.devices:,} "
        f"devices: the least is {least / 1e9:.1f} GB, {split.mesh}"
    )
    node = cluster.devices_per_node
    nodes = range(1, 65)
    counts = {node * n for n in nodes} | {1 << n for n in range(4)}
    counts |= {node << n for n in range(_MOST_NODES.bit_length())}
    for count in sorted(count for count in counts if count > cluster.devices):
        found = _least_memory(job, count, choice)
        if found and found[0] <= cluster.memory:
            return f"{line}; {count:,} devices would do, {found[1].mesh}"
    return line


def _least_memory(job: Job, devices: int, choice: Choice) -> tuple[float, Split] | None:
    found = [(memory(job, x).total, x) for x in _smallest(job, devices, choice)]
    return min(found, key=lambda pair: pair[0], default=None)


def _smallest(job: Job, devices: int, choice: Choice) -> Iterator[Split]:
    """Of each mesh the splits that take least: one row at a time and all recomputed,
    where that is not given."""
    least = dataclasses.replace(
        choice,
        micro_batch=choice.micro_batch or 1,
        recompute=True if choice.recompute is None else choice.recompute,
    )
    return splits(job, devices, least)


def _divisors(number: int) -> list[int]:
    return [size for size in range(1, number + 1) if number % size == 0]


def _powers(number: int) -> list[int]:
    """The powers of two that divide a number."""
    return [1 << n for n in range(number.bit_length()) if number % (1 << n) == 0]
