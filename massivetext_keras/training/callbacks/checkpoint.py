"""Checkpoints from which a run goes on as if it had never stopped, bit for bit."""

from __future__ import annotations

import json
import logging
import shutil
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np

from massivetext_keras.distribution.workers import (
    Place,
    check_same_step,
    devices_of,
    is_chief,
    share_of,
    sum_over_workers,
)
from massivetext_keras.optimization.step import TrainingStep
from massivetext_keras.support.files import read_json, write_json
from massivetext_keras.training import checkpoint_files as files
from massivetext_keras.training.callbacks.step import StepCallback
from massivetext_keras.training.settings import differences

logger = logging.getLogger(__name__)


class Checkpoint(StepCallback):
    """Saves a run as it trains; `restore` goes on with it.

    `checkpoints/step_00000250` in the run's folder holds `state.safetensors` (weights
    and the optimizer's state with its count of batches, on which schedule, dropout and
    data depend) and `manifest.json` (step, SHA-256 of the state, the settings, versions
    and the validation loss). It appears whole or not at all. The state is copied within
    the step and written by a thread while training goes on. One is also saved when
    training ends.

    Of several workers the chief writes. On a mesh of several workers each writes the
    parts that it has, `state-00001-of-00002.safetensors` and so on, and reads its own
    alone: the state is nowhere whole. A run goes on from one form as from the other,
    on any devices.

    A save that fails, as on a full disk, is a warning and is tried again when the next
    one is due; at the end of training it is an error.

    Args:
        folder: of the run.
        every: updates between checkpoints.
        keep: checkpoints kept, the newest.
        keep_best: also save after an evaluation with the lowest loss so far, and keep
            that checkpoint.
        steps: updates of the run, if it is trained by several calls of `fit`; it ends
            with the one that reaches them.
        settings: what has to be equal for a run to go on, section -> field -> JSON
            value; the model's config need not be among it.

    Raises:
        ValueError: `every` or `keep` is not positive.

    >>> Checkpoint("runs/1", every=500).folder.as_posix()
    'runs/1/checkpoints'
    """

    def __init__(
        self,
        folder: str | Path,
        every: int = 250,
        keep: int = 2,
        keep_best: bool = True,
        steps: int | None = None,
        settings: Mapping[str, Mapping[str, Any]] | None = None,
    ):
        super().__init__()
        if every < 1 or keep < 1:
            raise ValueError(f"every={every} and keep={keep} must be positive")
        self.folder = Path(folder) / "checkpoints"
        self.every, self.keep, self.keep_best = every, keep, keep_best
        self.steps, self.settings = steps, settings or {}
        self._saved: int | None = None
        self._writing: threading.Thread | None = None
        self._problem = "the writing thread failed"
        self._training = False
        self._skipped = 0

    def restore(self, model: keras.Model, best: bool = False) -> int:
        """Loads the newest intact checkpoint into a compiled model.

        Args:
            model: as it was when it was saved; its values are replaced.
            best: load that with the lowest validation loss instead.

        Returns:
            The number of updates behind it, 0 where there is none to load. Batches
            after as many are the ones to go on with.

        Raises:
            ValueError: the model is not compiled, or it or the settings are not what
                was saved, and the message names the fields that differ; no checkpoint
                is intact; or other workers found another one.
        """
        if getattr(model, "optimizer", None) is None:
            raise ValueError("compile the model before its checkpoint is restored")
        devices, there = devices_of(model), files.checkpoints_in(self.folder)
        check_same_step(devices, max(there, default=0))
        found = sorted(there.values(), reverse=True)
        if best:
            losses = {path: files.validation_loss(path) for path in found}
            known = (path for path in found if losses[path] < np.inf)
            found = sorted(known, key=losses.__getitem__)
        self._saved = self._load(model, found)
        if found and self._saved is None:
            raise ValueError(
                f"no checkpoint in {self.folder} is intact ({self._problem}): start "
                "anew with --resume=never or another --run_dir"
            )
        return self._saved or 0

    def go_back(self, model: keras.Model) -> int:
        """Loads the newest checkpoint that followed a good batch, but for the count of
        batches: that stays.

        Returns:
            The number of updates behind it, 0 where there is none.
        """
        self.wait()
        sum_over_workers(devices_of(model), 0)  # until the chief has written
        there = files.checkpoints_in(self.folder).values()
        found = [path for path in there if files.is_good(path)]
        batches = int(model.optimizer.iterations.numpy())
        step = self._load(model, sorted(found, reverse=True)) or 0
        model.optimizer.iterations.assign(batches)
        check_same_step(devices_of(model), step)
        return step

    def finish(self) -> None:
        """Saves this step and waits until it is on the disk.

        Raises:
            OSError: it could not be written.
        """
        self.save()
        self.wait()
        if self._writes and self._saved != self.step:
            raise OSError(f"step {self.step} is not saved: {self._problem}")

    def is_on_disk(self) -> bool:
        """Whether the folder has an intact checkpoint of this step and of these
        settings, whichever worker wrote it."""
        path = self._path(self.step)
        if not files.is_intact(path):
            return False
        there = read_json(path / files.MANIFEST)["settings"]
        return not differences(there, self._settings(self.model))

    def save(self, validation_loss: float | None = None) -> None:
        """Has this step written, once; adds the loss if one is given."""
        self.wait()
        step = self.read_step()
        if not self._writes:
            return
        if self._saved != step:
            variables = files.variables_of(self.model)
            state = files.state_here(variables, self._is_chief)
            manifest = {"step": step, "settings": self._settings(self.model)}
            if self._skipped:
                manifest["skipped_in_row"] = self._skipped
            if validation_loss is not None:
                manifest["validation_loss"] = float(validation_loss)
            self._writing = threading.Thread(
                target=self._write, args=(step, state, manifest), name="checkpoint"
            )
            self._writing.start()
        elif validation_loss is not None and self._is_chief:
            path = self._path(step) / files.MANIFEST
            manifest = {**read_json(path), "validation_loss": float(validation_loss)}
            write_json(path, manifest)
            self._prune()

    def wait(self) -> None:
        """Until nothing is being written."""
        if self._writing is not None:
            self._writing.join()
            self._writing = None

    def on_train_begin(self, logs=None):
        super().on_train_begin()
        self._training = True
        if self._share[1] > 1:
            if self._is_chief:
                files.remove_drafts(self.folder)
            sum_over_workers(devices_of(self.model), 0)  # before anybody writes
        if self._saved != self.step:
            self._saved = None

    def on_train_batch_end(self, batch, logs=None):
        super().on_train_batch_end(batch)
        self._skipped = int((logs or {}).get("skipped_in_row", 0))
        # Not while batches are skipped: they may be about to be taken back.
        if self.is_due(self.every) and not self._skipped:
            self.save()

    def on_test_end(self, logs=None):
        if not (self._training and self.keep_best):
            return
        self.wait()
        found = files.checkpoints_in(self.folder).values()
        best = min(map(files.validation_loss, found), default=np.inf)
        is_best = self._is_chief and logs["loss"] < best
        if sum_over_workers(devices_of(self.model), int(is_best)):
            self.save(logs["loss"])

    def on_train_end(self, logs=None):
        stopped = getattr(self.model, "stop_training", False)
        if self.steps is None or self.read_step() >= self.steps or stopped:
            self.finish()
        self.wait()
        self._training = False

    @property
    def _is_chief(self) -> bool:
        return is_chief(devices_of(self.model))

    @property
    def _share(self) -> tuple[int, int]:
        return share_of(devices_of(self.model))

    @property
    def _writes(self) -> bool:
        return self._is_chief or self._share[1] > 1

    def _path(self, step: int) -> Path:
        return self.folder / f"step_{step:08d}"

    def _settings(self, model: keras.Model) -> dict:
        """What a checkpoint is compared by, as it comes back from JSON."""
        config = getattr(model, "config", None)
        fields = {"model": {} if config is None else config.to_dict(), **self.settings}
        return json.loads(json.dumps(fields))

    def _load(self, model: keras.Model, paths: Sequence[Path]) -> int | None:
        """Loads the first of some checkpoints that is intact; its step."""
        for path in paths:
            opened = self._opened(path, devices_of(model))
            if opened is None:
                continue
            manifest, state = opened
            _check_settings(path, manifest["settings"], self._settings(model))
            with model.distribute_strategy.scope():
                _build_optimizer(model)
                files.assign(path, state, files.variables_of(model))
            return manifest["step"]
        return None

    def _opened(self, path: Path, devices: Place) -> tuple[dict, Any] | None:
        """A checkpoint's manifest and state, if all workers find it intact."""
        first, every = share_of(devices)
        opened = None
        try:
            files.check_intact(path, first, every)
            opened = files.open_state(path)
        except (OSError, ValueError, KeyError) as error:
            self._problem = f"{path.name}: {error}"
            logger.warning("skipped a corrupt checkpoint, %s: %s", path, error)
        corrupt = sum_over_workers(devices, int(opened is None))
        if corrupt and opened is not None:
            self._problem = f"{path.name}: another worker finds it corrupt"
            logger.warning("skipped %s: another worker finds it corrupt", path)
        return None if corrupt else opened

    def _write(self, step: int, state: files.State, manifest: dict) -> None:
        """What the thread does."""
        try:
            if self._is_chief:
                files.set_aside(self.folder, step)
            worker, workers = self._share
            if workers == 1:
                files.write(self._path(step), state, manifest)
            else:
                files.write_share(self._path(step), state, worker, workers)
                if self._is_chief:
                    files.complete(self._path(step), manifest, workers)
            self._saved = step
            if self._is_chief:
                self._prune()
        except OSError as error:
            needed = sum(array.nbytes for array in state.values()) / 1e6
            there = [p for p in (self.folder, *self.folder.parents) if p.exists()]
            free = shutil.disk_usage(there[0]).free / 1e6
            newest = max(files.checkpoints_in(self.folder), default=None)
            stays = "" if newest is None else f"; that of step {newest} stays"
            self._problem = (
                f"{error} (a checkpoint needs {needed:,.1f} MB, the disk of "
                f"{self.folder} has {free:,.1f} MB free{stays})"
            )
            text = "step %d is not saved, the next save tries again: %s"
            logger.warning(text, step, self._problem)

    def _prune(self) -> None:
        """Removes all but the newest ones, as many good ones, and the best."""
        steps = files.checkpoints_in(self.folder)
        good = [step for step, path in steps.items() if files.is_good(path)]
        kept = {*sorted(steps)[-1:], *sorted(good)[-self.keep :]}
        losses = {step: files.validation_loss(path) for step, path in steps.items()}
        best = min(losses, key=losses.__getitem__)
        if self.keep_best and losses[best] < np.inf:
            kept.add(best)
        for step, path in steps.items():
            if step not in kept:
                shutil.rmtree(path)


def _build_optimizer(model: keras.Model) -> None:
    if isinstance(model, TrainingStep):
        model.build_optimizer()
    elif not model.optimizer.built:
        model.optimizer.build(model.trainable_variables)


def _check_settings(path: Path, there: dict, here: dict) -> None:
    if different := differences(there, here):
        raise ValueError(
            f"{path} is of another run: {'; '.join(different)}; give what is there to "
            "go on, --resume=never or another --run_dir to start anew"
        )
