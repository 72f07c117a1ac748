"""What a judge does not let pass leaves by no way; the refusal does."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from massivetext_keras.tasks import CausalLM, Moderation, TextClassifier
from massivetext_keras.tasks import judge as mark
from massivetext_keras.text.held import due
from massivetext_keras.tokenizers import ByteTokenizer
from tests.serving.exports import write_texts
from tests.tasks.language_model.ways import NEW, TALK, eager_lm, export_ways
from tests.tasks.tiny import ENCODER, randomize

pytestmark = pytest.mark.usefixtures("plain_loop")

REFUSAL = "No."


@mark
def questions(texts):
    """What asks may not pass."""
    return ["it asks" if "?" in text else "" for text in texts]


TEXTS = ["abc", "ccc", "bbb", "xyz", "?", "the end of it all", "x", "cab"]


def classifier() -> TextClassifier:
    """At random; to half of some texts it says one label, to half the other."""
    config = ENCODER.replace(vocabulary_size=259, num_layers=1, max_length=64)
    found = TextClassifier(config, ByteTokenizer(), labels=["good", "bad"])
    randomize(found, seed=4)
    logits = found.texts_graph.rows([x.encode() for x in TEXTS])["_logits"]
    middle = np.median(logits[:, 1] - logits[:, 0])
    found.named_weights()["head/classes/bias"].assign_add([middle, 0.0])
    return found


def is_bad(judge: TextClassifier, text: str) -> bool:
    (found,) = judge.classify([text])
    return found.label == "bad"


def test_any_turn_of_a_conversation_is_judged():
    lm = eager_lm()
    right = lm.chat(TALK[2:], NEW, temperature=0)
    lm.moderation = Moderation(questions, refusal=REFUSAL)
    assert lm.chat([TALK, TALK[2:]], NEW, temperature=0) == [REFUSAL, right]
    assert list(lm.chat_stream(TALK, NEW)) == [REFUSAL]
    assert "".join(lm.chat_stream(TALK[2:], NEW, temperature=0)) == right


def test_a_stream_is_held_back_until_a_sentence_was_judged():
    asked = []

    def note(texts):
        asked.extend(texts)
        return ["no" if "bad" in text else None for text in texts]

    judge = Moderation(note, refusal=REFUSAL)
    pieces = list(judge.held("One. Two is bad. Three."))
    assert pieces == ["One. ", REFUSAL]
    assert asked == ["One. ", "One. Two is bad. "]
    assert list(judge.held("One. Two")) == ["One. ", "Two"]
    assert list(judge.held("all bad")) == [REFUSAL]
    assert due("x" * 399, 0, 399) == 0 and due("x" * 400, 0, 400) == 400


def test_a_classifier_judges_by_its_labels():
    judge = classifier()
    texts = TEXTS
    right = [is_bad(judge, text) for text in texts]
    assert sum(right) == len(texts) / 2
    assert Moderation(judge, ["bad"]).refused(texts) == right
    every = Moderation(judge, ["good", "bad"]).reasons(texts)
    assert every == ["bad" if bad else "good" for bad in right]
    scores = np.array([x.score for x in judge.classify(texts)])
    surer = Moderation(judge, ["bad"], threshold=0.999).refused(texts)
    assert surer == [bad and s >= 0.999 for bad, s in zip(right, scores, strict=True)]


def test_a_preset_holds_it(tmp_path):
    judge = classifier()
    lm = eager_lm(moderation=Moderation(judge, ["bad"], 0.4, REFUSAL, before=False))
    lm.save_preset(tmp_path / "lm")
    other = CausalLM.from_preset(str(tmp_path / "lm"))
    assert other.moderation.to_dict() == lm.moderation.to_dict()
    texts = TEXTS
    assert other.moderation.reasons(texts) == lm.moderation.reasons(texts)
    for a, b in zip(judge.weights, other.moderation.judge.weights, strict=True):
        np.testing.assert_array_equal(a.numpy(), b.numpy())
    assert not {id(w) for w in judge.weights} & {id(w) for w in lm.weights}
    lm.moderation = Moderation(questions)
    lm.save_preset(tmp_path / "lm")
    other = CausalLM.from_preset(str(tmp_path / "lm"))
    assert other.moderation.judge is questions
    lost = CausalLM(
        lm.config, lm.tokenizer, moderation={"judge": None, "labels": ["a"]}
    )
    with pytest.raises(ValueError, match="classifier was not read"):
        lost.generate("x", 4)


@pytest.mark.slow
def test_an_export_has_it_in_its_graphs(tmp_path):
    judge, names = classifier(), ("serving_default", "generate", "chat")
    names += ("complete", "complete_chat")
    found = []
    for moderation in (None, Moderation(judge, ["bad"], refusal=REFUSAL)):
        lm, path = eager_lm(moderation=moderation), tmp_path / str(len(found))
        write_texts(lm, path, *names)
        found.append(export_ways(tf.saved_model.load(str(path)).signatures))
    free, bound = found
    kinds = set()
    for name in names:
        chat = "chat" in name
        prompts = ["x", "xc", "x"]
        for i, (one, other) in enumerate(zip(free[name], bound[name], strict=True)):
            asked = [turn["content"] for turn in TALK] if chat else [prompts[i]]
            # `export_ways` takes the first letter off, that of the prompt.
            cut = name in ("serving_default", "generate")
            new = one.removeprefix(prompts[i][1:]) if cut else one
            bad = any(is_bad(judge, text) for text in [*asked, new])
            assert other == ((REFUSAL[1:] if cut else REFUSAL) if bad else one)
            kinds.add(bad)
    assert kinds == {True, False}


def test_what_is_refused(tmp_path):
    judge = classifier()
    for arguments, message in (
        ((judge,), "name the labels"),
        ((judge, ["bda"]), "did you mean 'bad'"),
        ((judge, ["bad"], 0.0), "threshold must be above 0"),
        ((questions, ["bad"]), "labels are of a classifier"),
        (("json:dump_it",), "json has no function 'dump_it'"),
        (("dumps",), "has no function"),
    ):
        with pytest.raises(ValueError, match=message):
            Moderation(*arguments)
    lm = eager_lm(moderation=Moderation(lambda texts: [""] * len(texts)))
    with pytest.raises(ValueError, match="is not found again"):
        lm.save_preset(tmp_path)
    with pytest.raises(ValueError, match="subprocess:call is not marked"):
        Moderation.of({"judge": "subprocess:call"})
    with pytest.raises(ValueError, match="a function cannot be in an export"):
        lm.generate_graph(["x"])
    for how in ({"streaming": True}, {"format": "gguf"}):
        with pytest.raises(ValueError, match="cannot be held back"):
            lm.export(tmp_path / "there", **how)
    with pytest.raises(ValueError, match="'huggingface' has none"):
        lm.save_preset(tmp_path, "huggingface")
    lm.moderation = Moderation(lambda texts: [])
    with pytest.raises(ValueError, match="0 reasons for 1 texts"):
        lm.generate("x", 4)
