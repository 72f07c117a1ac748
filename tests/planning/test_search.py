"""Which splits there are, which fit, and which is best."""

from __future__ import annotations

import math
import re

import pytest

from massivetext_keras.architecture.shapes import preset
from massivetext_keras.planning import (
    Choice,
    Cluster,
    Impossible,
    Job,
    NothingFits,
    Plan,
    Split,
    plans,
)
from massivetext_keras.planning.search import meshes, splits

JOB = Job(preset("llama3_8b"), rows=64, length=2048)


def test_meshes_are_what_divides_heads_blocks_and_rows():
    found = {(x.data, x.tensor, x.pipeline) for x in meshes(JOB, 12, Choice())}
    # Tensor divides 32 heads; data 64 rows; three devices can only be stages.
    expected = {(4, 1, 3), (2, 2, 3), (1, 4, 3), (2, 1, 6), (1, 2, 6), (1, 1, 12)}
    assert found == expected


def test_the_best_is_the_fastest_of_all_that_fit():
    cluster = Cluster(8, memory=64e9)
    every = [Plan(JOB, cluster, split) for split in splits(JOB, 8, Choice())]
    fit = [found for found in every if found.memory.total <= 64e9]
    assert 0 < len(fit) < len(every)
    found = plans(JOB, cluster)
    assert found[0].seconds.total == min(x.seconds.total for x in fit)
    assert {x.split.mesh for x in found} == {x.split.mesh for x in fit}
    times = [x.seconds.total for x in found]
    assert times == sorted(times)


def test_what_is_given_holds():
    choice = Choice({"tensor": 4, "pipeline": 2}, 2, 4, "optimizer", True)
    (found,) = plans(JOB, Cluster(64), choice)
    assert found.split == Split(8, 4, 2, 2, 4, "optimizer", True)


def test_numbers_of_a_plan_agree():
    found = plans(JOB, Cluster(16))[0]
    per_device = JOB.flops / found.seconds.total / 16
    assert found.utilisation == pytest.approx(per_device / 312e12)
    assert found.flops_per_device >= per_device
    plain = found.to_dict()
    assert math.prod(plain[axis] for axis in ("data", "tensor", "pipeline")) == 16
    assert plain["seconds"]["total"] == pytest.approx(sum(found.seconds))


@pytest.mark.parametrize(
    ("devices", "choice", "argument", "text"),
    [
        (64, Choice({"tensor": 5}), "mesh", "tensor:5 does not divide the 32 heads"),
        (64, Choice({"tensor": 5}), "mesh", "did you mean tensor:4?"),
        (64, Choice({"data": 3}), "mesh", "the 64 rows of a batch: did you mean"),
        (64, Choice({"pipeline": 64}), "mesh", "32 blocks: did you mean pipeline:32?"),
        (12, Choice({"tensor": 8}), "mesh", "does not divide 12 devices"),
        (8, Choice({"tensor": 8, "pipeline": 2}), "mesh", "did you mean --devices=16?"),
        (37, Choice(), "devices", "36 devices can be"),
        (8, Choice(micro_batch=3), "micro_batch", "did you mean 2?"),
        (8, Choice({"pipeline": 8}, chunks=3), "chunks", "do not divide the 32 blocks"),
    ],
)
def test_what_does_not_go_is_said_with_the_nearest_that_does(
    devices, choice, argument, text
):
    with pytest.raises(Impossible, match=re.escape(text)) as caught:
        plans(JOB, Cluster(devices), choice)
    assert caught.value.argument == argument


def test_an_encoder_decoder_is_not_cut_into_stages():
    job = Job(preset("t5_base"), rows=64, length=512)
    assert {x.split.pipeline for x in plans(job, Cluster(4))} == {1}
    with pytest.raises(Impossible, match="an encoder-decoder cannot be cut"):
        plans(job, Cluster(4), Choice({"pipeline": 2}))


def test_where_nothing_fits_it_says_what_would():
    job = Job(preset("llama3_70b"), rows=512, length=2048)
    with pytest.raises(NothingFits) as caught:
        plans(job, Cluster(8))
    text = str(caught.value)
    least = float(re.search(r"the least is ([\d.]+) GB", text)[1])
    enough = int(re.search(r"([\d,]+) devices would do", text)[1].replace(",", ""))
    assert plans(job, Cluster(8, memory=(least + 0.1) * 1e9))
    with pytest.raises(NothingFits):
        plans(job, Cluster(8, memory=(least - 0.1) * 1e9))
    assert plans(job, Cluster(enough))
    assert enough == 16
