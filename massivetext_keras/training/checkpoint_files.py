"""Checkpoints as folders: a state, and a manifest that says what it is."""

from __future__ import annotations

import functools
import logging
import re
import shutil
import time
from contextlib import suppress
from pathlib import Path

import keras
import numpy as np

from massivetext_keras.distribution.sharded import ShardedVariable
from massivetext_keras.optimization.keras_seams import held_by
from massivetext_keras.saving.tensor_files import (
    Kind,
    Pieces,
    piece_name,
    write_tensors,
)
from massivetext_keras.support.files import (
    file_hash,
    read_json,
    replacing_folder,
    sync,
    write_json,
)
from massivetext_keras.support.versions import versions

logger = logging.getLogger(__name__)

MANIFEST = "manifest.json"
PATIENCE = 600.0  # seconds
_FILE = "state.safetensors"
_PAUSE = 0.05  # seconds between looks
_DISTRIBUTIONS = ("keras", "tensorflow")

State = dict[str, np.ndarray]


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


def assign(path: Path, state: Pieces, variables: dict[str, keras.Variable]) -> None:
    """Gives variables the values of a checkpoint: of what is in parts on the devices of
    several workers, each reads its own.

    Raises:
        ValueError: the state is of another model; nothing is changed then.
    """
    if len(state.kinds) != len(variables):
        raise ValueError(
            f"{path} is of another model or optimizer: it has {len(state.kinds)} "
            f"variables, this one {len(variables)}"
        )
    pairs = list(zip(sorted(state.kinds), variables.items(), strict=True))
    for saved, (name, variable) in pairs:
        kind, wanted = state.kinds[saved], Kind.of(variable)
        if kind != wanted:
            raise ValueError(
                f"{path} is of another model or optimizer: {saved} is {kind.dtype} "
                f"{list(kind.shape)}, {name} is {wanted.dtype} {list(wanted.shape)}"
            )
    for saved, (_, variable) in pairs:
        held = held_by(variable)
        if isinstance(held, ShardedVariable):
            held.fill(functools.partial(state.read, saved))
        else:
            variable.assign(state.read(saved))


def state_here(variables: dict[str, keras.Variable], keeps_rest: bool) -> State:
    """Copies of what this process is to write of a state: all of it or, where parts of
    it are on the devices of several workers, a share.

    Args:
        variables: by name.
        keeps_rest: whether it writes what all workers have too.
    """
    state: State = {}
    for turn, (name, variable) in enumerate(variables.items()):
        held = held_by(variable)
        if isinstance(held, ShardedVariable) and not held.is_here:
            pieces = held.pieces(turn)
            state |= {piece_name(name, box): x.copy() for box, x in pieces}
        elif keeps_rest:
            state[name] = np.asarray(variable.numpy())
    return state


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


def check_intact(path: Path, first: int = 0, every: int = 1) -> None:
    """Checks that the files of a checkpoint are the ones that were written.

    Args:
        path: of it.
        first, every: of its files only every so many are read, from the first on: other
            workers read the others.

    Raises:
        OSError, ValueError, KeyError: one is missing, or another one.
    """
    hashes = _hashes(path)
    for name in hashes:
        if not (path / name).exists():
            raise FileNotFoundError(f"{name} is missing")
    for name in sorted(hashes)[first::every]:
        if file_hash(path / name) != hashes[name]:
            raise ValueError(f"{name} is not the file that was written")


def is_intact(path: Path) -> bool:
    """Whether a checkpoint is there, and its files are those that were written."""
    with suppress(OSError, ValueError, KeyError):
        check_intact(path)
        return True
    return False


def _hashes(path: Path) -> dict[str, str]:
    """SHA-256 of each file of a checkpoint, by name."""
    written = read_json(path / MANIFEST)["sha256"]
    return {_FILE: written} if isinstance(written, str) else written


def set_aside(folder: Path, step: int) -> None:
    """Renames what an earlier run left at later steps: it is not this run's past."""
    for later, path in checkpoints_in(folder).items():
        if later > step:
            new = path.with_name(f"replaced_{path.name}")
            shutil.rmtree(new, ignore_errors=True)
            path.rename(new)
            logger.warning("%s is of an earlier run and is now %s", path, new.name)


def write(path: Path, state: State, manifest: dict) -> None:
    """Makes a checkpoint, and clears away what a killed run left of one.

    Raises:
        OSError: the disk is full, or cannot be written for another reason.
    """
    remove_drafts(path.parent)
    with replacing_folder(path, overwrite=True) as folder:
        digest = _write(folder / _FILE, state)
        write_json(folder / MANIFEST, _described(manifest, {_FILE: digest}))


def write_share(path: Path, state: State, worker: int, workers: int) -> None:
    """Writes what one of several workers has of a checkpoint, beside what others write
    of it; `complete` makes it one.

    Raises:
        OSError: the disk is full, or cannot be written for another reason.
    """
    draft = _draft(path)
    draft.mkdir(parents=True, exist_ok=True)
    name = _share(worker, workers)
    try:
        digest = _write(draft / name, state)
    except OSError as error:
        _write_failure(draft / f"{name}.json", str(error))
        raise
    write_json(draft / f"{name}.json", {"sha256": digest})


def complete(
    path: Path, manifest: dict, workers: int, patience: float = PATIENCE
) -> None:
    """Makes a checkpoint of what all workers write, as soon as they have.

    Args:
        path: of it.
        manifest: of it.
        workers: how many write.
        patience: seconds without news from any of them until this gives up.

    Raises:
        OSError: one could not write, or says nothing.
    """
    draft = _draft(path)
    hashes: dict[str, str] = {}
    deadline = time.monotonic() + patience
    while missing := [n for n in _shares(workers) if n not in hashes]:
        for name in missing:
            if (draft / f"{name}.json").exists():
                said = read_json(draft / f"{name}.json")
                if "problem" in said:
                    (draft / f"{name}.json").unlink()
                    raise OSError(f"{name} was not written: {said['problem']}")
                hashes[name], deadline = said["sha256"], time.monotonic() + patience
        if time.monotonic() > deadline:
            raise TimeoutError(
                f"{', '.join(missing)} did not come within {patience:.0f} s: is the "
                "run's folder one that all workers see?"
            )
        time.sleep(_PAUSE)
    write_json(draft / MANIFEST, _described(manifest, hashes))
    for name in hashes:
        (draft / f"{name}.json").unlink()
    sync(draft)
    old = draft.with_name(f"{draft.name}.old")
    if path.exists():
        path.rename(old)
    draft.rename(path)
    sync(path.parent)
    shutil.rmtree(old, ignore_errors=True)


def remove_drafts(folder: Path) -> None:
    """Clears away what a killed run left of checkpoints that it was writing."""
    for stale in folder.glob(".step_*"):
        shutil.rmtree(stale)


def open_state(path: Path) -> tuple[dict, Pieces]:
    """A checkpoint's manifest, and its state, which is read when it is asked for.

    Raises:
        OSError, ValueError, KeyError: it is not intact.
    """
    return read_json(path / MANIFEST), Pieces([path / name for name in _hashes(path)])


def _write(path: Path, state: State) -> str:
    kinds = {name: Kind.of(array) for name, array in state.items()}
    return write_tensors(path, kinds, state.__getitem__)


def _described(manifest: dict, hashes: dict[str, str]) -> dict:
    return {**manifest, "sha256": hashes, "versions": versions(*_DISTRIBUTIONS)}


def _write_failure(path: Path, problem: str) -> None:
    """Tells who waits for a file that it will not come, if even that can be written."""
    with suppress(OSError):
        write_json(path, {"problem": problem})


def _draft(path: Path) -> Path:
    return path.with_name(f".{path.name}")


def _shares(workers: int) -> list[str]:
    return [_share(worker, workers) for worker in range(workers)]


def _share(worker: int, workers: int) -> str:
    return f"state-{worker + 1:05d}-of-{workers:05d}.safetensors"
