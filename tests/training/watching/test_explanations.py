"""Pictures of explanations are read back from the event files."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from massivetext_keras import explain
from massivetext_keras.tasks import TextClassifier
from massivetext_keras.training import ExplanationPictures, fine_tune
from tests.tasks.tiny import encoder_task

ROWS = [("the cat sat", "a"), ("the dog sat on the mat", "b")] * 4
TEXTS = ["the cat sat", "the dog"]


def classifier() -> TextClassifier:
    return encoder_task(TextClassifier, labels=["a", "b"])


def pictures(folder) -> dict[int, np.ndarray]:
    """uint8 [height, width, 3] by step."""
    events = EventAccumulator(str(folder), size_guidance={"tensors": 0}).Reload()
    found = {}
    for event in events.Tensors("explanation"):
        width, height, *images = tf.make_ndarray(event.tensor_proto)
        (found[event.step],) = (tf.io.decode_png(x).numpy() for x in images)
        assert found[event.step].shape == (int(height), int(width), 3)
    return found


def test_a_picture_for_the_beginning_and_each_epoch(tmp_path):
    task, how = classifier(), {"target": "a", "unit": "word"}
    drawn = ExplanationPictures(TEXTS, tmp_path, "occlusion", **how)
    before = explain.draw(explain.explain(task, TEXTS, "occlusion", **how))
    task.compile("sgd", run_eagerly=False)
    task.optimizer.learning_rate = 0.5
    texts, labels = zip(*ROWS, strict=True)
    task.fit([*texts], [*labels], 4, epochs=2, callbacks=[drawn], verbose=0)
    found = pictures(tmp_path / "train")
    assert [*found] == [0, 2, 4]
    assert before.shape[1] == 769
    np.testing.assert_array_equal(found[0], before)
    after = explain.draw(explain.explain(task, TEXTS, "occlusion", **how))
    np.testing.assert_array_equal(found[4], after)
    assert (found[4] != found[0]).any()


def test_every_so_many_updates_of_a_run(tmp_path):
    run = tmp_path / "run"
    drawn = ExplanationPictures("the cat", run, "gradient_x_input", every=3)
    how = {"epochs": 4, "batch_size": 4, "max_length": 8, "run_dir": run}
    fine_tune(classifier(), ROWS, callbacks=[drawn], **how)
    assert [*pictures(run / "train")] == [0, 3, 6]


def test_colours_are_where_the_words_are():
    """The word for the target is blue, the one against it orange."""
    found = explain.Explanation(
        "good\nbad film",
        "occlusion",
        "yes",
        "logit",
        ("good", "bad", "film"),
        np.array([[0, 4], [5, 8], [9, 13]]),
        np.array([2.0, -2.0, 0.0], np.float32),
        0.0,
        1.0,
    )
    picture = explain.draw([found]).astype(int)
    assert picture.shape[1] == 769
    line = picture.shape[0] / 4  # of which half is above, and half below
    red, green, blue = np.moveaxis(picture, -1, 0)
    blues = np.argwhere((blue - red > 60) & (green - red > 30))
    oranges = np.argwhere((red - blue > 60) & (red - green > 60))
    assert blues[:, 0].max() < oranges[:, 0].min()
    letter = 769 / 92
    assert blues[:, 1].max() == pytest.approx(5 * letter, abs=2)
    assert oranges[:, 1].max() == pytest.approx(4 * letter, abs=2)
    # A text more, two lines and an empty one more.
    assert explain.draw([found, found]).shape[0] == pytest.approx(8 * line, abs=1)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"texts": []}, "texts: there are none"),
        ({"method": "oclusion"}, "occlusion"),
        ({"every": -1}, "every must be at least 0, got -1"),
    ],
)
def test_what_it_refuses(tmp_path, change, message):
    with pytest.raises(ValueError, match=message):
        ExplanationPictures(**{"texts": TEXTS, "log_dir": tmp_path, **change})
