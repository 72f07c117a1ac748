"""Several ids that end a text, in all verbs of tasks that write."""

from __future__ import annotations

import json

import pytest
import tensorflow as tf

from massivetext_keras import tasks
from massivetext_keras.architecture.shapes import preset
from massivetext_keras.huggingface.generation import end_ids
from massivetext_keras.tokenizers import ByteTokenizer
from tests.tasks.tiny import byte_lm, randomize

pytestmark = pytest.mark.usefixtures("plain_loop", "without_xla")


def first_of(row: list[int], ends: set[int]) -> list[int]:
    """A row up to the first id that ends it."""
    place = next((i for i, token in enumerate(row) if token in ends), len(row))
    return row[: place + 1]


def seq2seq(**options) -> tasks.Seq2SeqLM:
    config = preset("transformer_base").replace(
        vocabulary_size=259, num_layers=1, hidden_size=16, num_heads=2, max_length=24
    )
    lm = tasks.Seq2SeqLM(config, ByteTokenizer(), **options)
    randomize(lm.backbone, 0, 1.0)
    return lm


@pytest.fixture(scope="module")
def ended() -> tuple[tasks.CausalLM, str]:
    """A task with two ends, and what it writes after "Once" up to the first of them."""
    prompt = [ord(c) + 3 for c in "Once"]
    free = byte_lm(end_ids=[]).generate_ids([prompt], 24).to_list()[0][4:]
    lm = byte_lm(end_ids=sorted({free[9], free[5]}))
    wanted = first_of(free, {free[9], free[5]})
    assert len(wanted) < 24
    assert lm.generate_ids([prompt], 24).to_list()[0][4:] == wanted
    assert lm.generate_ids([prompt], 24, stop_ids=()).to_list()[0][4:] == free
    return lm, lm.tokenizer.detokenize(wanted).numpy().decode()


OPTIONS = {"max_new_tokens": 24, "temperature": 0.0}


def test_each_of_them_ends_a_text(ended):
    lm, text = ended
    assert lm.generate("Once", **OPTIONS, include_prompt=False) == text
    assert "".join(lm.stream("Once", **OPTIONS, include_prompt=False)) == text


@pytest.mark.slow
def test_an_export_ends_there(ended):
    lm, text = ended
    greedy = {"top_k": 0, "top_p": 1.0, "seed": 0, **OPTIONS}
    found = lm.signatures()["generate"](prompt=tf.constant(["Once"]), **greedy)
    assert found["text"].numpy()[0].decode() == "Once" + text


def test_a_reply_ends_there(ended):
    lm, text = ended
    strings = {"system": ["", ""], "user": ["", ""], "assistant": [" ", "\0"]}
    lm.set_chat_template(strings)
    reply = lm.chat("Hi", **OPTIONS)
    assert "".join(lm.chat_stream("Hi", **OPTIONS)) == reply
    ids = lm.generate_ids([[ord(c) + 3 for c in "Hi "]], 24).to_list()[0][3:]
    assert lm.tokenizer.detokenize(ids).numpy().decode().lstrip() == reply


def test_answers_of_an_encoder_decoder_end_there():
    free = seq2seq(end_ids=[]).generate_ids([[5, 2]], 12).to_list()[0]
    ends = {free[3], free[6]}
    lm = seq2seq(end_ids=sorted(ends))
    assert lm.generate_ids([[5, 2]], 12).to_list()[0] == first_of(free, ends)
    best = lm.generate_ids([[5, 2]], 12, num_beams=3).to_list()[0]
    assert len(best) == 12 or best[-1] in ends
    assert not {*best[:-1]} & ends


def test_what_a_folder_says(tmp_path):
    def written(name: str, **values) -> None:
        (tmp_path / name).write_text(json.dumps(values))

    written("config.json", eos_token_id=[7, 9], vocab_size=50)
    assert end_ids(tmp_path) == (7, 9)
    written("generation_config.json", eos_token_id=[8, 9, 70])
    assert end_ids(tmp_path) == (8, 9)  # 70 is no id of the model
    written("generation_config.json", eos_token_id=6)
    assert end_ids(tmp_path) == (6,)
    written("generation_config.json", eos_token_id=None)
    assert end_ids(tmp_path) == (7, 9)
    written("config.json", eos_token_id=None)
    assert end_ids(tmp_path) == ()
    written("config.json", eos_token_id="7")
    with pytest.raises(ValueError, match="config.json: eos_token_id='7' is no id"):
        end_ids(tmp_path)


def test_they_are_kept(tmp_path):
    lm = byte_lm(end_ids=[2, 100])
    lm.save_preset(tmp_path / "own")
    assert tasks.CausalLM.from_preset(str(tmp_path / "own")).end_ids == (2, 100)
    lm.save_preset(tmp_path / "hf", format="huggingface")
    generation = json.loads((tmp_path / "hf" / "generation_config.json").read_text())
    assert generation["eos_token_id"] == [2, 100]
    again = tasks.CausalLM.from_preset(f"hf:{tmp_path / 'hf'}")
    assert again.end_ids == (2, 100) and again.tokenizer.eos_id == 2
    # ids of the folder's tokenizer mean nothing to another one
    other = tasks.CausalLM.from_preset(f"hf:{tmp_path / 'hf'}", ByteTokenizer())
    assert other.end_ids is None
    with pytest.raises(ValueError, match="end_ids: 259 is no id of 259 tokens"):
        byte_lm(end_ids=[259])
