"""Runs that are killed, again and again; prints what became of them, as JSON.

TensorFlow is imported once, and every attempt is a fork of this process, which must
therefore compute nothing itself.
"""

from __future__ import annotations

import functools
import gc
import json
import multiprocessing
import os
import re
import shutil
import signal
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf


def plain(function=None, **options):
    """`tf.function` without XLA, whose compilation takes longer than what is tested."""
    return compiled(function, **{**options, "jit_compile": None})


compiled = tf.function
if __name__ == "__main__":
    tf.function = plain

from massivetext_keras import cli, training  # noqa: E402
from massivetext_keras.experiment import ExperimentConfig  # noqa: E402
from massivetext_keras.tokenizers import ByteTokenizer  # noqa: E402
from tests.processes import use_grappler  # noqa: E402

Process = multiprocessing.Process
FORK = multiprocessing.get_context("fork")
FARTHEST, EVERY, EPOCH, STEPS = 8, 3, 25, 60
TEXT = "the cat sat on the mat, the dog sat on the log.\n" * 40
MODEL = {
    "vocabulary_size": 259,
    "num_layers": 1,
    "hidden_size": 8,
    "num_heads": 2,
    "intermediate_size": 16,
    "max_length": 16,
    "dropout": 0.1,
}
TRAIN = {
    "micro_batches": 2,
    "checkpoint_every": EVERY,
    "evaluate_every": EPOCH,
    "sample_every": 0,
    "precision": "float32",
}
DATA = {"batch_size": 4, "sequence_length": 8}
PLACES = {
    "none": {"strategy": "none"},
    "mirrored": {"strategy": "mirrored", "logical_cpus": 2},
    "mesh": {
        "mesh": "data=2,tensor=2",
        "shard_state": "optimizer",
        "logical_cpus": 4,
    },
}


class Killer(keras.callbacks.Callback):
    """Ends this process as `kill -9` does.

    Args:
        step: after as many updates, at the latest.
        file: before the thread that saves opens, renames or removes its n-th file.
        seconds: after the first update.
    """

    def __init__(self, step: int, file: int | None, seconds: float | None):
        super().__init__()
        self.step, self.seconds = step, seconds
        self.files, self.file = 0, file

    def on_train_begin(self, logs=None):
        if self.file is not None:
            sys.addaudithook(self.watch)  # for good: in the process that is to die

    def watch(self, event: str, arguments) -> None:
        if threading.current_thread().name == "checkpoint" and event in (
            "open",
            "os.mkdir",
            "os.rename",
            "os.remove",
            "os.rmdir",
        ):
            self.files += 1
            if self.files == self.file:
                self.kill()

    def on_train_batch_end(self, batch, logs=None):
        if self.seconds is not None:
            threading.Timer(self.seconds, self.kill).start()
            self.seconds = None
        time.sleep(0.05)  # a step of a larger model, beside which a save goes on
        self.step -= 1
        if self.step == 0:
            self.kill()

    def kill(self) -> None:
        os.kill(os.getpid(), signal.SIGKILL)


def fork(output: Path, function: Callable, *arguments) -> Process:
    """Starts a function in a process of its own; what it prints goes to a file."""

    def target():
        file = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.dup2(file, 1)
        os.dup2(file, 2)
        use_grappler(False)
        sys.exit(function(*arguments))

    process = FORK.Process(target=target)
    process.start()
    return process


def train(place: Path, folder: Path, changes: dict, *callbacks) -> None:
    """A run, or what is left to do of it."""
    settings = {"model": MODEL, "data": DATA, "train": {**TRAIN, **changes}}
    experiment = ExperimentConfig.from_dict(settings)
    devices = training.make_devices(*experiment.train.devices)  # before all else
    training.train(
        experiment,
        place / "text.txt",
        ByteTokenizer(),
        folder,
        callbacks=callbacks,
        strategy=devices,
    )


def attempt(random: np.random.Generator) -> Killer:
    """At a step, at an operation on a file while saving, or at any moment."""
    kind = random.integers(3)
    return Killer(
        step=int(random.integers(1, FARTHEST + 1)) if kind == 0 else FARTHEST,
        file=int(random.integers(1, 40)) if kind == 1 else None,
        seconds=float(random.uniform(0.0, 0.4)) if kind == 2 else None,
    )


def killed(place: Path, devices: str, kills: int, steps: int) -> dict:
    """One run without a stop, one that is killed time and again.

    Returns:
        The exit codes, the second one's newest checkpoint after each of them, how many
        kills came in the middle of a save, and whether weights and state are equal.
    """
    straight, folder = place / f"{devices}_straight", place / devices
    output = place / f"{devices}.txt"
    # Micro-batches, whose graph takes the longest to make, are those of `command`.
    changes = {**PLACES[devices], "steps": steps, "micro_batches": 1}
    whole = fork(output, train, place, straight, changes)
    random, codes, reached, torn = np.random.default_rng(1), [], [], 0
    for i in range(kills + 1):
        killer = (attempt(random),) if i < kills else ()
        process = fork(output, train, place, folder, changes, *killer)
        process.join()
        codes.append(process.exitcode)
        torn += any(folder.glob("checkpoints/.step_*"))
        found = [p.name for p in folder.glob("checkpoints/step_*")]
        reached.append(int(max(found, default="step_0").removeprefix("step_")))
    whole.join()
    files = ("model.safetensors", f"checkpoints/step_{steps:08d}/state.safetensors")
    contents = [
        [(run / file).read_bytes() for file in files if (run / file).exists()]
        for run in (straight, folder)
    ]
    return {
        "straight": whole.exitcode,
        "codes": codes,
        "reached": reached,
        "torn": torn,
        "equal": [one == other for one, other in zip(*contents, strict=False)],
    }


def start(place: Path, name: str, *more: str, **environment) -> Process:
    """`massivetext train` into a folder of this name."""
    argv = ["train", f"--data={place / 'text.txt'}", "--tokenizer=bytes"]
    argv += [f"--run_dir={place / name}", f"--steps={STEPS}", "--strategy=auto"]
    fields = {f"model.{k}": v for k, v in MODEL.items()}
    fields |= {f"data.{k}": v for k, v in DATA.items()}
    fields |= {f"train.{k}": v for k, v in TRAIN.items()}
    argv += [f"--set={k}={v}" for k, v in fields.items()]

    def run() -> int:
        os.environ.update(environment)
        if "SLOWLY" in environment:  # a signal is sent in the middle of the run
            slowly = [Killer(step=0, file=None, seconds=None)]
            training.train = functools.partial(training.train, callbacks=slowly)
        return cli.run([*argv, *more])

    index = environment.get("INDEX", "")
    return fork(place / f"{name}{index}.txt", run)


def steps(place: Path, name: str) -> list[str]:
    return sorted(p.name for p in (place / name).glob("checkpoints/step_*"))


def stop(place: Path, name: str, process: Process, number: int) -> None:
    """Sends a signal once there is a new checkpoint."""
    before = steps(place, name)
    while process.is_alive() and steps(place, name)[-1:] == before[-1:]:
        time.sleep(0.001)
    os.kill(process.pid, number)


def equal(place: Path, *names: str) -> bool:
    one, other = ((place / name / "model.safetensors").read_bytes() for name in names)
    return one == other


def command(place: Path) -> dict:
    """`massivetext train`: killed, told to stop, gone on with, begun anew."""
    attempts, reached = [start(place, "whole")], []
    for number in (signal.SIGKILL, signal.SIGTERM):
        attempts.append(start(place, "stopped", SLOWLY="1"))
        stop(place, "stopped", attempts[-1], number)
        attempts[-1].join()
        reached.append(steps(place, "stopped")[-1])
    attempts.append(start(place, "stopped"))
    for process in attempts:
        process.join()
    same = equal(place, "whole", "stopped")
    said = (place / "stopped.txt").read_text()
    attempts.append(start(place, "stopped", "--resume=never", "--steps=1"))
    attempts[-1].join()
    return {
        "codes": [process.exitcode for process in attempts],
        "reached": reached,
        "equal": same,
        "anew": steps(place, "stopped"),
        "resumed": re.findall(r"resumed at step ([0-9]+) in [0-9.]+ s", said),
        "stopped": re.findall("stopped after step [0-9]+; the same .*", said),
        "said_anew": (place / "stopped.txt").read_text().removeprefix(said),
    }


def workers(place: Path, mesh: str, *addresses: str) -> dict:
    """Two workers, on a mesh of four devices or "none": one is killed, one is told to
    stop, both go on; then one goes on alone, on one device, with what both left."""
    flags = []
    if mesh != "none":
        flags += [f"--mesh={mesh}", "--shard_state=optimizer"]
        flags += ["--set=train.logical_cpus=2", "--set=train.sample_every=25"]

    def pair(name: str, **more: str) -> list[Process]:
        tasks = [{"type": "worker", "index": i} for i in range(2)]
        configs = [{"cluster": {"worker": addresses}, "task": task} for task in tasks]
        return [
            start(
                place, name, *flags, INDEX=str(i), TF_CONFIG=json.dumps(config), **more
            )
            for i, config in enumerate(configs)
        ]

    def codes(processes: list[Process]) -> list[int | None]:
        for process in processes:
            process.join(900)
            process.kill()
        return [process.exitcode for process in processes]

    result = {"whole": codes(pair("whole"))}
    killed = pair("stopped", SLOWLY="1")
    stop(place, "stopped", killed[1], signal.SIGKILL)
    result["killed"] = codes(killed)
    complaint = (place / "stopped0.txt").read_text().splitlines()
    result["complaint"] = [x for x in complaint if x.startswith("massivetext: ")]
    told = pair("stopped", SLOWLY="1")
    stop(place, "stopped", told[1], signal.SIGTERM)
    result["told"] = codes(told)
    result["after_term"] = steps(place, "stopped")[-1]
    result["went_on"] = codes(pair("stopped"))
    said = [(place / f"stopped{i}.txt").read_text() for i in range(2)]
    result["stopped"] = [re.findall("stopped after step [0-9]+", x) for x in said]
    result["equal"] = equal(place, "whole", "stopped")
    last = place / "whole" / "checkpoints" / f"step_{STEPS:08d}"
    result["files"] = sorted(path.name for path in last.iterdir())
    shutil.copytree(place / "whole", place / "alone")
    alone = start(place, "alone", f"--steps={STEPS}")
    alone.join()
    result["alone"] = alone.exitcode
    return {**result, "equal_alone": equal(place, "whole", "alone")}


def main(place: Path, name: str, *counts: str) -> None:
    """Runs "command", "workers" on some axes of a mesh or none and two addresses, or
    one of `PLACES` with its counts of kills and steps."""
    gc.disable()  # attempts are short: it would only search what was imported
    (place / "text.txt").write_text(TEXT)
    if name == "command":
        result = command(place)
    elif name == "workers":
        result = workers(place, *counts)
    else:
        result = killed(place, name, *map(int, counts))
    print(json.dumps(result))


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2].split())
