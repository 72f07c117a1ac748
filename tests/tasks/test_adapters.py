"""Adapters of tasks: what trains, what stays, and what goes to disk."""

from __future__ import annotations

import json

import keras
import numpy as np
import pytest
import tensorflow as tf

from massivetext_keras.data import LabeledText
from massivetext_keras.tasks import CausalLM, MaskedLM, TextClassifier, TextEmbedder
from massivetext_keras.training import adamw, fine_tune, make_optimizer
from tests.tasks.tiny import ENCODER, byte_lm, encoder_task

pytestmark = pytest.mark.usefixtures("without_xla")

IDS = np.array([[2, 5, 6, 7, 8, 3], [2, 9, 10, 8, 6, 3]], "int32")
BATCH = ({"token_ids": IDS}, IDS, np.ones(IDS.shape, "float32"))
TEXTS = ["the cat sat", "", "unbelievable dogs"]


def noise(task, seed: int = 1) -> None:
    """Adapters that change every answer."""
    random = np.random.default_rng(seed)
    for layer in task.adapted().values():
        layer.adapter.b.assign(random.normal(0, 0.5, layer.adapter.b.shape))


def adapted(cls=MaskedLM, pattern="attention", seed: int = 0, **changes):
    task = encoder_task(cls, seed=seed)
    task.add_adapters(pattern, **{"rank": 3, **changes})
    noise(task)
    return task


def values(task) -> dict[str, np.ndarray]:
    return {w.path: w.numpy() for w in task.weights if w.dtype == "float32"}


def test_products_are_chosen_by_their_paths():
    task = encoder_task(MaskedLM, num_layers=2)
    before = task(IDS).numpy()
    names = task.add_adapters(r"block_1/.*(qkv|up)$", rank=3)
    assert names == ["stack/block_1/attention/qkv", "stack/block_1/feed_forward/up"]
    assert list(task.adapted()) == names
    np.testing.assert_allclose(task(IDS), before, rtol=1e-5, atol=1e-6)
    trained = [w.path for w in task.trainable_weights]
    assert trained == [
        "bert/stack/block_1/attention/qkv/adapter/a",
        "bert/stack/block_1/attention/qkv/adapter/b",
        "bert/stack/block_1/feed_forward/up/adapter/a",
        "bert/stack/block_1/feed_forward/up/adapter/b",
        *(w.path for w in task.head.weights),
    ]


@pytest.mark.parametrize("rank", [1, 8])
def test_as_many_weights_as_the_formula_says(rank):
    task = encoder_task(TextEmbedder, num_layers=2)
    whole = task.count_params()
    task.add_adapters("attention|feed_forward", rank=rank)
    d, f = ENCODER.hidden_size, ENCODER.intermediate_size
    shapes = [(d, 3 * d), (d, d), (d, f), (f, d)]
    wanted = 2 * sum(rank * (rows + columns) for rows, columns in shapes)
    assert sum(int(np.prod(w.shape)) for w in task.trainable_weights) == wanted
    assert task.count_params() == whole + wanted


@pytest.mark.parametrize("heads", [True, False])
def test_only_adapters_and_heads_learn(heads):
    task = encoder_task(MaskedLM, scale=0.2, num_layers=2)
    task.add_adapters(rank=2, dropout=0.1, train_heads=heads)
    before = values(task)
    task.compile(adamw(0.03, schedule="constant", weight_decay=0.1))
    data = tf.data.Dataset.from_tensors(BATCH).repeat()
    losses = task.fit(data, steps_per_epoch=10, epochs=3, verbose=0).history["loss"]
    assert losses[-1] < (0.8 if heads else 0.999) * losses[0]
    moved = {path for path, x in values(task).items() if (x != before[path]).any()}
    trained = {w.path for w in task.trainable_weights}
    assert moved == trained
    assert any(path.startswith("head/") for path in trained) == heads
    moments = [v for v in task.optimizer.variables if len(v.shape)]
    assert len(moments) == 2 * len(trained)


def test_micro_batches_learn_the_same():
    ends = []
    for parts in (1, 2):
        keras.utils.set_random_seed(3)
        task = encoder_task(MaskedLM, scale=0.2, num_layers=1)
        task.add_adapters(rank=2)
        task.compile(keras.optimizers.SGD(0.5), micro_batches=parts)
        task.fit(tf.data.Dataset.from_tensors(BATCH).repeat(3), verbose=0)
        ends.append(np.concatenate([w.numpy().ravel() for w in task.trainable_weights]))
    np.testing.assert_allclose(*ends, atol=1e-6)


def test_merged_it_answers_the_same_and_is_not_trained():
    task = adapted()
    task.compile(keras.optimizers.SGD(0.1))
    before, loss = task(IDS).numpy(), task.test_on_batch(*BATCH)
    kernels = values(task)
    task.merge_adapters()
    np.testing.assert_allclose(task(IDS), before, rtol=1e-5, atol=1e-5)
    assert task.test_on_batch(*BATCH) == pytest.approx(loss, rel=1e-5)
    with pytest.raises(ValueError, match="merged: unmerge_adapters, then train"):
        task.train_on_batch(*BATCH)
    task.unmerge_adapters()
    assert all(np.array_equal(x, kernels[path]) for path, x in values(task).items())
    np.testing.assert_allclose(task(IDS), before, rtol=1e-5, atol=1e-6)
    task.train_on_batch(*BATCH)


def test_graphs_that_were_made_before_see_them():
    task = encoder_task(TextEmbedder)
    plain = task.embed(TEXTS)
    task.add_adapters(rank=3)
    np.testing.assert_allclose(task.embed(TEXTS), plain, rtol=1e-5, atol=1e-6)
    noise(task)
    found = task.embed(TEXTS)
    assert np.abs(found - plain).max() > 0.05
    task.merge_adapters()
    np.testing.assert_allclose(task.embed(TEXTS), found, atol=1e-6)
    assert np.abs(found - plain).max() > 0.05
    task.unmerge_adapters()
    task.remove_adapters()
    np.testing.assert_allclose(task.embed(TEXTS), plain, rtol=1e-5, atol=1e-6)
    assert len(task.trainable_weights) == len(task.backbone.weights)


def test_cached_decoding_is_that_of_the_merged_model(plain_loop):
    lm = byte_lm()

    def written() -> list[int]:
        ids = lm.generate_ids([[5, 9, 80]], max_new_tokens=12, temperature=0)
        return ids.numpy()[0].tolist()

    plain = written()
    lm.add_adapters("qkv|up", rank=4)
    noise(lm)
    ids = written()
    assert ids != plain
    for end in range(3, len(ids)):  # without a cache
        logits = lm({"token_ids": np.array([ids[:end]])})[0, -1].numpy()
        assert logits[ids[end]] == pytest.approx(logits.max(), rel=1e-4)
    lm.merge_adapters()
    assert written() == ids


def test_a_preset_does_what_the_adapted_task_does(tmp_path):
    task = adapted()
    before = values(task)
    task.save_preset(tmp_path)
    assert all(np.array_equal(x, before[path]) for path, x in values(task).items())
    loaded = MaskedLM.from_preset(str(tmp_path))
    assert not loaded.adapted()
    np.testing.assert_allclose(loaded(IDS), task(IDS), rtol=1e-5, atol=1e-5)
    task.merge_adapters()
    task.save_preset(tmp_path)
    again = MaskedLM.from_preset(str(tmp_path))
    np.testing.assert_allclose(again(IDS), loaded(IDS), rtol=1e-5, atol=1e-6)


@pytest.mark.slow
def test_an_export_has_them_merged(tmp_path):
    task = adapted(TextEmbedder, "attention|feed_forward")
    before, vectors = values(task), task.embed(TEXTS)
    task.export(tmp_path / "export")
    assert all(np.array_equal(x, before[path]) for path, x in values(task).items())
    loaded = tf.saved_model.load(str(tmp_path / "export"))
    given = loaded.signatures["embed"](text=tf.constant(TEXTS))["embedding"]
    np.testing.assert_allclose(given, vectors, atol=1e-5)
    plain = encoder_task(TextEmbedder)
    assert len(loaded.weights) == len(plain.named_weights())
    np.testing.assert_allclose(task.embed(TEXTS), vectors, rtol=1e-5, atol=1e-6)


def test_a_folder_holds_what_was_learnt_alone(tmp_path):
    task = adapted()
    task.head.bias.assign_add(np.ones(task.head.bias.shape))
    task.save_adapters(tmp_path / "a")
    assert sum(p.stat().st_size for p in (tmp_path / "a").iterdir()) < 12_000
    header = json.loads((tmp_path / "a" / "adapters.json").read_text())
    assert header["products"] == list(task.adapted()) and header["rank"] == 3
    other = encoder_task(MaskedLM)
    other.load_adapters(tmp_path / "a")
    np.testing.assert_allclose(other(IDS), task(IDS), rtol=1e-5, atol=1e-6)
    assert [w.path for w in other.trainable_weights] == [
        w.path for w in task.trainable_weights
    ]
    other.compile(keras.optimizers.SGD(0.1))
    other.train_on_batch(*BATCH)
    # Back to what was saved, while it trains on.
    function = other.train_function
    other.load_adapters(tmp_path / "a")
    np.testing.assert_allclose(other(IDS), task(IDS), rtol=1e-5, atol=1e-6)
    assert other.train_function is function
    other.train_on_batch(*BATCH)


def test_merged_adapters_are_saved_and_replaced(tmp_path):
    first, second = adapted(rank=2), adapted(pattern="down", rank=5)
    first.merge_adapters()
    first.save_adapters(tmp_path / "first")
    first.unmerge_adapters()
    second.save_adapters(tmp_path / "second")
    task = encoder_task(MaskedLM)
    for _ in range(2):
        for one, folder in ((first, "first"), (second, "second")):
            task.load_adapters(tmp_path / folder)
            np.testing.assert_allclose(task(IDS), one(IDS), rtol=1e-5, atol=1e-6)
            assert list(task.adapted()) == list(one.adapted())
            task.merge_adapters()


def test_a_task_is_made_with_the_options_of_its_adapters(tmp_path):
    base = encoder_task(TextEmbedder)
    base.save_preset(tmp_path / "base")
    task = TextEmbedder.from_preset(str(tmp_path / "base"), pooling="max")
    task.add_adapters("down", rank=2)
    noise(task)
    task.save_adapters(tmp_path / "a")
    made = TextEmbedder.from_adapters(str(tmp_path / "base"), tmp_path / "a")
    assert made.pooling == "max"
    np.testing.assert_allclose(
        made.embed(TEXTS), task.embed(TEXTS), rtol=1e-5, atol=1e-6
    )
    with pytest.raises(ValueError, match="for pooling='max', the task has 'mean'"):
        encoder_task(TextEmbedder).load_adapters(tmp_path / "a")
    with pytest.raises(ValueError, match="adapters of a TextEmbedder, not of a Causal"):
        CausalLM.from_adapters(str(tmp_path / "base"), tmp_path / "a")
    with pytest.raises(ValueError, match="adapters of a TextEmbedder, not of a Masked"):
        encoder_task(MaskedLM).load_adapters(tmp_path / "a")


def test_another_base_is_refused_and_stays(tmp_path):
    adapted().save_adapters(tmp_path)
    other = encoder_task(MaskedLM, seed=7)
    before = other(IDS).numpy()
    with pytest.raises(ValueError, match="adapters of another base: its weights have"):
        other.load_adapters(tmp_path)
    assert not other.adapted()
    np.testing.assert_allclose(other(IDS), before, rtol=1e-5, atol=1e-6)
    # Another head is no other base where heads are trained with the adapters.
    same = encoder_task(MaskedLM)
    same.head.bias.assign(np.ones(same.head.bias.shape))
    same.load_adapters(tmp_path)
    adapted(train_heads=False).save_adapters(tmp_path)
    same = encoder_task(MaskedLM)
    same.head.bias.assign(np.ones(same.head.bias.shape))
    with pytest.raises(ValueError, match="another base"):
        same.load_adapters(tmp_path)


def test_a_damaged_folder_is_named(tmp_path):
    task = adapted()
    with pytest.raises(FileNotFoundError, match=r"adapters.json is missing"):
        task.load_adapters(tmp_path)
    task.save_adapters(tmp_path)
    path = tmp_path / "adapters.safetensors"
    path.write_bytes(path.read_bytes()[:-4] + b"1234")
    with pytest.raises(ValueError, match="half written or changed"):
        task.load_adapters(tmp_path)


@pytest.mark.slow
def test_a_run_keeps_its_best_adapters(tmp_path):
    examples = [("the cat", "cat"), ("dog on mat", "dog"), ("a cat", "cat")] * 4
    examples = [LabeledText(*example) for example in examples]

    task = encoder_task(
        TextClassifier, labels=["cat", "dog"], head="mean", num_layers=1
    )
    task.add_adapters("attention|feed_forward", rank=2)
    best = fine_tune(
        task,
        examples,
        examples[:6],
        epochs=2,
        learning_rate=0.05,
        batch_size=4,
        run_dir=tmp_path,
        keep_best="accuracy",
    )
    assert (tmp_path / "best" / "adapters.json").exists()
    assert task.measure(examples[:6]) == pytest.approx(best)
    base = encoder_task(TextClassifier, labels=["cat", "dog"], num_layers=1)
    for name, weight in base.base_weights().items():
        assert np.array_equal(weight, task.base_weights()[name]), name
    preset = TextClassifier.from_preset(str(tmp_path))
    np.testing.assert_allclose(preset(IDS), task(IDS), atol=1e-5)


def test_bad_use():
    task = encoder_task(MaskedLM)
    with pytest.raises(ValueError, match="'atention' is in no product's path: known"):
        task.add_adapters("atention")
    for use in (task.add_adapters, task.freeze):
        with pytest.raises(ValueError, match=r"'\(qkv' is no regular expression: miss"):
            use("(qkv")
    with pytest.raises(ValueError, match="rank must be positive"):
        task.add_adapters(rank=0)
    assert len(task.trainable_weights) == len(task.named_weights())
    for use in (task.merge_adapters, task.unmerge_adapters, task.remove_adapters):
        with pytest.raises(ValueError, match="this MaskedLM has no adapters"):
            use()
    task.compile(keras.optimizers.SGD(0.1))
    task.add_adapters()
    with pytest.raises(ValueError, match="there are adapters"):
        task.add_adapters()
    with pytest.raises(ValueError, match=r"call `compile\(\)`"):
        task.fit(tf.data.Dataset.from_tensors(BATCH), verbose=0)


def test_rates_and_freezing_with_a_head():
    """One update of plain gradient descent: its size is the rate of the layer."""

    def moved(layer_decay=1.0, rates=None, frozen=None):
        task = encoder_task(MaskedLM, scale=0.2, num_layers=2)
        if frozen:
            task.freeze(frozen)
        before = values(task)
        sgd = {"schedule": "constant", "momentum": 0.0, "clip_norm": None}
        task.compile(
            make_optimizer(
                "sgd",
                0.1,
                weight_decay=0.0,
                layer_decay=layer_decay,
                rates=rates,
                **sgd,
            )
        )
        task.train_on_batch(*BATCH)
        return {path: x - before[path] for path, x in values(task).items()}

    plain = moved()
    decayed = moved(0.5, {"^head/": 3.0})
    wanted = {
        "head/transform/kernel": 3.0,
        "bert/stack/block_1/feed_forward/up/kernel": 0.5,
        "bert/stack/block_0/attention/qkv/kernel": 0.25,
        "bert/tokens/embeddings": 0.125,
        "bert/embeddings/norm/gain": 0.125,
    }
    for path, factor in wanted.items():
        assert np.abs(plain[path]).max() > 1e-5
        np.testing.assert_allclose(decayed[path], factor * plain[path], atol=3e-7)
    frozen = moved(frozen=r"tokens|embeddings|block_0")
    assert {p for p, x in frozen.items() if not x.any()} == {
        p for p in plain if any(n in p for n in ("tokens", "embeddings", "block_0"))
    }
