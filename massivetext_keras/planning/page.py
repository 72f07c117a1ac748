"""One page about plans that can be read anywhere."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from massivetext_keras.pages.pictures import short_size, short_speed
from massivetext_keras.pages.render import Section, Tile, render
from massivetext_keras.planning import pictures, tables
from massivetext_keras.planning.search import Plan
from massivetext_keras.support.files import replacing_file

_TEMPLATE = "planning/page.html"


def write_page(plans: Sequence[Plan], name: str, path: str | Path) -> None:
    """Writes the page, without scripts.

    Args:
        plans: best first.
        name: of the model.
        path: of the page; its folder is made if missing.

    Raises:
        ImportError: matplotlib is not installed.
    """
    text = page(plans, name)
    with replacing_file(path) as draft:
        draft.write_text(text, encoding="utf-8")


def page(plans: Sequence[Plan], name: str) -> str:
    """The page as HTML."""
    best = plans[0]
    sections = [
        Section("Meshes", "meshes", _table(tables.overview(plans))),
        Section(
            "Seconds",
            "seconds",
            {**_table(tables.seconds(plans)), "picture": pictures.seconds(plans)},
        ),
        Section(
            "Memory",
            "memory",
            {**_table(tables.memory(plans)), "picture": pictures.memory(plans)},
        ),
        Section("Traffic", "traffic", _table(tables.traffic(plans))),
        Section("What it is for", "given", {"rows": given(best)}),
    ]
    title = f"{name} on {best.cluster.devices:,} devices"
    footer = "Predicted, not measured: see docs/parallel.md for how far it errs."
    return render(_TEMPLATE, title, _tiles(best), sections, footer)


def given(plan: Plan) -> list[tuple[str, tuple[str, str]]]:
    """What the plans are for, as rows of a table."""
    job, cluster = plan.job, plan.cluster
    found = {
        "parameters": f"{job.config.parameter_count():,}",
        "rows of a batch": f"{job.rows:,} of {job.length:,} tokens",
        "precision": job.precision,
        "attention": "fused" if job.fused_attention else "plain",
        "devices": f"{cluster.devices:,}, {cluster.devices_per_node} to a node",
        "memory": f"{short_size(cluster.memory)}, read at "
        f"{short_size(cluster.memory_bandwidth)} per second",
        "peak": f"{short_speed(cluster.flops)}, of which large products reach "
        f"{cluster.efficiency:.0%}",
        "links": f"{short_size(cluster.intra)} per second within a node, "
        f"{short_size(cluster.inter)} between nodes",
    }
    return [("", item) for item in found.items()]


def _table(table: tables.Table) -> dict:
    texts = ("micro-batches", "state split", "recompute")
    heads = [head if head in texts else f"#{head}" for head in table.heads]
    return {"heads": heads, "rows": [("", row) for row in table.rows]}


def _tiles(best: Plan) -> list[Tile]:
    per_second = best.job.tokens / best.seconds.total
    return [
        Tile(best.split.sizes, "best mesh", "data x tensor x pipeline"),
        Tile(f"{best.seconds.total:.3g} s", "a step", f"{per_second:,.0f} tokens/s"),
        Tile(f"{best.utilisation:.1%}", "of the peak", "without recomputation"),
        Tile(f"{best.memory.total / 1e9:.1f} GB", "of a device", "the fullest"),
    ]
