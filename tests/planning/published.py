"""Tables 1 and 2 of Narayanan et al., 2021 (arXiv 2104.04473), and their plans.

A100s of 80 GB, eight to a node, rows of 2,048 tokens, a vocabulary of 51,200, all
activations recomputed. Micro-batches and chunks are those of the authors' scripts
(`examples/sc21/run_table_1.sh` of Megatron-LM); table 2 has them itself.
"""

from __future__ import annotations

import functools
from typing import NamedTuple

from massivetext_keras.configs import TransformerConfig
from massivetext_keras.planning import Cluster, Job, Plan, Split

LENGTH, VOCABULARY = 2048, 51200


class Row(NamedTuple):
    billions: float
    heads: int
    width: int
    layers: int
    tensor: int
    pipeline: int
    devices: int
    batch: int
    micro_batch: int
    chunks: int
    teraflops: float | None = None
    shard_state: str = "none"


TABLE_1 = [
    Row(1.7, 24, 2304, 24, 1, 1, 32, 512, 16, 1, 137),
    Row(3.6, 32, 3072, 30, 2, 1, 64, 512, 16, 1, 138),
    Row(7.5, 32, 4096, 36, 4, 1, 128, 512, 16, 1, 142),
    Row(18.4, 48, 6144, 40, 8, 1, 256, 1024, 8, 1, 135),
    Row(39.1, 64, 8192, 48, 8, 2, 512, 1536, 4, 1, 138),
    Row(76.1, 80, 10240, 60, 8, 4, 1024, 1792, 2, 3, 140),
    Row(145.6, 96, 12288, 80, 8, 8, 1536, 2304, 2, 2, 148),
    Row(310.1, 128, 16384, 96, 8, 16, 1920, 2160, 1, 2, 155),
    Row(529.6, 128, 20480, 105, 8, 35, 2520, 2520, 1, 3, 163),
    Row(1008.0, 160, 25600, 128, 8, 64, 3072, 3072, 1, 1, 163),
]


def _gpt3(devices: int, teraflops: float, **split) -> Row:
    row = Row(174.6, 96, 12288, 96, 8, 12, devices, 1536, 1, 1, teraflops)
    return row._replace(**split)


def _large(devices: int, teraflops: float, **split) -> Row:
    row = Row(529.6, 128, 20480, 105, 8, 35, devices, 2240, 1, 1, teraflops)
    return row._replace(**split)


_ZERO = {"tensor": 1, "pipeline": 1, "shard_state": "weights"}
TABLE_2 = [
    _gpt3(384, 153),
    _gpt3(768, 149),
    _gpt3(1536, 141),
    _large(560, 171),
    _large(1120, 167),
    _large(2240, 159),
    _gpt3(384, 144, micro_batch=4, **_ZERO),
    _gpt3(768, 88, micro_batch=2, **_ZERO),
    _gpt3(1536, 44, micro_batch=1, **_ZERO),
    _large(640, 138, batch=2560, micro_batch=4, **_ZERO),
    _large(1120, 98, micro_batch=2, **_ZERO),
    _large(2240, 48, micro_batch=1, **_ZERO),
]


@functools.cache
def job_of(row: Row) -> Job:
    config = TransformerConfig(
        vocabulary_size=VOCABULARY,
        num_layers=row.layers,
        hidden_size=row.width,
        num_heads=row.heads,
        intermediate_size=4 * row.width,
        max_length=LENGTH,
        dropout=0.1,
    )
    return Job(config, row.batch, LENGTH, "mixed_float16")


def planned(row: Row, **cluster) -> Plan:
    """What the model says of a row."""
    split = Split(
        row.devices // (row.tensor * row.pipeline),
        row.tensor,
        row.pipeline,
        row.micro_batch,
        row.chunks,
        row.shard_state,
        recompute=True,
    )
    return Plan(job_of(row), Cluster(row.devices, **cluster), split)


def teraflops(row: Row, **cluster) -> float:
    """Of a device, those of recomputation too, as the paper counts them."""
    return planned(row, **cluster).flops_per_device / 1e12


def table() -> list[str]:
    """The rows of the first table in docs/parallel.md."""
    lines = []
    for row in TABLE_1:
        cells = [f"{row.batch:,}", str(row.micro_batch), str(row.chunks)]
        lines.append(_line(row, cells))
    return lines


def second_table() -> list[str]:
    """The rows of the second table."""
    names = {"none": "no", "weights": "ZeRO 3"}
    return [
        _line(row, [f"{row.batch:,}", str(row.micro_batch), names[row.shard_state]])
        for row in TABLE_2
    ]


def _line(row: Row, cells: list[str]) -> str:
    split, found = planned(row).split, teraflops(row)
    mesh = f"{split.data} x {split.tensor} x {split.pipeline}"
    error = f"{100 * (found / row.teraflops - 1):+.1f} %"
    cells = [f"{row.billions:,.1f}", mesh, *cells, str(row.teraflops)]
    return f"| {' | '.join([*cells, f'{found:.0f}', error])} |"


if __name__ == "__main__":
    print("\n".join([*table(), "", *second_table()]))
