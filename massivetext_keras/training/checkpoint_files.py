"""Checkpoints as folders: a state, and a manifest that says what it is."""

from __future__ import annotations

import logging
import re
import shutil
from contextlib import suppress
from pathlib import Path

import keras
import numpy as np
import safetensors.numpy

from massivetext_keras.support.files import (
    file_hash,
    read_json,
    replacing_folder,
    write_json,
)
from massivetext_keras.support.versions import versions

logger = logging.getLogger(__name__)

MANIFEST = "manifest.json"
_DATA = "state.safetensors"
_DISTRIBUTIONS = ("keras", "tensorflow")


def variables_of(model: keras.Model) -> dict[str, keras.Variable]:
    """Weights, seeds and the optimizer's state, by a name that sorts in their order.

    The paths alone would do if Keras did not number the objects of a process.
    """
    groups = {"model": model.variables, "optimizer": model.optimizer.variables}
    return {
        f"{group}/{i:05d}/{variable.path}": variable
        for group, variables in groups.items()
        for i, variable in enumerate(variables)
    }


def assign(path: Path, state: dict, variables: dict[str, keras.Variable]) -> None:
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


def checkpoints_in(folder: Path) -> dict[int, Path]:
    """The checkpoints in a folder by their step."""
    matches = [(re.fullmatch(r"step_(\d{8,})", p.name), p) for p in folder.glob("*")]
    return {int(match[1]): path for match, path in matches if match}


def validation_loss(path: Path) -> float:
    """The validation loss of a checkpoint, infinite where it has none."""
    with suppress(OSError, ValueError, KeyError):
        return read_json(path / MANIFEST)["validation_loss"]
    return np.inf


def is_good(path: Path) -> bool:
    """Whether the last batch before a checkpoint was not skipped."""
    with suppress(OSError, ValueError):
        return not read_json(path / MANIFEST).get("skipped_in_row", 0)
    return False


def is_intact(path: Path) -> bool:
    """Whether a checkpoint is there, and its state the one that was written."""
    with suppress(OSError, ValueError, KeyError):
        return file_hash(path / _DATA) == read_json(path / MANIFEST)["sha256"]
    return False


def set_aside(folder: Path, step: int) -> None:
    """Renames what an earlier run left at later steps: it is not this run's past."""
    for later, path in checkpoints_in(folder).items():
        if later > step:
            new = path.with_name(f"replaced_{path.name}")
            shutil.rmtree(new, ignore_errors=True)
            path.rename(new)
            logger.warning("%s is of an earlier run and is now %s", path, new.name)


def write(path: Path, state: dict[str, np.ndarray], manifest: dict) -> None:
    """Makes a checkpoint, and clears away what a killed run left of one.

    Raises:
        OSError: the disk is full, or cannot be written for another reason.
    """
    for stale in path.parent.glob(".step_*"):
        shutil.rmtree(stale)
    with replacing_folder(path, overwrite=True) as folder:
        try:
            safetensors.numpy.save_file(state, folder / _DATA)
        except safetensors.SafetensorError as error:
            raise OSError(str(error)) from error
        hashed = {
            "sha256": file_hash(folder / _DATA),
            "versions": versions(*_DISTRIBUTIONS),
        }
        write_json(folder / MANIFEST, {**manifest, **hashed})


def read(path: Path) -> tuple[dict, dict[str, np.ndarray]]:
    """A checkpoint's manifest and state.

    Raises:
        OSError, ValueError, KeyError: it is not intact.
    """
    manifest = read_json(path / MANIFEST)
    if file_hash(path / _DATA) != manifest["sha256"]:
        raise ValueError(f"{_DATA} is not the file that was written")
    return manifest, safetensors.numpy.load_file(path / _DATA)
