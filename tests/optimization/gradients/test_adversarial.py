"""Updates are those of a plain loop over rows that are moved one by one."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from massivetext_keras.compression import Distiller
from massivetext_keras.optimization.gradients.adversarial import _DIRECTION, _PROBE
from massivetext_keras.optimization.gradients.private import DPSGD
from massivetext_keras.robustness import AdversarialTraining
from massivetext_keras.tasks import (
    CausalLM,
    MaskedLM,
    ReplacedTokenDetector,
    Seq2SeqLM,
    TextClassifier,
    TextEmbedder,
)
from massivetext_keras.training import fine_tune
from tests.optimization.gradients.test_private import BATCH, FEATURES, classifier
from tests.tasks.tiny import TINY, encoder_task, randomize

HOW = AdversarialTraining(epsilon=0.6, weight=0.7)
WEIGHTED = *BATCH[:2], np.array([1.0, 0.5, 2.0, 0.0], np.float32)


def direction(gradient, vectors, mask, epsilon) -> np.ndarray:
    """In float64, of one text [length, e]."""
    gradient = np.float64(gradient) * mask[:, None]
    mean = np.linalg.norm(np.float64(vectors), axis=-1)[mask > 0].mean()
    norm = np.linalg.norm(gradient)
    return epsilon * mean * gradient / norm if norm else gradient


def right_update(task, batch, how, side="", noise=None) -> dict:
    """Sums over rows of gradients, by name, in float64, over the weights' sum; with
    noise, virtual changes begin there."""
    named = task.named_weights()
    values = [w.value for w in named.values()]
    sums = {name: np.zeros(w.shape) for name, w in named.items()}
    tokens = getattr(task.backbone, "encoder_tokens", task.backbone.tokens)
    for i in range(len(batch[1])):
        features, *rest = tf.nest.map_structure(
            lambda x, i=i: tf.constant(x[i : i + 1]), batch
        )
        vectors = tokens(features[f"{side}token_ids"])
        mask = features[f"{side}padding_mask"][0].numpy()
        name = f"{side}token_vectors"

        def loss(moved, features=features, rest=rest, name=name):
            (loss, *_), *_ = task.summed_loss(
                {**features, name: moved}, *rest, training=False
            )
            return loss

        def apart(moved, features=features, rest=rest, name=name):
            found = tf.nn.log_softmax(task({**features, name: moved}))
            right = tf.nn.log_softmax(task(features)).numpy()
            return tf.reduce_sum(np.exp(right) * (right - found)) * rest[1][0]

        begin = vectors
        if how.virtual:
            begin += np.float32(direction(noise[i], vectors[0], mask, _PROBE))[None]
        with tf.GradientTape() as tape:
            tape.watch(begin)
            total = (apart if how.virtual else loss)(begin)
        steepest = tape.gradient(total, begin)[0]
        change = direction(steepest, vectors[0], mask, how.epsilon)
        with tf.GradientTape() as tape:
            rows = tokens(features[f"{side}token_ids"])
            moved = rows + np.float32(change)[None]
            total = loss(rows) + how.weight * (apart if how.virtual else loss)(moved)
        for key, g in zip(named, tape.gradient(total, values), strict=True):
            if g is not None:
                sums[key] += np.float64(tf.convert_to_tensor(g))
    return {key: x / batch[2].sum() for key, x in sums.items()}


def changes(task, batch, how, **options) -> tuple[dict, dict]:
    """What an update by gradient descent at rate 1 takes away, and its logs."""
    before = {k: w.numpy() for k, w in task.named_weights().items()}
    task.compile("sgd", adversarial=how, **options)
    task.optimizer.learning_rate = 1.0
    history = task.fit(tf.data.Dataset.from_tensors(batch), verbose=0).history
    after = {k: w.numpy() for k, w in task.named_weights().items()}
    return {k: before[k] - after[k] for k in before}, history


@pytest.mark.parametrize(
    "options", [{}, {"micro_batches": 2}, {"jit_compile": True}, {"recompute": True}]
)
def test_it_is_the_plain_loop(options):
    task = classifier()
    right = right_update(task, WEIGHTED, HOW)
    given = tf.nest.map_structure(tf.constant, WEIGHTED)
    (loss, *_), *_ = task.summed_loss(*given, training=False)
    found, history = changes(task, WEIGHTED, HOW, **options)
    for name, change in right.items():
        np.testing.assert_allclose(found[name], change, atol=5e-6, err_msg=name)
    # What is shown is the loss of the texts as they are.
    assert history["loss"][0] == pytest.approx(float(loss) / WEIGHTED[2].sum(), 1e-5)
    plain, _ = changes(classifier(), WEIGHTED, None)
    apart = max(np.abs(plain[k] - found[k]).max() for k in plain)
    assert apart > 1e-2


def test_of_an_encoder_decoder_what_is_read_is_changed():
    task = randomize(Seq2SeqLM(TINY.replace(stack="encoder_decoder")), seed=1)
    ids = np.int32([[5, 6, 7, 8], [9, 4, 0, 0]])
    features = {"encoder_token_ids": ids, "encoder_padding_mask": np.int32(ids > 0)}
    features["decoder_token_ids"] = np.int32([[1, 3, 4], [1, 8, 9]])
    batch = features, np.int32([[3, 4, 2], [8, 9, 2]]), np.ones([2, 3], np.float32)
    right = right_update(task, batch, HOW, side="encoder_")
    found, _ = changes(task, batch, HOW)
    for name, change in right.items():
        np.testing.assert_allclose(found[name], change, atol=1e-5, err_msg=name)


def test_a_language_model_takes_ids_alone():
    task = randomize(CausalLM(TINY), seed=1)
    ids = np.int32(np.arange(24).reshape([4, 6]) % 7)
    batch = {"token_ids": ids}, ids[:, ::-1].copy(), np.ones([4, 6], np.float32)
    masked = {**batch[0], "padding_mask": np.ones_like(ids)}, *batch[1:]
    right = right_update(task, masked, HOW)
    found, _ = changes(task, (ids, *batch[1:]), HOW)
    for name, change in right.items():
        np.testing.assert_allclose(found[name], change, atol=1e-5, err_msg=name)


def test_virtual_changes_go_where_the_answer_moves_most():
    virtual = AdversarialTraining(epsilon=2.0, weight=5.0, virtual=True)
    task = classifier()
    task.compile("sgd", adversarial=virtual)
    seed = [tf.bitcast(task.key_of_batch(), tf.int32), _DIRECTION]
    noise = tf.random.stateless_normal([*FEATURES["token_ids"].shape, 16], seed)
    right = right_update(task, WEIGHTED, virtual, noise=noise.numpy())
    found, _ = changes(task, WEIGHTED, virtual)
    for name, change in right.items():
        np.testing.assert_allclose(found[name], change, atol=1e-4, err_msg=name)
    plain, _ = changes(classifier(), WEIGHTED, None)
    assert max(np.abs(plain[k] - found[k]).max() for k in plain) > 1e-2


def test_pairs_of_an_embedder_are_moved_text_by_text():
    task = encoder_task(TextEmbedder)
    ids = np.int32([[[2, 5, 3, 0], [2, 6, 7, 3]], [[2, 8, 9, 3], [2, 7, 3, 0]]])
    features = {"token_ids": ids, "padding_mask": np.int32(ids > 0)}
    batch = features, np.int32([0, 1]), np.ones(2, np.float32)
    with tf.GradientTape() as tape:
        vectors = task.backbone.tokens(tf.constant(ids))
        tape.watch(vectors)
        rows = {**tf.nest.map_structure(tf.constant, features)}
        given = {**rows, "token_vectors": vectors}, *map(tf.constant, batch[1:])
        (loss,), _ = task.summed_loss(*given, training=False)
    steepest = tape.gradient(loss, vectors).numpy()
    change = np.zeros(steepest.shape, np.float32)
    for i, j in np.ndindex(2, 2):
        mask = features["padding_mask"][i, j]
        change[i, j] = direction(steepest[i, j], vectors[i, j].numpy(), mask, 0.6)
    named = task.named_weights()
    with tf.GradientTape() as tape:
        own = task.backbone.tokens(tf.constant(ids))
        rest = [*map(tf.constant, batch[1:])]
        (one,), _ = task.summed_loss(rows, *rest, training=False)
        moved = {**rows, "token_vectors": own + change}
        (other,), _ = task.summed_loss(moved, *rest, training=False)
        total = (one + 0.7 * other) / 2.0
    gradients = tape.gradient(total, [w.value for w in named.values()])
    found, _ = changes(task, batch, HOW)
    for name, g in zip(named, gradients, strict=True):
        right = 0.0 if g is None else tf.convert_to_tensor(g).numpy()
        np.testing.assert_allclose(found[name], right, atol=1e-5, err_msg=name)


@pytest.mark.parametrize("dtype", ["mixed_bfloat16", "mixed_float16"])
def test_less_precise_it_is_nearly_the_same(dtype):
    right, _ = changes(classifier(scale=0.2), WEIGHTED, HOW)
    found, history = changes(classifier(scale=0.2, dtype=dtype), WEIGHTED, HOW)
    one, other = (np.concatenate([x[k].ravel() for k in right]) for x in (right, found))
    assert np.linalg.norm(one - other) < 0.1 * np.linalg.norm(one)
    assert history["skipped_in_row"] == [0.0]


def test_dropout_is_the_same_in_all_passes():
    """With no change to speak of, the loss is once more the same."""

    def changed(how):
        task = classifier(dropout=0.3)
        task.randomness.state.assign([3, 4])
        return changes(task, WEIGHTED, how)[0]

    once = changed(None)
    twice = changed(AdversarialTraining(epsilon=1e-9))
    virtual = changed(AdversarialTraining(epsilon=1e-9, virtual=True))
    for name in once:
        np.testing.assert_allclose(twice[name], 2.0 * once[name], atol=2e-6)
        np.testing.assert_allclose(virtual[name], once[name], atol=2e-6)


@pytest.mark.parametrize("name", ["epsilon", "weight"])
@pytest.mark.parametrize("value", [0.0, -1.0, float("nan"), float("inf")])
def test_numbers_out_of_range(name, value):
    with pytest.raises(ValueError, match=f"{name} must be positive"):
        AdversarialTraining(**{name: value})


def test_what_it_is_refused_with():
    with pytest.raises(ValueError, match="adversarial: privacy bounds"):
        classifier().compile("sgd", adversarial=HOW, privacy=DPSGD())
    experts = randomize(CausalLM(TINY.replace(num_experts=2)))
    with pytest.raises(ValueError, match="adversarial: the balance of experts"):
        experts.compile("sgd", adversarial=HOW)
    with pytest.raises(ValueError, match="adversarial: it reads tokens that its"):
        encoder_task(ReplacedTokenDetector).compile("sgd", adversarial=HOW)
    virtual = AdversarialTraining(virtual=True)
    with pytest.raises(ValueError, match="virtual needs probabilities, which a Mask"):
        encoder_task(MaskedLM).compile("sgd", adversarial=virtual)
    student, teacher = classifier(), classifier()
    student.compile("sgd", adversarial=HOW)
    with (
        Distiller(teacher, student),
        pytest.raises(ValueError, match="adversarial: a student learns"),
    ):
        student.fit(FEATURES, BATCH[1], verbose=0)


def test_the_config_of_a_compiled_task_has_it():
    task = classifier()
    task.compile("sgd", adversarial=HOW)
    other = classifier()
    other.compile_from_config(task.get_compile_config())
    assert other.adversarial == HOW


def test_fine_tuning_writes_it_down(tmp_path):
    task = encoder_task(TextClassifier, labels=["a", "b"])
    rows = [("the cat", "a"), ("the dog", "b")] * 4
    how = {"epochs": 1, "batch_size": 4, "max_length": 8, "adversarial": HOW}
    fine_tune(task, rows, run_dir=tmp_path / "run", **how)
    text = (tmp_path / "run/experiment.json").read_text()
    assert '"adversarial": 0.6' in text and '"adversarial_weight": 0.7' in text
    assert task.adversarial == HOW
    other = encoder_task(TextClassifier, labels=["a", "b"])
    how["adversarial"] = AdversarialTraining(epsilon=0.5, weight=0.7)
    with pytest.raises(ValueError, match="task.adversarial is 0.6 there and 0.5 here"):
        fine_tune(other, rows, run_dir=tmp_path / "run", **how)
