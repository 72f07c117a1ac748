"""What is left of a run when it ends: a file of results and a picture of the loss."""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import statistics
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import keras

from massivetext_keras.distribution.strategy import describe
from massivetext_keras.distribution.workers import devices_of, is_chief
from massivetext_keras.experiment import ExperimentConfig
from massivetext_keras.support.files import write_json
from massivetext_keras.support.versions import versions
from massivetext_keras.training.callbacks.time_limit import elapsed
from massivetext_keras.training.watching.curves import draw_curves, read_scalars

logger = logging.getLogger(__name__)

SUMMARY = "summary.json"
_PACKAGES = ("tensorflow", "keras", "numpy")
_SPEEDS = ("tokens_per_second", "model_flops_utilisation", "waiting_for_data")


@contextlib.contextmanager
def leaving_summary(
    run_dir: str | Path, model: keras.Model, experiment: ExperimentConfig
) -> Iterator[None]:
    """Training that is followed by `write_summary`, also when it is broken off."""
    try:
        yield
    except BaseException:
        try:
            write_summary(run_dir, model, experiment)
        except OSError as error:  # less than what ended the run
            logger.warning("no summary of the run: %s", error)
        raise
    write_summary(run_dir, model, experiment)


def write_summary(
    run_dir: str | Path, model: keras.Model, experiment: ExperimentConfig
):
    """Writes `summary.json`, `loss.png` and `loss.svg` from what TensorBoard recorded.

    The record covers the run from its first update, over all its stops. The summary
    has: `steps` and whether they are all (`finished`); `tokens` and `seconds` of
    training; of `train` and `validation` the `final` and the `best` loss, perplexity
    and bits per byte, each with its `step`; medians of tokens per second, utilisation
    and waiting for data; of private training its settings as `privacy`, with the
    epsilon that was spent; the `peak_memory_gib` of any of its processes; `parameters`,
    `precision`, `devices`, `versions` and the `config_sha256` of the experiment.

    Args:
        run_dir: the folder of `TensorBoard`; nothing is written where it has no record.
        model: that was trained, in the state of its last update.
        experiment: what was asked for.
    """
    run_dir = Path(run_dir)
    records = (run_dir / "train").glob("events.out.tfevents.*")
    if not is_chief(devices_of(model)) or not any(records):
        return
    step = int(model.optimizer.iterations.numpy())
    write_json(run_dir / SUMMARY, _summary(run_dir, model, experiment, step))
    if find_spec("matplotlib") is None:
        logger.info("no picture of the loss: matplotlib is not installed")
        return
    tag = "loss" if model.bits_tracker is None else "bits_per_byte"
    for suffix in ("png", "svg"):
        draw_curves(run_dir, run_dir / f"loss.{suffix}", tag)


def _summary(run_dir: Path, model, experiment, step: int) -> dict[str, Any]:
    train = _Record(run_dir / "train", step)
    described = json.dumps(experiment.to_dict(), sort_keys=True)
    summary = {
        "steps": step,
        "finished": experiment.train.is_over(step, elapsed(model.optimizer)),
        "tokens": round(train.last("tokens")),
        "seconds": round(train.last("seconds"), 1),
        "train": train.results(),
    }
    if (run_dir / "validation").exists():
        summary["validation"] = _Record(run_dir / "validation", step).results()
    summary |= {name: train.median(name) for name in _SPEEDS if train[name]}
    if experiment.privacy.is_asked_for:
        spent = train.last("epsilon") if train["epsilon"] else None
        summary["privacy"] = {**experiment.privacy.to_dict(), "epsilon": spent}
    peaks = [*train["memory/peak"].values()]
    return summary | {
        "peak_memory_gib": round(max(peaks), 3) if peaks else None,
        "parameters": model.count_params(),
        "precision": model.dtype_policy.name,
        "devices": describe(devices_of(model)),
        "versions": versions(*_PACKAGES),
        "config_sha256": hashlib.sha256(described.encode()).hexdigest(),
    }


class _Record:
    """The scalars of one run up to an update, by tag."""

    def __init__(self, folder: Path, step: int):
        self.folder, self.step = folder, step

    def __getitem__(self, tag: str) -> dict[int, float]:
        values = read_scalars(self.folder, tag)
        return {step: value for step, value in values.items() if step <= self.step}

    def last(self, tag: str) -> float:
        return next(reversed(self[tag].values()), 0.0)

    def median(self, tag: str) -> float:
        return statistics.median(self[tag].values())

    def results(self) -> dict[str, dict[str, float]]:
        found = {}
        for tag in ("loss", "perplexity", "bits_per_byte"):
            if values := self[tag]:
                best = min(values, key=values.__getitem__)
                found[tag] = {
                    "final": values[max(values)],
                    "best": values[best],
                    "step": best,
                }
        return found
