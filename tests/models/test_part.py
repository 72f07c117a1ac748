"""Parts of a model, run one after another, are the model."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from massivetext_keras.models.part import Part, part_to_run, run_part
from tests.tasks.tiny import gpt

IDS = tf.constant([[1, 2, 3, 4], [5, 6, 7, 8]])


@pytest.mark.parametrize("position", ["learned", "rotary"])
def test_two_parts_give_what_the_whole_gives(position):
    model = gpt(position=position)
    whole = model(IDS)
    hidden = run_part(Part(range(1), last=False), lambda: model(IDS))
    assert hidden.shape == whole.shape
    assert np.abs(hidden - whole).max() > 0.01
    result = run_part(Part(range(1, 2), True, hidden), lambda: model(IDS) * 2)
    np.testing.assert_array_equal(result, whole * 2)
    assert part_to_run() is None
    np.testing.assert_array_equal(model(IDS), whole)


def test_what_follows_a_part_that_is_left_is_not_run():
    model, after = gpt(), []
    run_part(Part(range(1), last=False), lambda: after.append(model(IDS)))
    assert after == []


def test_a_model_is_called_once():
    model = gpt()
    hidden = run_part(Part(range(1), last=False), lambda: model(IDS))
    with pytest.raises(ValueError, match="calls its model more than once"):
        run_part(Part(range(1, 2), True, hidden), lambda: [model(IDS), model(IDS)])
    assert part_to_run() is None
