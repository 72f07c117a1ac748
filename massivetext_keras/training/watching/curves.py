"""A picture of a run's loss, for those who have no TensorBoard at hand."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from pathlib import Path

import tensorflow as tf


def read_scalars(log_dir: str | Path, tag: str) -> dict[int, float]:
    """Reads one tag of a TensorBoard run.

    Args:
        log_dir: folder of event files.
        tag: such as "loss".

    Returns:
        step -> value, sorted by step.

    Raises:
        FileNotFoundError: the folder has no event files.
    """
    files = sorted(Path(log_dir).glob("events.out.tfevents.*"))
    if not files:
        raise FileNotFoundError(f"{log_dir} holds no event files of TensorBoard")
    values = {}
    for file in files:
        for record in tf.data.TFRecordDataset(str(file)):
            event = tf.compat.v1.Event.FromString(record.numpy())
            for value in event.summary.value:
                if value.tag == tag:
                    values[event.step] = float(tf.make_ndarray(value.tensor))
    return dict(sorted(values.items()))


def draw_curves(
    run_dir: str | Path,
    path: str | Path,
    tag: str = "bits_per_byte",
    baselines: Mapping[str, float] | None = None,
) -> None:
    """Draws training and validation of a run by update, baselines as lines.

    Args:
        run_dir: folder with the runs `train` and `validation` of `TensorBoard`.
        path: of the picture, .png or .svg.
        tag: what is drawn.
        baselines: name -> value.

    Raises:
        ImportError: matplotlib is not installed.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 4), layout="constrained")
    axes = figure.subplots()
    for run, style in (("train", "-"), ("validation", "o-")):
        if run == "validation" and not (Path(run_dir) / run).exists():
            continue
        values = read_scalars(Path(run_dir) / run, tag)
        width = 1 if run == "train" else 2
        axes.plot(list(values), list(values.values()), style, lw=width, ms=4, label=run)
    shades = ("0.8", "0.6", "0.4", "0.2")
    for (name, value), shade in zip(
        (baselines or {}).items(), itertools.cycle(shades), strict=False
    ):
        axes.axhline(value, color=shade, ls="--", lw=1, label=f"{name} {value:.2f}")
    axes.set(xlabel="updates", ylabel=tag.replace("_", " "))
    axes.grid(alpha=0.3)
    axes.legend()
    figure.savefig(path, dpi=110)
