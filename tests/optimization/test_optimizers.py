from __future__ import annotations

from copy import deepcopy

import keras
import numpy as np
import pytest
import tensorflow as tf

from massivetext_keras.architecture.shapes import preset
from massivetext_keras.experiment import OptimizerConfig
from massivetext_keras.kernels.fused import island
from massivetext_keras.optimization.optimizers import from_config
from massivetext_keras.optimization.rates import is_decayed
from massivetext_keras.training import WarmupDecay, adamw
from tests.training.tiny import TinyLM


def rates(schedule, steps):
    return [float(schedule(tf.constant(step, tf.int64))) for step in steps]


def test_cosine_reaches_the_peak_and_the_end_at_their_updates():
    schedule = WarmupDecay(4.0, 2, 6, "cosine", 0.5)
    expected = [2.0, 4.0, 3.707107, 3.0, 2.292893, 2.0, 2.0]
    np.testing.assert_allclose(rates(schedule, range(7)), expected, rtol=1e-6)


def test_linear_and_constant():
    assert rates(WarmupDecay(8.0, 0, 4, "linear", 0.0), range(5)) == [6, 4, 2, 0, 0]
    assert rates(WarmupDecay(8.0, 4, 8, "constant"), [0, 3, 9]) == [2, 8, 8]
    assert rates(WarmupDecay(8.0, 4, None, "cosine"), [0, 3, 10**9]) == [2, 8, 8]


def test_the_other_schedules():
    stable = WarmupDecay(8.0, 2, 10, "wsd", 0.5, decay_fraction=0.4)
    assert rates(stable, range(11)) == [4, 8, 8, 8, 8, 8, 7, 6, 5, 4, 4]
    halving = WarmupDecay(8.0, 1, 5, "exponential", 1 / 16)
    assert rates(halving, range(7)) == pytest.approx([8, 4, 2, 1, 0.5, 0.5, 0.5])
    noam = WarmupDecay(8.0, 4, None, "inverse_square_root")
    assert rates(noam, [0, 1, 3, 15, 63]) == pytest.approx([2, 4, 8, 4, 2])
    with pytest.raises(ValueError, match="final_fraction above 0"):
        WarmupDecay(1.0, schedule="exponential", final_fraction=0.0)
    with pytest.raises(ValueError, match="decay_fraction=0.0"):
        WarmupDecay(1.0, schedule="wsd", decay_fraction=0.0)


def test_by_the_clock_a_schedule_is_one_of_the_time_spent():
    def rate_at(schedule, second, pace=0.5):
        return float(schedule(round(second / pace), 1000 * second))

    linear = WarmupDecay(
        8.0, schedule="linear", final_fraction=0.0, minutes=10, warmup_fraction=0.1
    )
    for pace in (0.05, 0.5):  # as fast as it may be
        rates = [rate_at(linear, x, pace) for x in (0, 30, 60, 330, 600)]
        assert rates == pytest.approx([0, 4, 8, 4, 0], abs=0.2)
    stable = WarmupDecay(8.0, 4, None, "wsd", 0.5, 0.4, minutes=10)
    rates = [rate_at(stable, x) for x in (1, 300, 360, 480, 600)]
    assert rates == pytest.approx([6, 8, 8, 6, 4], abs=0.05)
    halving = WarmupDecay(8.0, 0, None, "exponential", 1 / 16, minutes=10)
    rates = [rate_at(halving, x) for x in (150, 300, 450, 600, 700)]
    assert rates == pytest.approx([4, 2, 1, 0.5, 0.5], abs=0.02)


def test_a_run_ends_by_the_clock_or_after_so_many_updates():
    with pytest.raises(ValueError, match="total_steps=9 left out"):
        WarmupDecay(1.0, total_steps=9, minutes=5)
    with pytest.raises(ValueError, match="minutes=0 must be positive"):
        WarmupDecay(1.0, minutes=0)
    with pytest.raises(ValueError, match="warmup_fraction=0.1 must be a share"):
        WarmupDecay(1.0, total_steps=9, warmup_fraction=0.1)
    optimizer = from_config(OptimizerConfig(warmup_fraction=0.2), 9, minutes=5)
    schedule = optimizer.get_config()["learning_rate"]["config"]
    assert (schedule["minutes"], schedule["total_steps"]) == (5, None)
    assert schedule["warmup_fraction"] == 0.2
    copy = type(optimizer).from_config(optimizer.get_config())
    assert int(copy.elapsed.numpy()) == 0 and adamw().elapsed is None


def test_a_run_shorter_than_its_warm_up_only_warms_up():
    assert rates(WarmupDecay(8.0, 4, 2, "linear"), [0, 1]) == [2, 4]


def test_rate_is_the_same_eagerly_in_a_graph_and_in_xla():
    schedule = WarmupDecay(3e-4, 100, 5000)
    steps = [0, 7, 99, 100, 101, 2500, 4998, 4999, 6000]
    done = np.minimum(np.array(steps) + 1, 5000)
    wave = 0.5 + 0.5 * np.cos(np.pi * np.maximum(done - 100, 0) / 4900)
    expected = 3e-4 * np.minimum(done / 100, 1) * (0.1 + 0.9 * wave)
    np.testing.assert_allclose(rates(schedule, steps), expected, rtol=1e-6)
    np.testing.assert_allclose(rates(tf.function(schedule), steps), expected, rtol=1e-6)
    np.testing.assert_allclose(rates(island(schedule), steps), expected, rtol=1e-6)


def test_schedule_and_optimizer_come_back_from_their_configs():
    optimizer = adamw(1e-3, 5, 50, "linear", 0.2, weight_decay=0.3, clip_norm=2.0)
    values = keras.optimizers.serialize(optimizer)
    # Keras changes the dict that it reads.
    copy = keras.optimizers.deserialize(deepcopy(values))
    assert type(copy) is type(optimizer)
    assert keras.optimizers.serialize(copy) == values
    assert copy.global_clipnorm == 2.0
    schedule = keras.optimizers.schedules.deserialize(
        keras.optimizers.schedules.serialize(WarmupDecay(1.0, 2, 4, "linear", 0.5))
    )
    assert rates(schedule, range(4)) == [0.5, 1.0, 0.75, 0.5]


def test_wrong_settings_are_refused():
    with pytest.raises(ValueError, match="'cosin': did you mean 'cosine'"):
        adamw(schedule="cosin")
    with pytest.raises(ValueError, match="must not be negative"):
        adamw(warmup_steps=-1)
    with pytest.raises(ValueError, match="unknown optimizer 'adamv'"):
        from_config(OptimizerConfig(name="adamv"))


def test_from_config_passes_every_field():
    values = {
        "name": "adamw",
        "learning_rate": 0.5,
        "warmup_steps": 3,
        "warmup_fraction": None,
        "schedule": "linear",
        "final_fraction": 0.2,
        "decay_fraction": 0.3,
        "weight_decay": 0.4,
        "beta_1": 0.8,
        "beta_2": 0.9,
        "momentum": 0.7,
        "epsilon": 1e-6,
        "clip_norm": 4.0,
        "layer_decay": 0.5,
        "rates": {"bias": 2.0},
        "ema": 0.99,
    }
    config = OptimizerConfig(**values)
    assert config.to_dict() == values  # none is left out above
    got = from_config(config, 9).get_config()
    schedule = got["learning_rate"]["config"]
    assert schedule == {
        "learning_rate": 0.5,
        "warmup_steps": 3,
        "total_steps": 9,
        "schedule": "linear",
        "final_fraction": 0.2,
        "decay_fraction": 0.3,
        "minutes": None,
        "warmup_fraction": None,
    }
    for name in ("weight_decay", "beta_1", "beta_2", "epsilon", "layer_decay", "rates"):
        assert got[name] == values[name], name
    assert (got["global_clipnorm"], got["ema_momentum"]) == (4.0, 0.99)
    assert got["use_ema"] is True
    assert from_config(config.replace(name="sgd")).momentum == 0.7
    assert from_config(config.replace(name="muon")).adam_beta_2 == 0.9


def variable(path: str, value) -> keras.Variable:
    scope, name = path.split("/")
    with keras.name_scope(scope):
        return keras.Variable(np.array(value, "float32"), name=name)


def test_one_update_by_hand():
    matrix, bias = (
        variable("dense/kernel", [[1.0, -2.0]]),
        variable("dense/bias", [0.5]),
    )
    table = variable("positions/embeddings", [[3.0]])
    optimizer = adamw(0.1, schedule="constant", weight_decay=0.1)
    # Their norm is 1.3, so they are divided by it; the first step of Adam is the sign.
    gradients = [tf.constant(g) for g in ([[0.3, -0.4]], [1.2], [[0.0]])]
    optimizer.apply(gradients, [matrix, bias, table])
    np.testing.assert_allclose(matrix.numpy(), [[0.89, -1.88]], rtol=1e-6)
    np.testing.assert_allclose(bias.numpy(), [0.4], rtol=1e-6)
    np.testing.assert_array_equal(table.numpy(), [[3.0]])
    state = {v.name: v.numpy() for v in optimizer.variables}
    momentum, velocity = state["dense_kernel_momentum"], state["dense_bias_velocity"]
    np.testing.assert_allclose(momentum, [[0.0230769, -0.0307692]], rtol=1e-5)
    np.testing.assert_allclose(velocity, [0.0426036], rtol=1e-5)


@pytest.mark.parametrize("compiled", [False, True])
def test_twenty_updates_against_numpy(compiled):
    random = np.random.default_rng(0)
    paths = ["dense/kernel", "dense/bias", "position_embedding/embeddings"]
    values = [random.normal(size=shape) for shape in ([3, 4], [4], [5, 3])]
    variables = [variable(p, v) for p, v in zip(paths, values, strict=True)]
    values = [v.numpy().astype("float64") for v in variables]
    optimizer = adamw(0.05, 5, 20, "linear", 0.1, weight_decay=0.2, clip_norm=1.5)
    optimizer.build(variables)

    def update(*gradients):
        optimizer.apply(list(gradients), variables)

    step = island(update) if compiled else update
    means = [np.zeros_like(v) for v in values]
    squares = [np.zeros_like(v) for v in values]
    clipped = 0
    for k in range(1, 21):
        gradients = [random.normal(size=v.shape) * 0.3 for v in values]
        step(*[tf.constant(g, tf.float32) for g in gradients])
        norm = np.sqrt(sum((g**2).sum() for g in gradients))
        clipped += norm > 1.5
        rate = 0.05 * (k / 5 if k <= 5 else 0.1 + 0.9 * (20 - k) / 15)
        for i, g in enumerate(gradients):
            g = g * min(1.0, 1.5 / norm)
            means[i] = 0.9 * means[i] + 0.1 * g
            squares[i] = 0.95 * squares[i] + 0.05 * g**2
            # torch.optim.AdamW: shrink first, then the step with corrected means.
            values[i] *= 1 - rate * 0.2 * (i == 0)
            root = np.sqrt(squares[i] / (1 - 0.95**k)) + 1e-8
            values[i] -= rate * means[i] / (1 - 0.9**k) / root
    assert 0 < clipped < 20
    for got, expected in zip(variables, values, strict=True):
        np.testing.assert_allclose(got.numpy(), expected, rtol=0, atol=2e-6)


@pytest.mark.parametrize("name", ["gpt_nano", "llama_1b"])
def test_matrices_alone_decay(name):
    small = dict(num_layers=1, hidden_size=8, num_heads=2, intermediate_size=16)
    small |= dict(num_key_value_heads=1, vocabulary_size=11, max_length=8)
    model = TinyLM(preset(name).replace(**small))
    decayed = {v.path.split("gpt/")[1] for v in model.weights if is_decayed(v)}
    others = {v.path.split("gpt/")[1] for v in model.weights} - decayed
    block = "stack/block_0/"
    assert {"tokens/embeddings", block + "attention/qkv/kernel"} <= decayed
    assert all(p.endswith(("/kernel", "/embeddings")) for p in decayed)
    assert {block + "attention_norm/gain", "stack/final_norm/gain"} <= others
    learned = "embeddings/positions/embeddings" in others
    assert learned == (name == "gpt_nano")
    kinds = ("/gain", "/offset", "/bias", "positions/embeddings")
    assert all(p.endswith(kinds) for p in others)


def test_the_table_of_relative_positions_does_not_decay():
    config = preset("gpt_nano").replace(
        num_layers=1, hidden_size=8, intermediate_size=8, position="relative"
    )
    kinds = {v.path: is_decayed(v) for v in TinyLM(config).weights}
    assert kinds["gpt/stack/relative/table"] is False
    assert kinds["gpt/stack/block_0/feed_forward/up/kernel"] is True
