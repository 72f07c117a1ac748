"""Models of presets and exports: signatures, defaults, warm-up."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from massivetext_keras import tasks
from massivetext_keras.serving.limits import Limits
from massivetext_keras.serving.models.model import (
    load_export,
    load_preset,
    signatures_of,
)
from massivetext_keras.serving.refusals import Refusal
from tests.serving import exports
from tests.tasks.tiny import encoder_task


@pytest.fixture(scope="module")
def embedder(tmp_path_factory):
    """A preset of vectors, as a task and as a model."""
    task = encoder_task(tasks.TextEmbedder)
    folder = str(tmp_path_factory.mktemp("preset") / "vectors")
    task.save_preset(folder)
    limits = Limits(max_rows=2)
    model = load_preset("vectors", folder, limits, lambda task, limits: None)
    yield task, model
    model.close()


def test_a_preset_answers_as_its_task(embedder):
    task, model = embedder
    assert set(model.signatures) == {"embed", "serving_default"}
    texts = ["a cat", "the mat on the mat"]
    given = {"text": np.array([text.encode() for text in texts], object)}
    for name in model.signatures:
        found = model.ask(name, given).result()["embedding"]
        np.testing.assert_allclose(found, task.embed(texts), atol=1e-5)


def test_rows_are_bounded(embedder):
    text = np.array([b"a"] * 3, object)
    with pytest.raises(Refusal, match="3 rows, of which there may be 2"):
        embedder[1].ask("embed", {"text": text})


def test_a_warm_up_asks_what_there_is(embedder, caplog):
    embedder[1].warm_up()
    assert embedder[1].ready and not caplog.records


def test_what_cannot_be_warmed_up_is_said(tmp_path, caplog):
    @exports.graph(text=exports.STRINGS)
    def strict(text):
        with tf.control_dependencies([tf.debugging.assert_equal(text, "a", "only a")]):
            return {"text": tf.identity(text)}

    exports.write(tmp_path / "1", strict, repeat=exports.repeat)
    model = load_export("m", 1, tmp_path / "1", Limits())
    model.warm_up()  # without `repeat`: nobody knows its scalars
    (record,) = caplog.records
    assert "m: serving_default is not warmed up: only a" in record.message
    assert model.ready
    model.close()


def test_defaults_of_an_export(tmp_path):
    spec = tf.TensorSpec([], tf.int32, "times")

    three = tf.constant(3)

    def repeat(text, times=three):
        both = tf.strings.reduce_join(tf.tile(text[:, None], [1, times]), axis=1)
        return {"text": both}

    given = tf.function(
        repeat, input_signature=[tf.TensorSpec([None], tf.string, "text"), spec]
    )
    exports.write(tmp_path / "1", given)
    assert signatures_of(tmp_path / "1") == {"serving_default": ["text", "times"]}
    model = load_export("m", 1, tmp_path / "1", Limits())
    default = model.signature("serving_default").inputs["times"].default
    assert default is not None and int(default) == 3
    model.close()


def test_a_batch_of_what_xla_compiles_has_few_sizes(tmp_path):
    compiled = tf.function(lambda x: x * 2, jit_compile=True)
    given = tf.function(
        lambda x: {"y": compiled(x)},
        input_signature=[tf.TensorSpec([None], tf.float32, "x")],
    )
    exports.write(tmp_path / "1", given)
    model = load_export("m", 1, tmp_path / "1", Limits(max_batch=4))
    signature = model.signature("serving_default")
    assert signature.compiled
    work = signature.work({"x": np.ones(3, np.float32)}, 9)
    assert work.padded and work.rows == 3
    assert model.batcher.submit(work).result()["y"].tolist() == [2, 2, 2]
    model.close()
