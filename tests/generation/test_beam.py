"""Beam search against transformers, enumeration, greedy decoding and itself."""

from __future__ import annotations

import functools
import itertools
import json
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from massivetext_keras.generation import (
    BeamDecoder,
    BeamRules,
    Constraints,
    Decoder,
    beam,
)
from massivetext_keras.generation.constraints import ids_or_sequences
from massivetext_keras.tasks import CausalLM, Seq2SeqLM
from tests.generation.test_decoding import decode
from tests.models.families import ENCODER_DECODERS, backbone
from tests.tasks.tiny import gpt

FIXTURES = Path(__file__).parents[1] / "fixtures"
EXPECTED = json.loads((FIXTURES / "generation/beams.json").read_text())
CONSTRAINTS = ("first_id", "last_id", "never_ids", "no_repeat_ngram_size")
ENCODER_DECODED = ("bart", "marian", "t5")
SOURCES = [[7, 3, 9, 1, 4], [5], [20, 21, 22]]


@functools.cache
def graph_of(decoder):
    return tf.function(decoder.search, autograph=False)


def search(decoder, rows, limit, rules=None, start_id=1, width=None):
    """Texts [rows][beams] and scores [rows, beams], rows as prompts or sources."""
    ragged, context = tf.ragged.constant(rows, dtype=tf.int32), ()
    if decoder.model.config.stack == "encoder_decoder":
        lengths = ragged.row_lengths()
        width = width or tf.reduce_max(lengths)
        mask = tf.sequence_mask(lengths, width, tf.int32)
        ids = ragged.to_tensor(shape=[None, width])
        context = decoder.model.encode(ids, mask), mask
        ragged = tf.ragged.constant([[start_id]] * len(rows), dtype=tf.int32)
    rules = rules or BeamRules.make()
    texts, scores = graph_of(decoder)(ragged, tf.constant(limit), rules, context)
    k, texts = decoder.num_beams, texts.to_list()
    return [texts[i : i + k] for i in range(0, len(texts), k)], scores.numpy()


@functools.cache
def pretrained(name: str):
    kind = Seq2SeqLM if name in ENCODER_DECODED else CausalLM
    return kind.from_preset(f"hf:{FIXTURES}/huggingface/{name}").backbone


@functools.cache
def beams_of(name: str, beams, stops, rules=None, penalize=False) -> BeamDecoder:
    return BeamDecoder(pretrained(name), beams, stops, rules, False, penalize)


@pytest.mark.parametrize("case", EXPECTED["cases"], ids=lambda c: c["model"])
def test_texts_and_scores_are_those_of_transformers(case):
    setting = dict(case["setting"])
    beams, stop = setting.pop("num_beams"), EXPECTED["stop_id"]
    rules = {n.removesuffix("_id"): setting.pop(n, None) for n in CONSTRAINTS}
    constraints = Constraints(
        never=ids_or_sequences(rules["never_ids"] or ()),
        first=rules["first"],
        last=rules["last"],
        no_repeat_ngram_size=rules["no_repeat_ngram_size"] or 0,
    )
    penalize = "repetition_penalty" in setting
    stops = tuple(setting.pop("stop_ids", [stop]))
    decoder = beams_of(case["model"], beams, stops, constraints, penalize)
    limit, start = EXPECTED["max_new_tokens"], EXPECTED["start_id"]
    rules = BeamRules.make(**setting)
    texts, scores = search(decoder, case["rows"], limit, rules, start)
    assert list(itertools.chain(*texts)) == case["texts"]
    np.testing.assert_allclose(scores.ravel(), case["scores"], atol=2e-4)


CAUSAL = [
    case
    for case in EXPECTED["cases"]
    if case["model"] not in ENCODER_DECODED and not {*CONSTRAINTS} & {*case["setting"]}
]


@pytest.mark.parametrize("case", CAUSAL, ids=lambda c: c["model"])
def test_a_causal_task_writes_them(case, monkeypatch):
    monkeypatch.setattr(beam, "island", functools.partial(tf.function, autograph=False))
    lm = CausalLM.from_preset(f"hf:{FIXTURES}/huggingface/{case['model']}")
    rows, limit = case["rows"], EXPECTED["max_new_tokens"]
    ids, stop = tf.ragged.constant(rows, dtype=tf.int32), (EXPECTED["stop_id"],)
    found = lm.generate_ids(ids, limit, **{"stop_ids": stop, **case["setting"]})
    best = case["texts"][:: case["setting"]["num_beams"]]
    assert found.to_list() == [row + text for row, text in zip(rows, best, strict=True)]


@pytest.mark.parametrize("penalty", [0.0, 1.0])
def test_with_room_for_all_texts_the_best_of_all_are_found(penalty):
    size, limit, stop = 4, 3, 2
    model = gpt(num_layers=1, vocabulary_size=size, scale=1.0)

    def log_probability(text) -> float:
        ids = tf.constant([[1, *text]])
        scores = tf.nn.log_softmax(model.logits(model(ids)))[0]
        return sum(float(scores[i, token]) for i, token in enumerate(text))

    texts = [
        text
        for length in range(1, limit + 1)
        for text in itertools.product(range(size), repeat=length)
        if stop not in text[:-1] and (length == limit or text[-1] == stop)
    ]
    ranked = {t: log_probability(t) / len(t) ** penalty for t in texts}
    best = sorted(ranked, key=ranked.get, reverse=True)
    decoder = BeamDecoder(model, size**limit, (stop,), compiled=False)
    rules = BeamRules.make(penalty, "never")
    found, scores = search(decoder, [[1]], limit, rules)
    assert found[0][: len(best)] == [list(text) for text in best]
    wanted = [ranked[text] for text in best]
    np.testing.assert_allclose(scores[0, : len(best)], wanted, atol=1e-5)


@pytest.mark.parametrize("position", ["learned", "rotary"])
def test_one_beam_is_greedy(position):
    model = gpt(num_layers=1, scale=1.0, position=position)
    stops = (3, 8)
    greedy = Decoder(model, stops, compiled=False)
    found, _ = search(BeamDecoder(model, 1, stops, compiled=False), SOURCES, 12)
    assert [texts[0] for texts in found] == decode(greedy, SOURCES, 12)


@pytest.mark.parametrize("family", [*ENCODER_DECODERS, "rotary"])
def test_a_batch_is_the_rows_alone_and_the_cache_changes_nothing(family):
    if family == "rotary":
        model = backbone("transformer_base", position="rotary", num_key_value_heads=2)
    else:
        model = backbone(family)
    decoder = BeamDecoder(model, 3, (3,), compiled=False)
    together, scores = search(decoder, SOURCES, 8, width=9)
    for row, texts, values in zip(SOURCES, together, scores, strict=True):
        alone, own = search(decoder, [row], 8, width=5)
        assert alone[0] == texts
        np.testing.assert_allclose(own[0], values, atol=1e-4)
        # A text has up to 8 tokens; what follows them changes nothing.
        ids = {
            "encoder_token_ids": [row] * 3,
            "decoder_token_ids": [
                [1, *text[:-1], *[0] * (8 - len(text))] for text in texts
            ],
        }
        logs = tf.nn.log_softmax(model.logits(model(ids))).numpy()
        for text, value, log in zip(texts, values, logs, strict=True):
            total = sum(log[i, token] for i, token in enumerate(text))
            assert total / len(text) == pytest.approx(float(value), abs=1e-4)


def test_compiled_beams_are_the_plain_ones():
    model = backbone("bart_base")
    rules = Constraints(no_repeat_ngram_size=2)
    plain, compiled = (
        search(BeamDecoder(model, 3, (3,), rules, compiled), SOURCES, 8)
        for compiled in (False, True)
    )
    assert plain[0] == compiled[0]
    np.testing.assert_allclose(plain[1], compiled[1], atol=1e-4)


@pytest.mark.parametrize(
    ("size", "text", "banned"),
    [
        (1, [4, 1, 4], {1, 4}),
        (2, [4, 1, 4], {1}),
        (2, [4, 4], {4}),
        (2, [4], set()),
        (3, [1, 2, 3, 1, 2], {3}),
        (3, [1, 2], set()),
        (3, [1, 1, 1], {1}),
    ],
)
def test_no_ngram_is_repeated(size, text, banned):
    rules = Constraints(no_repeat_ngram_size=size)
    tokens = tf.constant([text + [0] * 5])
    scores = rules.apply(tf.zeros([1, 6]), tokens, tf.constant(len(text)))
    assert set(np.flatnonzero(np.isinf(scores[0]))) == banned


def test_first_and_last_tokens_are_forced():
    rules = Constraints(first=4, last=2)
    for step, wanted in ((0, {4}), (1, set(range(5))), (2, {2})):
        scores = rules.apply(
            tf.zeros([1, 5]), tf.zeros([1, 3], tf.int32), tf.constant(step), 3
        )
        assert set(np.flatnonzero(scores[0] == 0.0)) == wanted


def test_bad_rules_are_refused():
    with pytest.raises(ValueError, match="num_beams must be positive, got 0"):
        BeamDecoder(None, 0)
    with pytest.raises(ValueError, match="early_stopping must be False, True or 'nev"):
        BeamRules.make(early_stopping="always")
    with pytest.raises(
        ValueError, match="length_penalty must be a finite number, got "
    ):
        BeamRules.make(float("nan"))
    with pytest.raises(
        tf.errors.InvalidArgumentError, match="length_penalty must be a"
    ):
        BeamRules(tf.constant(float("inf")), tf.constant(0)).checked()
    with pytest.raises(ValueError, match="no_repeat_ngram_size must be at least 0"):
        Constraints(no_repeat_ngram_size=-1)
