"""What a run will take is told before it starts, and nothing is left behind."""

from __future__ import annotations

import itertools
import re

import pytest

from massivetext_keras import training
from massivetext_keras.experiment import ExperimentConfig
from massivetext_keras.tokenizers import ByteTokenizer
from massivetext_keras.training import Clock, memory_estimate
from massivetext_keras.training.estimate import seconds_per_step

TEXT = "the cat sat on the mat, the dog sat on the log.\n" * 40
EXPERIMENT = ExperimentConfig.from_dict(
    {
        "model": {
            "vocabulary_size": 259,
            "num_layers": 2,
            "hidden_size": 16,
            "num_heads": 2,
            "intermediate_size": 32,
            "max_length": 32,
        },
        "data": {"batch_size": 2, "sequence_length": 16, "validation_fraction": 0.5},
        "train": {"steps": 120, "precision": "float32", "strategy": "none"},
    }
)


pytestmark = pytest.mark.usefixtures("without_xla")


def test_the_terms_of_the_memory():
    model, tokens = EXPERIMENT.model, 2 * 16
    kept = memory_estimate(EXPERIMENT, model, 4, recompute=False)
    count = model.parameter_count()
    assert (kept.weights, kept.gradients, kept.slots) == (
        4 * count,
        4 * count,
        8 * count,
    )
    assert kept.update == 24 * count
    # 13 d + 2 f + H T for each of two blocks, half as much again, and four logits.
    block = 13 * 16 + 2 * 32 + 2 * 16
    assert kept.activations == 4 * tokens * (1.5 * 2 * block + 4 * 259)
    again = memory_estimate(EXPERIMENT, model, 4, recompute=True)
    assert again.activations == 4 * tokens * (1.5 * (2 * 16 + block) + 4 * 259)
    assert kept.total == kept.process + 40 * count + kept.activations
    half = memory_estimate(EXPERIMENT, model, 2, recompute=False)
    assert half.activations == kept.activations / 2


@pytest.fixture
def text(tmp_path):
    path = tmp_path / "text.txt"
    path.write_text(TEXT)
    return path


def lines(text, experiment=EXPERIMENT, **measuring) -> dict[str, str]:
    """What the plan says, by the words before it."""
    found = training.plan(experiment, [str(text)], ByteTokenizer(), **measuring)
    return {line[:17].strip(): line[17:] for line in found}


def test_a_plan_counts_and_measures(text):
    told = lines(text, time_steps=lambda *_: 1.5)
    assert told["parameters"] == f"{EXPERIMENT.model.parameter_count():,}"
    assert told["tokens per step"] == "32 (2 rows of 16)"
    assert (told["steps"], told["tokens"]) == ("120", "3,840")
    there = (len(TEXT) + 1) / 2  # its bytes and the end of the text, half held out
    assert told["epochs"] == f"{3840 / there:.2f}, of about {there:,.0f} tokens"
    assert told["hours"] == "0.05 (3 min 00 s; 1.500 s a step, measured over 3)"
    assert told["memory"].endswith(" GiB with recomputation)")
    assert [path.name for path in text.parent.iterdir()] == ["text.txt"]


def test_a_plan_says_what_the_fullest_device_of_a_mesh_holds(text):
    model = EXPERIMENT.model.replace(hidden_size=1024, num_heads=4)
    mesh = {"mesh": "data=2,pipeline=2", "shard_state": "optimizer", "micro_batches": 2}
    experiment = EXPERIMENT.replace(model=model, train=EXPERIMENT.train.replace(**mesh))
    told = training.plan(experiment, [str(text)], ByteTokenizer(), peak=lambda _: 1.0)
    told = [*itertools.islice(told, 20)]
    (place,) = [i for i, line in enumerate(told) if line.startswith("of a mesh")]
    # The first stage has a block and both tables of 1,024 columns.
    weights = 4 * 1024**2 + 2 * 1024 * 32 + 9 * 1024 + 32 + (259 + 32) * 1024
    kept = f"{4 * weights / 2**30:.2f} GiB"
    assert told[place + 1 : place + 3] == [
        f"  weights        {kept}",
        f"  adamw          {kept}",  # two moments, each replica has half of them
    ]
    assert told[place].endswith(
        "on the fullest device, in stage 1 of 2; the above is for one device"
    )


def test_minutes_are_so_many_steps(text):
    timed = EXPERIMENT.override("train.minutes=3")
    told = lines(text, timed, time_steps=lambda *_: 1.5)
    assert (told["steps"], told["tokens"]) == ("about 120", "about 3,840")
    assert told["hours"].startswith("0.05 (3 min 00 s; ")


def test_the_speed_is_that_of_steps_that_were_made(text):
    now = itertools.count(0.0, 0.25)  # each look at the clock is later
    clock = Clock(now=lambda: next(now))

    def time_steps(*given):
        return seconds_per_step(*given, clock=clock)

    hours = lines(text, time_steps=time_steps)["hours"]
    found = re.search(r"; ([\d.]+) s a step, measured over 3\)$", hours)
    assert float(found[1]) == 0.25 and len(clock.times) == 4


def test_a_run_too_slow_to_try_is_told_from_its_arithmetic(text):
    flops = 32 * training.flops_per_token(EXPERIMENT.model, 16)
    told = lines(text, peak=lambda dtype: 1000.0)["hours"]
    assert f"{flops / 1000:.3f} s a step at the least: {flops:.2e} FLOPs" in told
    assert told.startswith(f"{120 * flops / 1000 / 3600:.2f} (")


def test_the_tokens_of_many_files_follow_from_the_first(tmp_path):
    for name, times in {"a.txt": 1, "b.txt": 3, "c.txt": 4}.items():
        (tmp_path / name).write_text(TEXT * times)
    measuring = {"time_steps": lambda *_: 1.0, "sample_bytes": 10}
    told = lines(tmp_path, **measuring)["epochs"].split("about ")[1]
    assert told == f"{(len(TEXT) + 1) * 8 / 2:,.0f} tokens"
