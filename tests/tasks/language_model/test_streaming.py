"""Exports that write texts step by step, by whoever has tensorflow alone."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from massivetext_keras.architecture.recurrent import RecurrentConfig
from massivetext_keras.generation.slots.signatures import SlotSignatures
from massivetext_keras.tasks import CausalLM, MaskedLM
from massivetext_keras.tasks.language_model.streaming import Streaming, rules_of
from massivetext_keras.tasks.served import graph_of
from massivetext_keras.tokenizers import ByteTokenizer
from tests.tasks.tiny import byte_lm, encoder_task, randomize

NUMBERS = {
    "temperature": tf.float32,
    "top_k": tf.int32,
    "top_p": tf.float32,
    "seed": tf.int32,
}


def tiny():
    return byte_lm(seed=3, never_ids=[(5, 6)], banned=["q"], end_ids=(70, 71, 72))


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    """What an export has of the slots, loaded again."""
    lm, folder = tiny(), str(tmp_path_factory.mktemp("export"))
    stream, module = Streaming(lm, xla=False), tf.Module()
    module.tokenizer, module.stream = lm.tokenizer, stream.variables
    module.weights = [weight.value for weight in lm.named_weights().values()]
    tf.saved_model.save(module, folder, signatures=stream.signatures())
    loaded = tf.saved_model.load(folder)
    stream.check(loaded.signatures, lm)
    return loaded


def numbers(i: int) -> dict:
    found = {
        "temperature": [0.0, 0.8, 1.2][i % 3],
        "top_k": [0, 9][i % 2],
        "top_p": [1.0, 0.7][i // 2 % 2],
        "seed": i,
    }
    return {name: tf.constant(found[name], kind) for name, kind in NUMBERS.items()}


def test_texts_are_those_of_generate(served):
    ask, prompts = served.signatures, [f"{'é' * (i % 4)}ab{i}" for i in range(9)]
    room = [3 + 5 * (i % 3) for i in range(9)]
    ask["slots_open"](slots=tf.constant(2), places=tf.constant(40))
    todo, slots, found, pieces = [*range(9)], [None, None], {}, {}
    while todo or slots != [None, None]:
        for slot in (0, 1):
            if slots[slot] is None and todo:
                i = slots[slot] = todo.pop(0)
                read = ask["slots_fill"](
                    slot=tf.constant(slot),
                    prompt=tf.constant(prompts[i]),
                    max_new_tokens=tf.constant(room[i]),
                    repetition_penalty=tf.constant(1.0),
                    **numbers(i),
                )
                assert int(read["prompt_tokens"]) == len(prompts[i].encode())
                pieces[i] = [""]
        seen = ask["slots_step"](steps=tf.constant(3))
        for slot, i in enumerate(slots):
            if i is not None:
                text = seen["text"].numpy()[slot].decode()
                assert text.startswith(pieces[i][-1])
                pieces[i].append(text)
                if seen["done"].numpy()[slot]:
                    found[i], slots[slot] = text, None
                    assert 1 <= seen["new_tokens"].numpy()[slot] <= room[i]
    generate = graph_of(tiny(), CausalLM.generate_graph, compiled=False)
    for i, prompt in enumerate(prompts):
        right = generate([prompt], max_new_tokens=room[i], **numbers(i))["text"]
        assert prompt + found[i] == right.numpy()[0].decode()


@pytest.mark.usefixtures("plain_loop")
@pytest.mark.parametrize(
    "kind", ["transformer", pytest.param("recurrent", marks=pytest.mark.slow)]
)
def test_prompts_are_read_in_chunks_and_share_beginnings(kind):
    lm = byte_lm(seed=3, position="rotary", max_length=128)
    if kind == "recurrent":
        config = RecurrentConfig(
            vocabulary_size=259, num_layers=1, hidden_size=12, max_length=128
        )
        lm = CausalLM(config, ByteTokenizer())
        randomize(lm.backbone, 1, 1.0)
    how = rules_of(lm), lm.own_numbers, False, None
    slots = SlotSignatures(lm.tokenizer, lm.backbone, *how, chunk=16)
    ask = slots.signatures()
    head = "a beginning of many words, longer than what is shared at least. "
    prompts = ["ab", head + "One", head + "Two", head[:40] + "three", "x" * 90]
    ask["slots_open"](tf.constant(3), tf.constant(110))
    todo, slots_of, found, shared, reads = [*prompts], {}, {}, {}, {}
    while todo or slots_of:
        for slot in {0, 1, 2} - {*slots_of}:
            if todo:
                slots_of[slot] = prompt = todo.pop(0)
                how = tf.constant(0.9), 0, 1.0, 1.2, 5
                ask["slots_fill"](tf.constant(slot), tf.constant(prompt), 9, *how)
        seen = {k: v.numpy() for k, v in ask["slots_step"](tf.constant(3)).items()}
        for slot, prompt in [*slots_of.items()]:
            waits = seen["new_tokens"][slot] == 0
            reads[prompt] = reads.get(prompt, 0) + waits
            assert not (waits and seen["done"][slot])
            if seen["done"][slot]:
                found[slots_of.pop(slot)] = seen["text"][slot].decode()
                shared[prompt] = seen["shared"][slot]
    for prompt in prompts:
        right = lm.generate(
            prompt,
            9,
            temperature=0.9,
            repetition_penalty=1.2,
            seed=5,
            include_prompt=False,
        )
        assert found[prompt] == right, prompt
    assert reads["ab"] == 0 and reads["x" * 90] >= 89 // 16
    sizes = [shared[prompt] for prompt in prompts]
    same = [0, 0, len(head), 40, 0]
    assert sizes == (same if kind == "transformer" else [0] * 5)


def test_log_probabilities(served):
    ask, lm = served.signatures, tiny()
    ask["slots_open"](slots=tf.constant(1), places=tf.constant(40))
    for i in (1, 2):
        ask["slots_fill"](
            slot=tf.constant(0),
            prompt=tf.constant("ab"),
            max_new_tokens=tf.constant(9),
            repetition_penalty=tf.constant(1.0),
            **numbers(i),
        )
        seen = ask["slots_step"](steps=tf.constant(8))
        count = int(seen["new_tokens"][0])
        new = seen["token_ids"].numpy()[:count, 0]
        ids = [*lm.tokenizer("ab").numpy(), *new]
        right = tf.nn.log_softmax(lm({"token_ids": [ids[:-1]]})[0, 1:]).numpy()
        found = seen["log_probabilities"].numpy()[:count, 0]
        np.testing.assert_allclose(found, right[range(count), new], atol=1e-4)


def test_what_is_out_of_range_is_named(served):
    ask = served.signatures
    with pytest.raises(tf.errors.InvalidArgumentError, match="context of 64"):
        ask["slots_open"](slots=tf.constant(2), places=tf.constant(65))
    ask["slots_open"](slots=tf.constant(1), places=tf.constant(8))
    with pytest.raises(tf.errors.InvalidArgumentError, match="max_new_tokens must be"):
        ask["slots_fill"](
            slot=tf.constant(0),
            prompt=tf.constant("ab"),
            max_new_tokens=tf.constant(8),
            repetition_penalty=tf.constant(1.0),
            **numbers(1),
        )


def test_other_tasks_do_not_stream(tmp_path):
    with pytest.raises(ValueError, match="a MaskedLM does not write token by token"):
        encoder_task(MaskedLM).export(tmp_path / "served", streaming=True)


@pytest.mark.slow
def test_an_export_has_them_beside_its_other_signatures(tmp_path):
    tiny().export(tmp_path / "served", xla=False, streaming=True)
    loaded = tf.saved_model.load(str(tmp_path / "served"))
    names = {"generate", "slots_open", "slots_fill", "slots_step"}
    assert names <= {*loaded.signatures}
