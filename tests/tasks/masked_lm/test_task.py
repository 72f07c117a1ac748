"""Gaps filled and texts scored, held against the logits; learning; other objectives."""

from __future__ import annotations

import json

import keras
import numpy as np
import pytest
import tensorflow as tf

from massivetext_keras.kernels import cross_entropy as loss
from massivetext_keras.tasks import MaskedLM
from massivetext_keras.tokenizers import ByteTokenizer, SentencePieceTokenizer
from massivetext_keras.training import adamw
from tests.huggingface.fixtures import FIXTURES, HEADS, expected, real
from tests.tasks.tiny import ENCODER, encoder_task, words

pytestmark = pytest.mark.usefixtures("without_xla")

CLS, SEP, MASK = 2, 3, 4
SPACES = " \t\n\v\f\r"
TEXT = "the cat sat on the mat , the unbelievable dog sat on cats "


@pytest.fixture(scope="module")
def lm() -> MaskedLM:
    return encoder_task(MaskedLM)


def log_probabilities(lm, ids: list[int]) -> np.ndarray:
    logits = lm({"token_ids": np.array([ids])})[0].numpy().astype("float64")
    return logits - np.log(np.exp(logits).sum(axis=-1, keepdims=True))


@pytest.mark.parametrize("name", [n for n in HEADS if HEADS[n] != "discriminator"])
def test_logits_are_those_of_transformers(name):
    lm = MaskedLM.from_preset(f"hf:{FIXTURES / name}")
    arrays = expected(name)
    features = {k: v for k, v in arrays.items() if v.dtype == "int32"}
    apart = np.abs(lm(features) - arrays["logits"])[real(arrays, "logits")]
    assert apart.max() < 1e-4


def test_gaps_are_filled_by_the_most_probable_tokens(lm):
    text = "The Cat  sat on [MASK], my cat"
    fills = lm.fill_mask(text, top_k=4)
    ids = [CLS, 5, 6, 7, 8, MASK, 15, 1, 6, SEP]  # "my" is unknown
    row = log_probabilities(lm, ids)[5]
    # no special token, not [UNK], none that the tokenizer lacks
    best = [i for i in np.argsort(-row) if 5 <= i < 16][:4]
    assert [lm.tokenizer.token_to_id(fill.token) for fill in fills] == best
    assert [fill.score for fill in fills] == pytest.approx(np.exp(row[best]), rel=1e-4)
    for token, _, filled in fills:
        piece = token.removeprefix("##")
        before = "The Cat  sat on" + (" " if piece == token else "")
        assert filled == f"{before}{piece}, my cat"


def test_gaps_in_many_texts(lm):
    texts = ["[MASK]", "the [MASK] sat on the mat", "[MASK] dog", " [MASK] dog"] * 10
    together = lm.fill_mask(texts, top_k=2)
    assert len(together) == 40 and all(len(fills) == 2 for fills in together)
    for text, fills in zip(texts[:4], together, strict=False):
        alone = lm.fill_mask(text, top_k=2)
        assert [f.text for f in alone] == [f.text for f in fills]
        assert alone[0].score == pytest.approx(fills[0].score, rel=1e-4)
    assert [f.token for f in together[2]] == [f.token for f in together[3]]
    assert lm.fill_mask([]) == []


def test_a_long_text_is_read_around_its_gap(lm):
    before, after = ["the", "cat"] * 40, ["dog", "sat"] * 40
    for left, right in (
        (before, after),
        (before, []),
        ([], after),
        (before[:5], after),
    ):
        fills = lm.fill_mask(" ".join([*left, "[MASK]", *right]), top_k=3)
        start = max(0, min(len(left) - 15, len(left) + 1 + len(right) - 30))
        near = [*left, "[MASK]", *right][start : start + 30]
        ids = [lm.tokenizer.token_to_id(word) for word in near]
        row = log_probabilities(lm, [CLS, *ids, SEP])[1 + near.index("[MASK]")]
        scores = np.sort(np.exp(row[5:16]))[::-1][:3]
        assert [fill.score for fill in fills] == pytest.approx(scores, rel=1e-4)


def test_tokens_that_begin_with_spaces_take_the_one_before_the_gap():
    tokenizer = SentencePieceTokenizer.train(texts=[TEXT] * 5, vocabulary_size=290)
    assert tokenizer.mask_id is None
    lm = encoder_task(MaskedLM, tokenizer, vocabulary_size=291)
    assert (lm.mask_id, lm.mask_token) == (290, "<mask>")
    for text, fills in zip(
        ["the  <mask> sat", "<mask> sat"],
        lm.fill_mask(["the  <mask> sat", "<mask> sat"], top_k=200),
        strict=True,
    ):
        for token, _, filled in fills:
            wanted = f"the{token}" if text[0] == "t" else token.strip(SPACES)
            assert filled == f"{wanted} sat"
    ids = tokenizer("the").numpy().tolist(), tokenizer(" sat").numpy().tolist()
    row = log_probabilities(lm, [2, *ids[0], 290, *ids[1], 3])[1 + len(ids[0])]
    first = lm.fill_mask("the <mask> sat", top_k=1)[0]
    text_rows = [i for i in range(290) if i not in (0, 1, 2, 3)]
    assert first.score == pytest.approx(np.exp(row[text_rows].max()), rel=1e-4)


def test_scores_are_pseudo_log_likelihoods(lm):
    texts = [
        "the cat sat",
        "",
        "unbelievable",
        " ".join(["the cat sat on"] * 20),
        "the",
    ]
    found = lm.score(texts)
    for text, score in zip(texts, found, strict=True):
        ids, total = lm.tokenizer(text).numpy().tolist(), 0.0
        for start in range(0, len(ids), 30):
            window = ids[start : start + 30]
            for i, token in enumerate(window):
                row = [CLS, *window[:i], MASK, *window[i + 1 :], SEP]
                total += log_probabilities(lm, row)[1 + i, token]
        assert score == pytest.approx(total, rel=1e-4, abs=1e-6)
    assert lm.score("the cat sat") == pytest.approx(found[0], rel=1e-5)
    assert lm.score([]) == []
    assert lm.score(["", " "]) == [0.0, 0.0]  # of no token at all


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("the cat", r"text 0 has no \[MASK\], it needs one: 'the cat'"),
        (["[MASK]", "[MASK] [MASK]"], r"text 1 has 2 \[MASK\], it needs one"),
        ("", r"text 0 has no \[MASK\]"),
    ],
)
def test_texts_without_one_gap_are_named(lm, text, message):
    with pytest.raises(ValueError, match=message) as error:
        lm.fill_mask(text)
    assert "\n" not in str(error.value)


def test_bad_input(lm, tmp_path):
    with pytest.raises(ValueError, match="top_k must be between 1 and 11, got 12"):
        lm.fill_mask("[MASK]", top_k=12)
    for verb in (MaskedLM(ENCODER).fill_mask, MaskedLM(ENCODER).score):
        with pytest.raises(ValueError, match="MaskedLM was made without a tokenizer"):
            verb("x")
    with pytest.raises(ValueError, match="no mask, .* set vocabulary_size=260"):
        MaskedLM(ENCODER.replace(vocabulary_size=259), ByteTokenizer())
    with pytest.raises(ValueError, match="'decoder': that is for CausalLM"):
        MaskedLM.from_preset("gpt2_small")
    with pytest.raises(ValueError, match="two texts need pooler=True"):
        MaskedLM(ENCODER, sentences="next")
    with pytest.raises(ValueError, match="did you mean 'order'"):
        MaskedLM(ENCODER.replace(pooler=True), sentences="ordre")
    with pytest.raises(FileNotFoundError, match="none"):
        lm.datasets(tmp_path / "none.txt")


def test_hostile_strings(lm, data_dir):
    texts = json.loads((data_dir / "bad" / "naughty_strings.json").read_text())
    fills = lm.fill_mask([f"{text}[MASK]{text}" for text in texts], top_k=1)
    assert len(fills) == len(texts)
    assert np.isfinite(lm.score(texts[:40])).all()


def features_of(lm, rows: int = 4, length: int = 10):
    random = np.random.default_rng(0)
    ids = random.integers(5, 16, [rows, length]).astype("int32")
    positions = np.array([random.permutation(length)[:3] for _ in range(rows)], "int32")
    labels = random.integers(5, 16, [rows, 3]).astype("int32")
    weights = np.float32([[1, 1, 1], [1, 0, 0], [0, 0, 0], [1, 1, 0]])
    return {"token_ids": ids, "masked_positions": positions}, labels, weights


def test_the_loss_is_that_of_the_logits_at_hidden_places(lm):
    features, labels, weights = features_of(lm)
    logits = lm(features).numpy().astype("float64")
    picked = np.take_along_axis(logits, features["masked_positions"][..., None], 1)
    picked -= np.log(np.exp(picked).sum(axis=-1, keepdims=True))
    losses = -np.take_along_axis(picked, labels[..., None], -1)[..., 0]
    lm.compile()
    lm.reset_metrics()
    found = lm.test_step((features, labels, weights))
    mean = (losses * weights).sum() / weights.sum()
    assert float(found["loss"]) == pytest.approx(mean, rel=1e-5)


def test_without_places_all_tokens_count(lm):
    features, _, _ = features_of(lm)
    ids = features.pop("token_ids")
    row = {"token_ids": ids}
    losses = [
        -log_probabilities(lm, r.tolist())[np.arange(10), (r + 1) % 16] for r in ids
    ]
    lm.compile()
    lm.reset_metrics()
    found = lm.test_step((row, (ids + 1) % 16))
    assert float(found["loss"]) == pytest.approx(np.mean(losses), rel=1e-5)


def test_no_logits_of_all_tokens_exist_in_training(lm, monkeypatch):
    features, labels, weights = features_of(lm, rows=4, length=20)
    lm.compile()
    sizes = []
    matmul = tf.matmul

    def watched(*args, **kwargs):
        product = matmul(*args, **kwargs)
        sizes.append(product.shape[-1] == 50 and np.prod(product.shape[:-1]))
        return product

    monkeypatch.setattr(loss.tf, "matmul", watched)
    lm.summed_loss(features, labels, weights, training=True)
    assert max(sizes) == 12  # 4 rows of 3 places, not of 20 tokens


def test_one_batch_can_be_learnt():
    lm = encoder_task(MaskedLM, scale=0.1, num_layers=2)
    batch = tf.nest.map_structure(tf.constant, features_of(lm))
    lm.compile(adamw(0.01, weight_decay=0.0))
    data = tf.data.Dataset.from_tensors(batch).repeat()
    losses = lm.fit(data, steps_per_epoch=100, epochs=2, verbose=0).history["loss"]
    assert losses[0] > 0.3 and losses[1] < 0.05
    found = lm.predict_on_batch(batch[0]).argmax(axis=-1)
    at = np.take_along_axis(found, batch[0]["masked_positions"].numpy(), 1)
    assert (at == batch[1].numpy())[batch[2].numpy() == 1].all()


@pytest.fixture
def text(tmp_path):
    (tmp_path / "a.txt").write_text(TEXT * 40)
    return tmp_path / "a.txt"


def test_datasets_and_fit(text):
    keras.utils.set_random_seed(0)
    lm = MaskedLM(ENCODER, words())
    options = {"batch_size": 4, "sequence_length": 16, "progress": False}
    train, valid = lm.datasets(text, validation_fraction=0.2, **options)
    lm.compile(adamw(0.01))
    before = lm.evaluate(valid, verbose=0)
    fitted = lm.fit(train, validation_data=valid, steps_per_epoch=100, verbose=0)
    assert before == pytest.approx(np.log(50), rel=0.01)
    assert fitted.history["val_loss"][0] < 2.6
    features, _, weights = next(iter(train))
    assert features["token_ids"].shape == (4, 16) and weights.shape == (4, 2)
    with pytest.raises(ValueError, match="33 is more than the model's context of 32"):
        lm.datasets(text, sequence_length=33)


@pytest.mark.parametrize("sentences", ["next", "order"])
def test_whether_the_second_text_follows_is_learnt_too(text, sentences):
    lm = encoder_task(MaskedLM, scale=0.1, pooler=True, sentences=sentences)
    train, _ = lm.datasets(
        text,
        batch_size=4,
        sequence_length=16,
        validation_fraction=0.0,
        progress=False,
    )
    features, labels, weights = next(iter(train))
    assert set(features) == {
        "token_ids",
        "masked_positions",
        "segment_ids",
        "sentence_labels",
    }
    weights = weights * [[1.0], [1.0], [1.0], [0.0]]  # a row that fills the batch
    pooled = lm.backbone.pooled(lm.backbone(features))
    scores = lm.sentence_head(pooled).numpy().astype("float64")
    scores -= np.log(np.exp(scores).sum(axis=-1, keepdims=True))
    answers = scores[np.arange(3), features["sentence_labels"].numpy()[:3]]
    plain = encoder_task(MaskedLM, scale=0.1, pooler=True)
    plain.backbone.set_weights(lm.backbone.get_weights())
    plain.head.set_weights(lm.head.get_weights())
    losses = []
    for task in (lm, plain):
        task.compile(adamw(0.01))
        task.reset_metrics()
        losses.append(float(task.test_step((features, labels, weights))["loss"]))
    assert losses[0] - losses[1] == pytest.approx(-answers.mean(), rel=1e-4)
    lm.fit(train, steps_per_epoch=2, verbose=0)
