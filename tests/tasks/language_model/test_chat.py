"""Chat: what is learnt, what is replied, and what never is."""

from __future__ import annotations

import json
import logging
import math

import keras
import numpy as np
import pytest
import tensorflow as tf

from massivetext_keras.data import Conversation
from massivetext_keras.tasks import CausalLM
from massivetext_keras.tokenizers import (
    BytePairTokenizer,
    ByteTokenizer,
    SentencePieceTokenizer,
)
from massivetext_keras.training import adamw
from tests.tasks.tiny import TINY, byte_lm, randomize, words

pytestmark = pytest.mark.usefixtures("plain_loop", "without_xla")

ANSWERS = {"one": "eins", "two": "zwei", "three": "drei", "four": "vier"}
TALKS = [
    Conversation((question, answer), ("user", "assistant"))
    for question, answer in ANSWERS.items()
]
TALKS += [
    Conversation(
        ("Count.", "two", "zwei", "four", "vier"),
        ("system", "user", "assistant", "user", "assistant"),
    )
]
TEXT = ["the cat sat on the mat, the cat sat on the hat. User: Assistant:"] * 4


@pytest.fixture(scope="module")
def counter() -> CausalLM:
    """Has learnt to answer."""
    keras.utils.set_random_seed(0)
    lm = CausalLM(
        TINY.replace(vocabulary_size=259, hidden_size=48, max_length=160),
        ByteTokenizer(),
    )
    lm.compile(adamw(1e-2, 10, 120, weight_decay=0.0))
    train, _ = lm.example_datasets(TALKS, batch_size=5)
    lm.fit(train, steps_per_epoch=120, epochs=1, verbose=0)
    return lm


def said(lm, example) -> list[str]:
    """The text that has a weight, and the rest."""
    ((features, labels, weights),) = lm.example_batches([example], 1).validation()
    row = np.array([features["token_ids"][0, 0], *labels[0]])
    marks = np.array([0, *weights[0]]) > 0
    decode = lm.tokenizer.detokenize
    return [decode(row[x]).numpy().decode() for x in (marks, ~marks)]


@pytest.mark.parametrize("template", ["plain", "chatml"])
def test_the_weights_pick_out_the_replies_and_their_ends(template):
    lm = byte_lm(max_length=200, chat_template=template)
    end = lm.chat_template["assistant"][1]
    learnt, rest = said(lm, TALKS[-1])
    assert learnt == f"zwei{end}vier{end}"
    assert "zwei" not in rest and "Count." in rest and "four" in rest


@pytest.mark.parametrize(
    "tokenizer",
    [
        BytePairTokenizer.train(texts=TEXT, vocabulary_size=280),
        SentencePieceTokenizer.train(texts=TEXT, vocabulary_size=290),
    ],
    ids=["byte_pair", "sentencepiece"],
)
def test_a_reply_follows_in_training_what_it_follows_in_chat(tokenizer):
    lm = byte_lm(tokenizer=tokenizer, vocabulary_size=300, max_length=99)
    texts = ("the cat sat", " on the mat", "on the hat.", "sat.", "the end")
    roles = ("user", "assistant", "user", "assistant", "user")
    batches = lm.example_batches([Conversation(texts[:4], roles[:4])], 1)
    ((features, _, weights),) = batches.validation()
    learnt = features["token_ids"].numpy()[0].tolist()
    starts = np.flatnonzero(np.diff(weights.numpy()[0], prepend=0) > 0)
    for turn, start in zip((1, 3), starts, strict=True):
        asked = Conversation(texts[:turn], roles[:turn])
        read = lm.assistant.read([asked], 4).to_list()[0]
        assert learnt[: start + 1] == read


def test_conversations_are_learnt_and_answered(counter):
    assert counter.chat(list(ANSWERS), temperature=0.0) == list(ANSWERS.values())
    dicts = [{"role": "user", "content": "two"}]
    assert counter.chat(dicts, temperature=0.0) == "zwei"
    assert counter.chat([dicts, "one"], temperature=0.0) == ["zwei", "eins"]
    assert counter.chat([]) == []
    assert "".join(counter.chat_stream(dicts, temperature=0.0)) == "zwei"
    assert counter.chat("two", max_new_tokens=2, temperature=0.0) == "zw"
    assert counter.chat("two", max_new_tokens=0) == ""
    assert counter.predictions(TALKS) == [
        *({"reply": answer} for answer in ANSWERS.values()),
        {"reply": "vier"},
    ]


def test_measures_of_replies(counter):
    found = counter.measure(TALKS, counter.predictions(TALKS))
    nats = tokens = 0.0
    for talk in TALKS:
        ids = [x + 3 for x in counter.template.render(talk, opened=False).encode()]
        logs = tf.nn.log_softmax(counter({"token_ids": [ids[:-1]]}))[0].numpy()
        text = bytes(x - 3 for x in ids).decode()
        for reply, role in zip(*talk, strict=True):
            if role != "assistant":
                continue
            start = text.index(f"Assistant: {reply}\n\n") + len("Assistant: ")
            for place in range(start, start + len(reply) + 2):
                nats -= logs[place - 1, ids[place]]
                tokens += 1
    assert found["loss"] == pytest.approx(nats / tokens, rel=1e-3)
    assert found["perplexity"] == pytest.approx(math.exp(found["loss"]))
    assert found["bits_per_byte"] == pytest.approx(found["loss"] / math.log(2))
    assert found["chrf"] == 100.0
    worse = [{"reply": "x"}] * len(TALKS)
    assert counter.measure(TALKS, worse)["chrf"] == 0.0


def test_what_is_too_long_is_said_once(counter, caplog):
    talk = [{"role": "user", "content": text} for text in ("long " * 30, "two")]
    with caplog.at_level(logging.WARNING):
        assert counter.chat([talk, talk, "two"], 8, temperature=0.0) == ["zwei"] * 3
    assert len(caplog.records) == 1
    assert "2 of 3 conversations are too long for the context of 160" in caplog.text
    assert "2 of their oldest turns are left out, and 0 tokens" in caplog.text


def test_conversations_without_a_reply_are_counted(counter, caplog):
    talks = [TALKS[0], Conversation(("one",), ("user",))]
    with caplog.at_level(logging.WARNING):
        assert counter.example_batches(talks, 1).rows.count == 1
    said = "1 of 2 conversations have no reply: they are left out"
    assert [record.getMessage() for record in caplog.records] == [said]
    with pytest.raises(ValueError, match="1 conversations: none has a reply that"):
        counter.example_batches(talks[1:], 1)


def test_records_become_conversations():
    messages = [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]
    talk = Conversation(("a", "b"), ("user", "assistant"))
    assert CausalLM.example({"messages": messages}) == talk
    assert CausalLM.example({"prompt": "a", "reply": "b"}) == talk
    assert CausalLM.example({"prompt": "a"}) == Conversation(("a",), ("user",))
    for fields in ({}, {"reply": "b"}, {"messages": []}, {"prompt": 3}):
        with pytest.raises(ValueError):
            CausalLM.example(fields)


def test_what_is_no_conversation_is_said_and_half_a_pair_is_read():
    lm = byte_lm(max_length=96)
    for messages in ({"role": "user", "content": "a"}, 5):
        with pytest.raises(ValueError, match="messages are no list"):
            lm.chat(messages)
    found = lm.chat(["a\ud83d", "a\ufffd"], 4, temperature=0.0)
    assert found[0] == found[1]


def test_the_template_and_the_phrases_stay_with_the_preset(tmp_path):
    strings = {"system": ["", ""], "user": ["<", ">"], "assistant": ["[", "]"]}
    lm = byte_lm(chat_template=strings, banned=["bad", "Übel"])
    lm.save_preset(tmp_path)
    again = CausalLM.from_preset(str(tmp_path))
    assert again.chat_template == strings and again.banned == ("bad", "Übel")
    options = {"max_new_tokens": 8, "seed": 3}
    assert again.chat("a", **options) == lm.chat("a", **options)
    other = CausalLM.from_preset(str(tmp_path), chat_template="chatml")
    assert other.template.end == "<|im_end|>"


# Banned phrases


def lover(phrase: str, tokenizer=None) -> CausalLM:
    """Writes a phrase over and over, in all of its cuts into tokens."""
    lm = byte_lm(tokenizer=tokenizer, vocabulary_size=290, max_length=60)
    keras.utils.set_random_seed(0)
    lm.compile(adamw(2e-2, 5, 60, weight_decay=0.0))
    text = (phrase * 40)[:50]
    ids = lm.tokenizer([text]).to_tensor()[:, :60]
    batch = {"token_ids": ids[:, :-1]}, ids[:, 1:], tf.ones_like(ids[:, 1:], tf.float32)
    randomize(lm.backbone, 0, 0.1)
    lm.fit(tf.data.Dataset.from_tensors(batch).repeat(60), epochs=1, verbose=0)
    return lm


CASES = [("schlimm über ", "M ÜBER"), ("bad Egg ", "bad egg"), ("坏蛋！", "蛋！坏")]


@pytest.mark.parametrize(
    ("text", "banned"),
    [CASES[0], *(pytest.param(*case, marks=pytest.mark.slow) for case in CASES[1:])],
)
def test_a_loved_phrase_is_never_written(text, banned):
    tokenizer = BytePairTokenizer.train(texts=[text * 9], vocabulary_size=262)
    lm = lover(text, tokenizer)
    free = lm.generate(text, 40, temperature=0.0, include_prompt=False)
    assert banned.casefold() in free.casefold()
    for options in (
        {"temperature": 0.0},
        {"temperature": 0.7, "seed": 1},
        {"temperature": 3.0, "seed": 2, "num_samples": 4},
        {"top_k": 1, "seed": 3},
        {"top_p": 0.1, "seed": 4},
    ):
        prompts = [text, text[:-3], ""]
        found = lm.generate(
            prompts, 40, banned=[banned, "\0x"], include_prompt=False, **options
        )
        for one in np.ravel(found):
            assert banned.casefold() not in one.casefold()
            assert len(one) > 5  # the rest goes on
    pieces = lm.stream(text, 40, temperature=0.0, banned=banned, include_prompt=False)
    assert "".join(pieces) == lm.generate(
        text, 40, temperature=0.0, banned=banned, include_prompt=False
    )


def test_nor_is_a_phrase_that_the_prompt_begins():
    lm = byte_lm(banned=[f"a{chr(i)}" for i in range(32, 127)])
    found = lm.generate(["a", "b"], 1, temperature=9.0, seed=0, num_samples=40)
    seen = [sum(" " <= text[1:2] <= "~" for text in texts) for texts in found]
    assert seen[0] == 0 and seen[1] > 5


def test_own_phrases_hold_for_all_verbs(tmp_path):
    text, banned = CASES[1]
    lm = lover(text)
    lm.save_preset(tmp_path)
    lm = CausalLM.from_preset(
        str(tmp_path),
        banned=banned,
        chat_template={
            "system": ["", ""],
            "user": ["", ""],
            "assistant": ["bad", "\0"],
        },
    )
    greedy = {"max_new_tokens": 30, "temperature": 0.0}
    ids = lm.generate_ids(lm.tokenizer([text]), **greedy)
    found = [
        lm.generate(text, **greedy, include_prompt=False),
        lm.chat(text, **greedy),
        lm.tokenizer.detokenize(ids)[0].numpy().decode()[len(text) :],
    ]
    assert not any(banned in one.lower() for one in found)
    limited = lm.generate(text, **greedy, banned="d", include_prompt=False)
    assert "d" not in limited.lower() and banned not in limited.lower()


def test_phrases_that_cannot_be_banned():
    with pytest.raises(ValueError, match="WordPieceTokenizer: its texts are not the"):
        byte_lm(tokenizer=words(), banned="x")
    with pytest.raises(ValueError, match="a banned phrase is empty"):
        byte_lm().generate("a", 4, banned=["b", ""])
    with pytest.raises(ValueError, match="banned phrase 0 is no string: 1"):
        byte_lm(banned=[1])
    with pytest.raises(ValueError, match="made without a tokenizer"):
        CausalLM(TINY, banned=["x"])


def test_hostile_strings_in_a_conversation(data_dir):
    lm = byte_lm(max_length=96)
    texts = json.loads((data_dir / "bad" / "naughty_strings.json").read_text())
    replies = lm.chat(texts, max_new_tokens=2, temperature=0.0)
    assert len(replies) == len(texts)
    some = texts[::25]
    assert [lm.chat(x, 2, temperature=0.0) for x in some] == replies[::25]
