"""One signature of datasets, epochs that end, and texts where Keras takes data."""

from __future__ import annotations

import contextlib

import keras
import numpy as np
import pytest
import tensorflow as tf

from massivetext_keras.architecture.shapes import preset
from massivetext_keras.data import Conversation, LabeledText, TextPair
from massivetext_keras.optimization.batches import unpacked
from massivetext_keras.tasks import (
    CausalLM,
    MaskedLM,
    QuestionAnswerer,
    ReplacedTokenDetector,
    Seq2SeqLM,
    TextClassifier,
    TextEmbedder,
    TokenClassifier,
)
from massivetext_keras.tokenizers import ByteTokenizer
from tests.tasks.test_inputs import Frame
from tests.tasks.tiny import byte_lm, encoder_task

pytestmark = pytest.mark.usefixtures("without_xla")

WORDS = ["the cat sat", "the dog", "cat", "dog on the mat", "mat", "the the", "sat"]
NAMES = ["cat", "dog", "cat", "dog", "cat", "dog", "cat"]
NUMBERS = np.array([0, 1, 0, 1, 0, 1, 0])
LABELED = list(zip(WORDS, NAMES, strict=True))
LONG = [
    "once upon a time there was a fox " * 3,
    "and the fox went on to the river " * 3,
]


@pytest.fixture(scope="module")
def classifier() -> TextClassifier:
    task = encoder_task(TextClassifier, labels=["cat", "dog"], num_layers=1, scale=0.1)
    task.compile(keras.optimizers.SGD(0.001), jit_compile=False)
    return task


def seq2seq(**options) -> Seq2SeqLM:
    config = preset("transformer_base").replace(
        vocabulary_size=259, num_layers=1, hidden_size=16, num_heads=2, max_length=24
    )
    return Seq2SeqLM(config, ByteTokenizer(), **options)


def rows(dataset) -> list[list]:
    return [labels.numpy().tolist() for _, labels, _ in dataset]


SPANS = [{"text": "the cat sat", "entities": [[4, 7, "A"]]}] * 3
ASKED = [
    {"context": "the cat sat", "question": "the", "answer": "cat", "answer_start": 4}
] * 3


@pytest.mark.parametrize(
    ("make", "train"),
    [
        (byte_lm, LONG),
        (byte_lm, [{"prompt": "a", "reply": "b"}] * 3),
        (lambda: encoder_task(MaskedLM), LONG),
        (lambda: encoder_task(ReplacedTokenDetector), LONG),
        (seq2seq, [("a", "b"), ("c", "d"), ("e", "f")]),
        (lambda: encoder_task(TextClassifier, labels=["cat", "dog"]), LABELED),
        (lambda: encoder_task(TextEmbedder), [("the", "cat"), ("dog", "mat")]),
        (lambda: encoder_task(TokenClassifier, labels=["A"]), SPANS),
        (lambda: encoder_task(QuestionAnswerer, stride=2), ASKED),
    ],
)
def test_every_task_has_the_same_signature(make, train):
    task = make()
    options = {"batch_size": 2, "sequence_length": 24, "seed": 1, "progress": False}
    batches, valid = task.datasets(train, train, **options)
    count = len(batches)
    assert count > 0 and int(valid.cardinality()) > 0
    first, second = rows(batches), rows(batches)
    assert len(first) == len(second) == count
    later, _ = task.datasets(train, validation_fraction=0.0, start=count, **options)
    assert rows(later) == second
    with pytest.raises(TypeError, match="give what follows by name: batch_size=4, seq"):
        task.datasets(train, 4, 16)
    with pytest.raises(TypeError, match="has no 'sequence_lenght': did you mean 'sequ"):
        task.datasets(train, sequence_lenght=16)
    with pytest.raises(ValueError, match="max_length 999 is more than the model's"):
        task.datasets(train, max_length=999)


def test_files_of_pairs_are_training_and_validation(tmp_path):
    lm = seq2seq()
    for name, count in (("train", 3), ("valid", 3)):  # as many lines
        lines = [f"{name} {i}\tsays {i}\n" for i in range(count)]
        (tmp_path / f"{name}.tsv").write_text("".join(lines))
    files = [str(tmp_path / f"{name}.tsv") for name in ("train", "valid")]
    batches, valid = lm.datasets(*files, batch_size=3)
    read = lm.tokenizer.detokenize
    ((features, labels, _),) = valid
    assert read(features["encoder_token_ids"]).numpy().tolist() == [
        b"valid 0",
        b"valid 1",
        b"valid 2",
    ]
    assert read(labels).numpy().tolist() == [b"says 0", b"says 1", b"says 2"]
    ((features, _, _),) = batches
    texts = read(features["encoder_token_ids"]).numpy()
    assert sorted(texts) == [b"train 0", b"train 1", b"train 2"]


def test_parallel_files_are_given_together(tmp_path):
    lm = seq2seq()
    (tmp_path / "a.en").write_text("one\ntwo\n")
    (tmp_path / "a.de").write_text("eins\nzwei\n")
    both = [str(tmp_path / "a.en"), str(tmp_path / "a.de")]
    batches, valid = lm.datasets(both, both, format="parallel", batch_size=2)
    ((_, labels, _),) = valid
    assert lm.tokenizer.detokenize(labels).numpy().tolist() == [b"eins", b"zwei"]
    assert len(batches) == 1
    with pytest.raises(ValueError, match="'a.en', 'a.de'. with format='parallel'"):
        lm.datasets(*both)


def test_fit_has_epochs_and_goes_on_where_it_was(classifier):
    train, valid = classifier.datasets(LABELED, LABELED, batch_size=2, seed=3)
    assert (len(train), int(valid.cardinality())) == (4, 4)
    options = {"verbose": 0, "validation_data": valid}
    history = classifier.fit(train, epochs=3, **options).history
    assert len(history["loss"]) == len(history["val_loss"]) == 3
    assert train.next_batch == 12
    classifier.fit(train, steps_per_epoch=5, epochs=2, **options)
    assert train.next_batch == 22
    classifier.fit(train, verbose=0)
    assert train.next_batch == 26


def test_passes_with_steps_and_without_are_the_same():
    ends = []
    for how in ({"epochs": 2}, {"steps_per_epoch": 8}, {"steps_per_epoch": 4}):
        keras.utils.set_random_seed(0)
        task = encoder_task(TextClassifier, labels=["cat", "dog"], num_layers=1)
        task.compile(keras.optimizers.SGD(0.01), jit_compile=False)
        train, _ = task.datasets(LABELED, batch_size=2)
        task.fit(train, verbose=0, **how)
        if how == {"steps_per_epoch": 4}:
            task.fit(train, verbose=0, **how)
        ends.append([weight.numpy() for weight in task.weights])
    for one, *others in zip(*ends, strict=True):
        for other in others:
            np.testing.assert_array_equal(one, other)


class Stop(keras.callbacks.Callback):
    def on_epoch_begin(self, epoch, logs=None):
        if epoch == 1:
            raise KeyboardInterrupt


def test_what_keras_restores_goes_on_with_its_next_batch(tmp_path):
    def run(*callbacks):
        keras.utils.set_random_seed(0)
        task = encoder_task(TextClassifier, labels=["cat", "dog"], num_layers=1)
        task.compile(keras.optimizers.SGD(0.01), jit_compile=False)
        train, _ = task.datasets(LABELED, batch_size=2)
        backup = keras.callbacks.BackupAndRestore(tmp_path / "backup")
        with contextlib.suppress(KeyboardInterrupt):
            task.fit(train, epochs=2, verbose=0, callbacks=[backup, *callbacks])
        return train.next_batch, [weight.numpy() for weight in task.weights]

    place, weights = run()
    assert place == 8
    assert run(Stop())[0] == 4
    place, resumed = run()
    assert place == 8
    for one, other in zip(weights, resumed, strict=True):
        np.testing.assert_array_equal(one, other)


def test_predict_gives_a_row_for_each_text_in_order(classifier):
    _, valid = classifier.datasets(LABELED, LABELED, batch_size=2)
    found = classifier.predict(valid, verbose=0)
    assert found.shape == (7, 2)
    alone = [classifier.predict([text], verbose=0)[0] for text in WORDS]
    np.testing.assert_allclose(found, alone, atol=1e-4)
    answers = classifier.classify(WORDS)
    assert found.argmax(1).tolist() == [NAMES.index(x.label) for x in answers]
    labels = np.concatenate([y for _, y, _ in valid])
    assert labels.tolist() == NUMBERS.tolist()


def dataset(*columns) -> tf.data.Dataset:
    return tf.data.Dataset.from_tensor_slices(columns)


def named() -> tf.data.Dataset:
    return dataset(WORDS, NAMES).map(lambda a, b: {"text": a, "label": b})


def dicts() -> list[dict]:
    return [{"text": a, "label": b} for a, b in LABELED]


@pytest.mark.parametrize(
    ("x", "y"),
    [
        (WORDS, NUMBERS),
        (WORDS, NAMES),
        (np.array(WORDS), np.array(NAMES)),
        (np.array(WORDS, object), NUMBERS.astype(float)),
        (lambda: tf.constant(WORDS), NUMBERS[:, None]),
        (lambda: dataset(WORDS, NUMBERS), None),
        (lambda: dataset(WORDS, NAMES).batch(7), None),
        (lambda: named().batch(7), None),
        (LABELED, None),
        ([LabeledText(*pair) for pair in LABELED], None),
        (dicts(), None),
        (Frame(text=WORDS, label=NAMES), None),
        ({"text": WORDS, "label": NAMES}, None),
    ],
)
def test_texts_are_measured_wherever_they_are(classifier, x, y):
    wanted = classifier.evaluate(
        classifier.datasets(LABELED, LABELED)[1], verbose=0, return_dict=True
    )
    x = x() if callable(x) else x
    batched = {} if isinstance(x, tf.data.Dataset) else {"batch_size": 7}
    found = classifier.evaluate(x, y, verbose=0, return_dict=True, **batched)
    assert found == pytest.approx(wanted, rel=1e-4)


class Batches(keras.utils.PyDataset):
    """Two batches of words and names."""

    def __len__(self):
        return 2

    def __getitem__(self, i):
        some = slice(4 * i, 4 * i + 4)
        return np.array(WORDS[some]), np.array(NAMES[some])


def test_generators_and_other_datasets_of_texts(classifier):
    wanted = losses(classifier, WORDS, NAMES)
    for batches in (Batches(), (Batches()[i] for i in range(2))):
        assert losses(classifier, batches) == pytest.approx(wanted, rel=1e-4)
    found = classifier.predict(Batches(), verbose=0)
    np.testing.assert_allclose(found, classifier.predict(WORDS, verbose=0), atol=1e-4)
    classifier.optimizer.learning_rate = 0.0
    for held_out in ([np.array(WORDS), np.array(NAMES)], Batches()):
        history = classifier.fit(
            Batches(), epochs=2, validation_data=held_out, verbose=0
        ).history
        assert history["loss"] == pytest.approx([wanted] * 2, rel=0.2)
        assert history["val_loss"] == pytest.approx([wanted] * 2, rel=1e-3)
    ids = ((np.array([[5, 6], [7, 8]]),) for _ in range(2))
    assert classifier.predict(ids, verbose=0).shape == (4, 2)


def test_texts_are_learnt(classifier, caplog):
    options = {"verbose": 0, "batch_size": 4}
    fit = classifier.fit
    history = fit(WORDS, NUMBERS, validation_data=(WORDS, NAMES), **options).history
    assert {"loss", "accuracy", "val_loss"} <= {*history}
    assert "val_loss" in fit(WORDS, NAMES, validation_split=0.3, **options).history
    assert len(fit(dicts(), epochs=2, **options).history["loss"]) == 2
    fit(WORDS, np.array([0.0, np.nan, 1, 0, 1, 0, 1]), **options)
    assert "1 of 7 examples have no label" in caplog.text
    for labels in (NUMBERS + 1, NUMBERS - 1):
        with pytest.raises(tf.errors.InvalidArgumentError, match="none of 2 classes"):
            fit(WORDS, labels, **options)
    with pytest.raises(ValueError, match="row 2: label 'cow'"):
        fit(WORDS, ["cat", "dog", "cow", *NAMES[3:]], **options)
    with pytest.raises(ValueError, match="x has 7 rows, y 5"):
        fit(WORDS, NAMES[:5], **options)
    with pytest.raises(ValueError, match="there are no rows"):
        fit([], [], **options)
    with pytest.raises(ValueError, match="'the cat' is one string"):
        fit("the cat", "cat", **options)
    with pytest.raises(ValueError, match="give what is to be learnt too"):
        fit(WORDS, **options)
    with pytest.raises(ValueError, match="none of 7 examples has a label"):
        fit(WORDS, [None] * 7, **options)


def losses(task, *args, **options) -> float:
    return task.evaluate(*args, verbose=0, return_dict=True, **options)["loss"]


def test_weights_of_rows_and_of_classes(classifier):
    each = [losses(classifier, WORDS[i : i + 1], NUMBERS[i : i + 1]) for i in range(7)]
    weights = np.array([0.0, 1, 2, 0, 1, 3, 0])
    wanted = (each * weights).sum() / weights.sum()
    found = losses(classifier, WORDS, NUMBERS, sample_weight=weights)
    assert found == pytest.approx(wanted, rel=1e-4)
    of_class = np.array([1.0, 5.0])[NUMBERS]
    wanted = (each * of_class).sum() / of_class.sum()
    classifier.optimizer.learning_rate = 0.0
    train, _ = classifier.datasets(LABELED, batch_size=7)
    for x, y, key in (
        (WORDS, NUMBERS, 1),
        (train, None, "dog"),
        (dataset(WORDS, NAMES).batch(7), None, 1),
    ):
        history = classifier.fit(x, y, class_weight={key: 5.0}, verbose=0).history
        assert history["loss"][0] == pytest.approx(wanted, rel=1e-3)
    with pytest.raises(ValueError, match="label in class_weights 'cow'"):
        classifier.fit(WORDS, NUMBERS, class_weight={"cow": 2.0}, verbose=0)


def test_arrays_of_ids_and_int64():
    task = encoder_task(TextClassifier, labels=["cat", "dog"], num_layers=1)
    task.compile("sgd", steps_per_execution="auto", jit_compile=False)
    ids = np.random.default_rng(0).integers(5, 15, [8, 6])
    labels = np.array([0, 1] * 4)
    history = task.fit(ids, labels, validation_split=0.25, verbose=0).history
    assert {"accuracy", "val_accuracy"} <= {*history}
    features = {"token_ids": ids, "padding_mask": np.ones_like(ids)}
    task.fit(features, labels[:, None], sample_weight=np.ones([8, 1]), verbose=0)


@pytest.mark.parametrize("known", [[1.0, 1.0], [[1.0, 1.0, 0.0], [1.0, 1.0, 1.0]]])
def test_weights_in_a_graph_that_has_seen_other_shapes(known):
    """Their rank is not known there, as after rows [batch] and [batch, 1]."""
    of_tokens = np.ndim(known) == 2
    mask = {"padding_mask": tf.constant(known)} if of_tokens else {}
    ids = tf.zeros(np.shape(known), tf.int32)

    @tf.function(input_signature=[tf.TensorSpec(None)])
    def weights_of(weights):
        data = {"token_ids": ids, **mask}, ids, weights
        return unpacked(data, tf.identity, weighs_rows=not of_tokens)[2]

    wanted = (np.array([0.5, 2.0]) * np.array(known).T).T
    for weights in ([0.5, 2.0], [[0.5], [2.0]]):
        np.testing.assert_allclose(weights_of(weights), wanted)
    if of_tokens:
        each = np.float32([[1, 2, 3], [4, 5, 6]])
        np.testing.assert_allclose(weights_of(each), each)


def test_weights_of_rows_are_those_of_their_tokens():
    lm = byte_lm()
    lm.compile("sgd", jit_compile=False)
    ids = np.random.default_rng(0).integers(5, 50, [3, 9])
    x, y = {"token_ids": ids[:, :-1]}, ids[:, 1:]
    alone = losses(lm, {"token_ids": ids[1:2, :-1]}, y[1:2])
    found = losses(lm, x, y, sample_weight=np.array([0.0, 2.0, 0.0]))
    assert found == pytest.approx(alone, rel=1e-5)
    padded = np.pad(ids[1:2], [[0, 0], [0, 3]])
    mask = (np.arange(11) < 8).astype("int32")[None]
    features = {"token_ids": padded[:, :-1], "padding_mask": mask}
    assert losses(lm, features, padded[:, 1:]) == pytest.approx(alone, rel=1e-5)
    with pytest.raises(
        ValueError, match="class_weight= is for classes, and a CausalLM"
    ):
        lm.fit(x, y, class_weight={0: 1.0}, verbose=0)


def test_weights_of_texts_that_have_no_labels():
    task = byte_lm()
    task.compile(keras.optimizers.SGD(0.0), jit_compile=False)
    texts, weights = ["a cat", "the dog and", "x"], np.array([0.0, 1.0, 3.0])
    counts = np.array([len(text) for text in texts])  # the first is not predicted
    each = np.array([losses(task, [text]) for text in texts])
    wanted = (each * weights * counts).sum() / (weights * counts).sum()
    for given in (weights, weights[:, None]):
        found = losses(task, texts, sample_weight=given)
        assert found == pytest.approx(wanted, rel=1e-4)
    history = task.fit(
        [*texts, *texts],
        sample_weight=[1, 1, 1, *weights],
        validation_split=0.5,
        verbose=0,
    ).history
    assert history["val_loss"][0] == pytest.approx(wanted, rel=1e-4)


def test_a_language_model_reads_texts_and_conversations():
    lm = byte_lm()
    lm.compile("sgd", jit_compile=False)
    text = LONG[0][:40]
    ids = [*lm.tokenizer(text).numpy().tolist(), lm.tokenizer.eos_id]
    logs = tf.nn.log_softmax(lm({"token_ids": [ids[:-1]]}))[0].numpy()
    nats = -np.mean([logs[i, x] for i, x in enumerate(ids[1:])])
    assert losses(lm, [text]) == pytest.approx(nats, rel=1e-4)
    assert losses(lm, dataset([text]).map(lambda x: x)) == pytest.approx(nats, rel=1e-4)
    talks, _ = lm.datasets([{"prompt": "Hi.", "reply": "Yes."}] * 2, batch_size=2)
    ((_, labels, weights),) = talks
    reply = labels.numpy()[0][weights.numpy()[0] > 0]
    assert lm.tokenizer.detokenize(reply).numpy() == b"Yes.\n\n"
    same, _ = lm.datasets([Conversation(("Hi.", "Yes."), ("user", "assistant"))] * 2)
    assert rows(same) == rows(
        lm.datasets(
            [
                [
                    {"role": "user", "content": "Hi."},
                    {"role": "assistant", "content": "Yes."},
                ]
            ]
            * 2
        )[0]
    )


def test_pairs_are_learnt_from_arrays():
    lm = seq2seq(prefix="t: ")
    lm.compile("sgd", jit_compile=False)
    pairs = [TextPair("abc", "cba"), TextPair("a", "bb")]
    sources, targets = map(np.array, zip(*pairs, strict=True))
    _, valid = lm.datasets(pairs, pairs)
    assert losses(lm, sources, targets) == pytest.approx(losses(lm, valid), rel=1e-5)


def test_a_task_without_a_tokenizer_takes_ids():
    lm = CausalLM(byte_lm().config)
    lm.compile("sgd", jit_compile=False)
    assert losses(lm, np.ones([2, 4], int), np.ones([2, 4], int)) > 0
    with pytest.raises(ValueError, match="made without a tokenizer"):
        lm.evaluate(["a text"], verbose=0)


def test_texts_of_one_batch(classifier):
    """What Keras's calls for one batch say of texts is what `evaluate` says."""
    told = classifier.test_on_batch(WORDS, NAMES, return_dict=True)
    asked = classifier.evaluate(WORDS, NAMES, batch_size=7, return_dict=True, verbose=0)
    assert told == pytest.approx(asked, rel=1e-5)
    logits = classifier.predict(WORDS, verbose=0)
    np.testing.assert_allclose(classifier.predict_on_batch(WORDS), logits, rtol=1e-5)
    rows = [{"text": word, "label": name} for word, name in LABELED]
    told = classifier.test_on_batch(rows, return_dict=True)
    assert told["loss"] == pytest.approx(asked["loss"], rel=1e-5)
    before = classifier.get_weights()
    classifier.optimizer.learning_rate = 0.01
    losses = [
        classifier.train_on_batch(WORDS, NAMES, return_dict=True)["loss"]
        for _ in range(2)
    ]
    assert losses[0] == pytest.approx(asked["loss"], rel=1e-5)
    assert losses[1] < losses[0]
    classifier.set_weights(before)
    with pytest.raises(ValueError, match="x has 7 rows, y 6"):
        classifier.train_on_batch(WORDS, NAMES[:6])
