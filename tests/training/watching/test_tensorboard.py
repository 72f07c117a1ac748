"""What was written is read back with TensorBoard's own reader."""

from __future__ import annotations

import json
import math
import textwrap
import time

import keras
import numpy as np
import pytest
import tensorflow as tf
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.hparams import api_pb2
from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData

from massivetext_keras.architecture import cost
from massivetext_keras.experiment import ExperimentConfig
from massivetext_keras.tasks import CausalLM
from massivetext_keras.tokenizers import ByteTokenizer
from massivetext_keras.training import TensorBoard, adamw
from massivetext_keras.training.watching import meter
from tests.tasks.tiny import TINY, words
from tests.training.tiny import Clock, TinyLM, batch, batches

TWICE = {"loss", "perplexity", "bits_per_byte"}
TAGS = TWICE | {f"by_tokens/{name}" for name in TWICE}
TRAIN_TAGS = TAGS | {
    "learning_rate",
    "gradient_norm",
    "weight_norm",
    "update_ratio",
    "tokens",
    "seconds",
    "tokens_per_second",
    "model_flops_utilisation",
    "memory/now",
    "memory/peak",
    "padding_share",
    "skipped_in_row",
    "waiting_for_data",
}
PEAK = 1e6


pytestmark = pytest.mark.usefixtures("without_xla")


def built(label_size=3.0) -> TinyLM:
    keras.utils.set_random_seed(3)
    model = TinyLM(label_size=label_size)
    model.compile(adamw(0.05, warmup_steps=4, total_steps=20))
    return model


def masked(features, labels, weights):
    """What has no weight is padding."""
    return {**features, "padding_mask": weights.astype("int32")}, labels, weights


def padded(start: int, stop: int) -> tf.data.Dataset:
    several = [masked(*batch(i)) for i in range(start, stop)]
    return tf.data.Dataset.from_tensor_slices(
        tf.nest.map_structure(lambda *x: np.stack(x), *several)
    )


def read(folder) -> dict[str, dict[int, np.ndarray]]:
    """Values by step by tag, as TensorBoard reads them."""
    events = EventAccumulator(str(folder), size_guidance={"tensors": 0}).Reload()
    return {
        tag: {e.step: tf.make_ndarray(e.tensor_proto) for e in events.Tensors(tag)}
        for tag in events.Tags()["tensors"]
    }


def norm(arrays) -> float:
    return math.sqrt(sum(float((x.astype("float64") ** 2).sum()) for x in arrays))


def test_curves_equal_what_was_recorded_step_by_step(tmp_path, monkeypatch):
    twin, losses, norms, weights = built(), [], [], []
    for i in range(14):
        weights.append([w.numpy() for w in twin.trainable_variables])
        logs = twin.train_on_batch(*masked(*batch(i)), return_dict=True)
        losses.append(logs["loss"])
        norms.append(logs["gradient_norm"])
        if i == 6:
            middle = twin.evaluate(padded(50, 53), verbose=0, return_dict=True)
    last = twin.evaluate(padded(50, 53), verbose=0, return_dict=True)
    weights.append([w.numpy() for w in twin.trainable_variables])
    tokens = np.array([batch(i)[2].sum() for i in range(14)])

    clock = Clock()
    monkeypatch.setattr(meter.time, "perf_counter", lambda: clock.now)
    model = built()
    model.tokenizer = words()
    watch = TensorBoard(
        tmp_path,
        every=4,
        sample_every=6,
        prompts=["a", "b"],
        max_new_tokens=9,
        attention_text="the cat sat on the mat",
        sequence_length=5,
        peak_flops=PEAK,
    )
    # Two epochs of seven: the second interval holds an evaluation and a reset.
    model.fit(
        padded(0, 14),
        steps_per_epoch=7,
        epochs=2,
        validation_data=padded(50, 53),
        callbacks=[clock, watch],
        verbose=0,
    )

    train, validation = read(tmp_path / "train"), read(tmp_path / "validation")
    assert TRAIN_TAGS | {"sample", "attention"} <= set(train)
    assert set(validation) == TAGS
    intervals = {4: slice(0, 4), 8: slice(4, 8), 12: slice(8, 12), 14: slice(12, 14)}
    assert list(train["loss"]) == list(intervals)
    seen = {step: tokens[:step].sum() for step in (4, 7, 8, 12, 14)}
    assert train["tokens"] == {step: seen[step] for step in intervals}
    for step, part in intervals.items():
        expected = np.average(losses[part], weights=tokens[part])
        assert train["loss"][step] == pytest.approx(expected, rel=1e-5)
        bits = expected / (3 * math.log(2))  # every label has three bytes
        assert train["bits_per_byte"][step] == pytest.approx(bits, rel=1e-5)
        perplexity = math.exp(expected)
        assert train["perplexity"][step] == pytest.approx(perplexity, rel=1e-4)
        assert train["gradient_norm"][step] == pytest.approx(norms[step - 1], rel=1e-4)
        size = norm(weights[step])
        assert train["weight_norm"][step] == pytest.approx(size, rel=1e-5)
        share = 1 - tokens[part].sum() / (20 * len(tokens[part]))  # 4 rows of 5
        assert train["padding_share"][step] == pytest.approx(share, rel=1e-5)
        for name in TWICE:
            by_tokens = train[f"by_tokens/{name}"][seen[step]]
            assert by_tokens == train[name][step]
    # The last update was not known to be the last, nor to be compared.
    assert list(train["update_ratio"]) == [4, 8, 12]
    for step in (4, 8, 12):
        moved = [b - a for a, b in zip(weights[step - 1], weights[step], strict=True)]
        ratio = norm(moved) / norm(weights[step - 1])
        assert train["update_ratio"][step] == pytest.approx(ratio, rel=1e-3)
    rate = 0.05 * (0.1 + 0.9 * (0.5 + 0.5 * math.cos(math.pi * 5 / 16)))
    assert train["learning_rate"][8] == pytest.approx(rate, rel=1e-5)

    # The interval with the compilation has no speed; the last has two batches.
    speeds = {8: tokens[4:8].sum() / 8, 12: tokens[8:12].sum() / 8}
    speeds[14] = tokens[12:].sum() / 4
    assert train["tokens_per_second"] == pytest.approx(speeds, rel=1e-5)
    assert train["seconds"] == {4: 8.0, 8: 16.0, 12: 24.0, 14: 28.0}
    share = cost.flops_per_token(TINY, 5) / PEAK
    for step, speed in speeds.items():
        utilisation = train["model_flops_utilisation"][step]
        assert utilisation == pytest.approx(speed * share, rel=1e-5)
    for step in intervals:
        assert 0.05 < train["memory/now"][step] <= train["memory/peak"][step] + 0.05

    for step, expected in ((7, middle), (14, last)):
        assert validation["loss"][step] == pytest.approx(expected["loss"], rel=1e-5)
        bits = validation["bits_per_byte"][step]
        assert bits == pytest.approx(expected["bits_per_byte"], rel=1e-5)
        perplexity = validation["perplexity"][step]
        assert perplexity == pytest.approx(math.exp(expected["loss"]), rel=1e-4)
    assert list(validation["loss"]) == [7, 14]
    assert list(validation["by_tokens/loss"]) == [seen[7], seen[14]]

    assert list(train["sample"]) == [6, 12]
    assert train["sample"][6].tolist() == [b"    a<9\n    new>", b"    b<9\n    new>"]
    assert list(train["attention"]) == [6, 12]
    width, height, png = train["attention"][12].tolist()
    picture = tf.io.decode_png(png).numpy()
    assert picture.shape == (int(height), int(width), 3)
    assert len(np.unique(picture.reshape(-1, 3), axis=0)) > 50

    matrix = np.fromfile(tmp_path / "train/embeddings.bytes", "float32")
    now = model.backbone.tokens.embeddings.numpy()
    np.testing.assert_array_equal(matrix, now[:16].ravel())


class Corpora(TinyLM):
    """It tracks the loss of two corpora, of which one is never in a batch."""

    def __init__(self):
        super().__init__()
        names = ("loss/books", "loss/news")
        self.corpora = [keras.metrics.Mean(name=name) for name in names]

    @property
    def metrics(self):
        return [*super().metrics, *self.corpora]

    def train_step(self, data):
        number = tf.cast(self.optimizer.iterations, tf.float32)
        self.corpora[0].update_state(number)
        return {**super().train_step(data), "loss_scale": 8.0}


EXPERIMENT = ExperimentConfig().override("optimizer.learning_rate=0.0625")


@pytest.fixture(scope="module")
def in_two(tmp_path_factory):
    """A run of four updates, and one of two more by a callback that knows nothing."""
    folder, model = tmp_path_factory.mktemp("run"), Corpora()
    model.compile(adamw(0.05))
    for start, stop in ((0, 4), (4, 6)):
        watch = TensorBoard(folder, 2, experiment=EXPERIMENT, peak_flops=PEAK)
        model.fit(padded(start, stop), callbacks=[watch], verbose=0)
    return folder


def test_a_second_run_goes_on_counting_updates_and_tokens(in_two):
    assert len(list((in_two / "train").glob("events*"))) == 2
    tokens = [batch(i)[2].sum() for i in range(6)]
    found = read(in_two / "train")["tokens"]
    assert found == {n: sum(tokens[:n]) for n in (2, 4, 6)}


def test_losses_of_corpora_and_the_scale_of_the_loss_are_written(in_two):
    train = read(in_two / "train")
    assert train["loss/books"] == {2: 0.5, 4: 2.5, 6: 4.5}  # means of two updates
    assert train["loss_scale"] == dict.fromkeys((2, 4, 6), 8.0)
    assert "loss/news" not in train


def test_the_config_is_there_as_text_and_as_hyperparameters(in_two):
    events = EventAccumulator(str(in_two)).Reload()
    text = tf.make_ndarray(events.Tensors("config")[0].tensor_proto).item().decode()
    assert json.loads(textwrap.dedent(text)) == json.loads(
        json.dumps(EXPERIMENT.to_dict())
    )

    def hparams(tag):
        metadata = events.SummaryMetadata(f"_hparams_/{tag}")
        return HParamsPluginData.FromString(metadata.plugin_data.content)

    values = hparams("session_start_info").session_start_info.hparams
    assert values["optimizer.learning_rate"].number_value == 0.0625
    assert values["model.stack"].string_value == "decoder"
    assert values["model.tied_embeddings"].bool_value is True
    assert values["model.window"].string_value == "null"
    end = hparams("session_end_info").session_end_info
    assert end.status == api_pb2.STATUS_SUCCESS


def test_no_sample_without_a_tokenizer_and_no_bits_without_bytes(tmp_path):
    model = built(label_size=None)
    watch = TensorBoard(tmp_path, every=2, sample_every=1)
    model.fit(batches(0, 5), callbacks=[watch], verbose=0)
    train = read(tmp_path / "train")
    bits = {"bits_per_byte", "by_tokens/bits_per_byte"}
    assert TRAIN_TAGS - bits <= set(train)
    assert not bits & set(train) and not {"sample", "attention"} & set(train)
    assert list(train["loss"]) == [2, 4, 5]
    assert not (tmp_path / "validation").exists()


def test_samples_fit_into_a_short_context(tmp_path):
    lm = CausalLM(TINY.replace(vocabulary_size=259, max_length=8), ByteTokenizer())
    lm.compile("sgd")
    ids = np.arange(16, dtype="int32").reshape(2, 8)
    watch = TensorBoard(tmp_path, sample_every=1)  # of 64 tokens
    lm.fit(
        tf.data.Dataset.from_tensors(({"token_ids": ids}, ids)),
        callbacks=[watch],
        verbose=0,
    )
    assert {"sample", "attention"} <= set(read(tmp_path / "train"))


def test_an_evaluation_alone_is_written_too(tmp_path):
    model = built()
    watch = TensorBoard(tmp_path)
    loss = model.evaluate(batches(0, 2), callbacks=[watch], verbose=0)[0]
    written = read(tmp_path / "validation")["loss"]
    assert written == {0: pytest.approx(loss, rel=1e-6)}
    assert not (tmp_path / "train").exists()


def test_every_is_positive(tmp_path):
    with pytest.raises(ValueError, match="every must be positive, got 0"):
        TensorBoard(tmp_path, every=0)


class Executions(keras.callbacks.Callback):
    """Counts what `fit` began to execute: so many batches at once."""

    def on_train_begin(self, logs=None):
        self.count = 0

    def on_train_batch_begin(self, batch, logs=None):
        self.count += 1


@pytest.mark.parametrize("at_once", [1, 2])
def test_waiting_for_data_is_the_time_without_a_batch(tmp_path, at_once):
    executions = Executions()

    def slow(i, example):
        def wait(x):  # a batch is not made before it is waited for
            end = time.monotonic() + 60
            while x and executions.count <= x // at_once and time.monotonic() < end:
                time.sleep(0.001)
            time.sleep(0.1)
            return x

        waited = tf.numpy_function(wait, [i], tf.int64)
        with tf.control_dependencies([waited]):
            return tf.nest.map_structure(tf.identity, example)

    model = built()
    model.compile(adamw(0.05), steps_per_execution=at_once)
    data, seconds = batches(0, 8), {}
    for name, some in {"slow": data.enumerate().map(slow), "ready": data}.items():
        watch = TensorBoard(tmp_path / name, every=4, peak_flops=PEAK)
        model.fit(some, steps_per_epoch=8, callbacks=[watch, executions], verbose=0)
        curves = read(tmp_path / name / "train")
        (share,) = curves["waiting_for_data"].values()
        (speed,) = curves["tokens_per_second"].values()
        assert 0.0 <= share <= 1.0
        seconds[name] = share * 4 * 20 / speed  # of the last four batches
    assert seconds["slow"] > 0.3  # of four sleeps; a busy machine begins some early
    assert seconds["ready"] < seconds["slow"]
