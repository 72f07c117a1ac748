"""Checkpoints from which a run goes on as if it had never stopped, bit for bit."""

from __future__ import annotations

import json
import logging
import re
import shutil
from contextlib import suppress
from importlib import metadata
from pathlib import Path

import keras
import numpy as np
import safetensors.numpy

from massivetext_keras.files import file_hash, replacing_folder, write_json
from massivetext_keras.training.callbacks import StepCallback

logger = logging.getLogger(__name__)

_DATA, _MANIFEST = "state.safetensors", "manifest.json"
_DISTRIBUTIONS = ("massivetext-keras", "keras", "tensorflow")


class Checkpoint(StepCallback):
    """Saves a run as it trains; `restore` goes on with it.

    `checkpoints/step_00000250` in the run's folder holds `state.safetensors` (weights,
    dropout's counters, the optimizer's state with its count of updates) and
    `manifest.json` (step, SHA-256 of the state, the model's config, versions and the
    validation loss). It appears whole or not at all. One is also saved when training
    ends. Of several workers, the chief writes.

    Args:
        folder: of the run.
        every: updates between checkpoints.
        keep: checkpoints kept, the newest.
        keep_best: also save after an evaluation with the lowest loss so far, and keep
            that checkpoint.

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
    ):
        super().__init__()
        if every < 1 or keep < 1:
            raise ValueError(f"every={every} and keep={keep} must be positive")
        self.folder = Path(folder) / "checkpoints"
        self.every, self.keep, self.keep_best = every, keep, keep_best
        self._saved: int | None = None
        self._training = False

    def restore(self, model: keras.Model, best: bool = False) -> int:
        """Loads the newest intact checkpoint into a compiled model.

        Args:
            model: as it was when it was saved; its values are replaced.
            best: load that with the lowest validation loss instead.

        Returns:
            The number of updates behind it, 0 where there is none to load. Batches
            after as many are the ones to go on with.

        Raises:
            ValueError: the model is not compiled, or is not the one that was saved; the
                message names the fields that differ.
        """
        if getattr(model, "optimizer", None) is None:
            raise ValueError("compile the model before its checkpoint is restored")
        found = sorted(_steps(self.folder).values(), reverse=True)
        if best:
            losses = {path: _validation_loss(path) for path in found}
            found = sorted((p for p in found if losses[p] < np.inf), key=losses.get)
        for path in found:
            try:
                manifest, state = _read(path)
            except (OSError, ValueError, KeyError) as error:
                logger.warning("skipped a corrupt checkpoint, %s: %s", path, error)
                continue
            _check_config(path, manifest["config"], _config(model))
            with model.distribute_strategy.scope():
                if not model.optimizer.built:
                    model.optimizer.build(model.trainable_variables)
                _assign(path, state, _variables(model))
            self._saved = manifest["step"]
            return self._saved
        return 0

    def on_train_begin(self, logs=None):
        super().on_train_begin()
        self._training = True
        if self._saved != self.step:
            self._saved = None

    def on_train_batch_end(self, batch, logs=None):
        super().on_train_batch_end(batch)
        if self.is_due(self.every):
            self._save()

    def on_test_end(self, logs=None):
        if not (self._training and self.keep_best):
            return
        best = min(map(_validation_loss, _steps(self.folder).values()), default=np.inf)
        if logs["loss"] < best:
            self._save(logs["loss"])

    def on_train_end(self, logs=None):
        self._save()
        self._training = False

    def _save(self, validation_loss: float | None = None) -> None:
        """Writes the state at this step once, then adds the loss if one is given."""
        if not self.model.distribute_strategy.extended.should_checkpoint:
            return
        step = self.read_step()
        path = self.folder / f"step_{step:08d}"
        if self._saved != step:
            _set_aside(self.folder, step)
            variables = _variables(self.model)
            state = {k: np.asarray(v.numpy()) for k, v in variables.items()}
            _write(path, state, {"step": step, "config": _config(self.model)})
            self._saved = step
        if validation_loss is not None:
            manifest = json.loads((path / _MANIFEST).read_text())
            manifest["validation_loss"] = float(validation_loss)
            write_json(path / _MANIFEST, manifest)
        self._prune()

    def _prune(self) -> None:
        steps = _steps(self.folder)
        kept = sorted(steps)[-self.keep :]
        losses = {step: _validation_loss(path) for step, path in steps.items()}
        best = min(losses, key=losses.get)
        if self.keep_best and losses[best] < np.inf:
            kept.append(best)
        for step, path in steps.items():
            if step not in kept:
                shutil.rmtree(path)


def _variables(model: keras.Model) -> dict[str, keras.Variable]:
    """Weights, seeds and the optimizer's state, by a name that sorts in their order.

    The paths alone would do if Keras did not number the objects of a process.
    """
    groups = {"model": model.variables, "optimizer": model.optimizer.variables}
    return {
        f"{group}/{i:05d}/{variable.path}": variable
        for group, variables in groups.items()
        for i, variable in enumerate(variables)
    }


def _config(model: keras.Model) -> dict:
    """The model's config as it comes back from JSON; empty where it has none."""
    config = getattr(model, "config", None)
    return {} if config is None else json.loads(json.dumps(config.to_dict()))


def _check_config(path: Path, saved: dict, config: dict) -> None:
    different = [
        f"{name} is {saved.get(name)!r} there and {config.get(name)!r} here"
        for name in sorted(saved.keys() | config.keys())
        if saved.get(name) != config.get(name)
    ]
    if different:
        raise ValueError(f"{path} is of another model: {'; '.join(different)}")


def _assign(path: Path, state: dict, variables: dict[str, keras.Variable]) -> None:
    if len(state) != len(variables):
        raise ValueError(
            f"{path} is of another model or optimizer: it has {len(state)} variables, "
            f"this one {len(variables)}"
        )
    pairs = list(zip(sorted(state), variables.items(), strict=True))
    for saved, (name, variable) in pairs:
        array, shape = state[saved], tuple(variable.shape)
        if array.shape != shape or array.dtype != variable.dtype:
            raise ValueError(
                f"{path} is of another model or optimizer: {saved} is {array.dtype} "
                f"{list(array.shape)}, {name} is {variable.dtype} {list(shape)}"
            )
    for saved, (_, variable) in pairs:
        variable.assign(state[saved])


def _steps(folder: Path) -> dict[int, Path]:
    """The checkpoints in a folder by their step."""
    matches = [(re.fullmatch(r"step_(\d{8,})", p.name), p) for p in folder.glob("*")]
    return {int(match[1]): path for match, path in matches if match}


def _validation_loss(path: Path) -> float:
    """The validation loss of a checkpoint, infinite where it has none."""
    with suppress(OSError, ValueError, KeyError):
        return json.loads((path / _MANIFEST).read_text())["validation_loss"]
    return np.inf


def _set_aside(folder: Path, step: int) -> None:
    """Renames what an earlier run left at later steps: it is not this run's past."""
    for later, path in _steps(folder).items():
        if later > step:
            new = path.with_name(f"replaced_{path.name}")
            shutil.rmtree(new, ignore_errors=True)
            path.rename(new)
            logger.warning("%s is of an earlier run and is now %s", path, new.name)


def _write(path: Path, state: dict[str, np.ndarray], manifest: dict) -> None:
    """Makes a checkpoint, and clears away what a killed run left of one."""
    for stale in path.parent.glob(".step_*"):
        shutil.rmtree(stale)
    with replacing_folder(path, overwrite=True) as folder:
        safetensors.numpy.save_file(state, folder / _DATA)
        hashed = {"sha256": file_hash(folder / _DATA), "versions": _versions()}
        write_json(folder / _MANIFEST, {**manifest, **hashed})


def _read(path: Path) -> tuple[dict, dict[str, np.ndarray]]:
    """A checkpoint's manifest and state.

    Raises:
        OSError, ValueError, KeyError: it is not intact.
    """
    manifest = json.loads((path / _MANIFEST).read_text())
    if file_hash(path / _DATA) != manifest["sha256"]:
        raise ValueError(f"{_DATA} is not the file that was written")
    return manifest, safetensors.numpy.load_file(path / _DATA)


def _versions() -> dict[str, str]:
    versions = {}
    for name in _DISTRIBUTIONS:
        with suppress(metadata.PackageNotFoundError):
            versions[name] = metadata.version(name)
    return versions
