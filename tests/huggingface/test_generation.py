"""What a folder says about writing: read, kept, obeyed, and written again."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
import tensorflow as tf

from massivetext_keras import tasks
from massivetext_keras.generation.settings import SAMPLING, merged, settle
from massivetext_keras.huggingface.generation import generation_values, read_options
from tests.huggingface.fixtures import FIXTURES
from tests.tasks.tiny import byte_lm

# facebook/bart-large-cnn's
CNN = {
    "num_beams": 4,
    "length_penalty": 2.0,
    "min_length": 56,
    "max_length": 142,
    "no_repeat_ngram_size": 3,
    "early_stopping": True,
    "forced_bos_token_id": 0,
    "forced_eos_token_id": 2,
    "decoder_start_token_id": 2,
}
AS_OURS = {
    "num_beams": 4,
    "length_penalty": 2.0,
    "early_stopping": True,
    "no_repeat_ngram_size": 3,
    "max_new_tokens": 141,
    "min_new_tokens": 55,
}
ALL = tasks.CausalLM.accepted_options()
ALL_TEXT_TO_TEXT = tasks.Seq2SeqLM.accepted_options()


def options(folder, values, config=(), **arguments):
    """Those of a folder with such a generation_config.json (None: there is none)."""
    (folder / "config.json").write_text(json.dumps(dict(config)))
    if values is not None:
        (folder / "generation_config.json").write_text(json.dumps(values))
    return read_options(folder, **{"accepted": ALL, **arguments})


def text_to_text(folder, values, config=(), **more):
    more = {"accepted": ALL_TEXT_TO_TEXT, "encoder_decoder": True, **more}
    return options(folder, values, config, **more)


@pytest.mark.parametrize("where", ["generation_config", "config", "only task"])
def test_a_summarizer_writes_as_its_folder_says(tmp_path, where):
    found = {
        "generation_config": lambda: text_to_text(tmp_path, CNN, {"num_beams": 9}),
        "config": lambda: text_to_text(tmp_path, None, CNN),
        "only task": lambda: text_to_text(
            tmp_path,
            {k: v for k, v in CNN.items() if "token" in k} | {"num_beams": 2},
            {"task_specific_params": {"summarization": CNN}},
        ),
    }[where]()
    ids = {"start_id": 2, "first_id": 0, "last_id": 2}
    assert found == {**ids, "generation": AS_OURS}
    again = text_to_text(tmp_path, generation_values(found))
    assert again == found


def test_of_several_tasks_the_prefix_says_which(tmp_path, caplog):
    params = {
        "summarization": {"prefix": "summarize: ", "num_beams": 4, "min_length": 31},
        "translation_en_to_de": {"prefix": "to German: ", "num_beams": 5},
    }
    config = {"task_specific_params": params}
    assert text_to_text(tmp_path, {}, config) == {}
    assert "prefix=… says which are to be taken" in caplog.text
    found = text_to_text(tmp_path, {}, config, prefix="summarize: ")
    own = {"num_beams": 4, "min_new_tokens": 30}
    assert found == {"prefix": "summarize: ", "generation": own}
    assert text_to_text(tmp_path, {}, config, prefix="x") == {}


@pytest.mark.parametrize(
    ("values", "generation"),
    [
        ({"do_sample": True, "temperature": 0.6, "top_p": 0.9, "top_k": 20}, None),
        (
            {"do_sample": True, "repetition_penalty": 1.1},
            {"temperature": 1.0, "top_k": 50, "repetition_penalty": 1.1},
        ),
        ({"do_sample": False, "temperature": 0.6, "top_k": 5}, {"temperature": 0.0}),
        ({"temperature": 0.6, "min_p": 0.1, "max_new_tokens": 9}, None),
        ({"stop_strings": "END"}, {"stop": ["END"]}),
        ({"min_new_tokens": 3, "top_p": 1.0, "repetition_penalty": 1.0}, None),
    ],
    ids=str,
)
def test_sampling_is_that_of_the_folder(tmp_path, values, generation):
    if generation is None:
        nothing = {"do_sample": True, "top_p": 1.0, "repetition_penalty": 1.0}
        generation = {k: v for k, v in values.items() if nothing.get(k) != v}
    found = options(tmp_path, values)
    assert found == {"generation": generation}
    assert options(tmp_path, generation_values(found)) == found


def test_what_is_forbidden(tmp_path):
    values = {
        "bad_words_ids": [[7], [2], [5, 6]],
        "suppress_tokens": [9, 7],
        "eos_token_id": [2, 3],
    }
    found = options(tmp_path, values)
    assert found["never_ids"] == (7, 9, (5, 6))
    again = options(tmp_path, generation_values(found))
    assert again["never_ids"] == found["never_ids"]


def test_what_is_not_taken_is_said_once(tmp_path, caplog):
    values = {
        "diversity_penalty": 0.5,
        "typical_p": 0.9,
        "max_length": 4096,
        "num_beam_groups": 1,
        "forced_bos_token_id": 4,
        "transformers_version": "5",
    }
    assert options(tmp_path, values) == {}
    (line,) = (record.getMessage() for record in caplog.records)
    assert line.endswith(
        "generation_config.json: not taken from it: diversity_penalty=0.5; "
        "typical_p=0.9; max_length=4096, which counts the prompt; "
        "forced_bos_token_id=4"
    )
    caplog.clear()
    neutral = {"num_beams": 1, "temperature": None, "bad_words_ids": None}
    assert options(tmp_path, neutral) == {} and not caplog.records


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"top_k": "5"}, 'generation_config.json: top_k="5" is not .*a number'),
        ({"early_stopping": 3}, 'early_stopping=3 is not supported; .*"never"'),
        ({"bad_words_ids": [3]}, r"bad_words_ids=\[3\] is not .*lists of ids"),
        ({"do_sample": "false"}, 'do_sample="false" is not supported; known: true'),
        ({"num_beams": 2.5}, "num_beams=2.5 is not .*a whole number"),
        ({"max_new_tokens": float("inf")}, "max_new_tokens=.* is not .*a whole number"),
    ],
)
def test_a_wrong_value_is_named(tmp_path, values, message):
    with pytest.raises(ValueError, match=message):
        options(tmp_path, values)


def test_other_wrong_values_are_named(tmp_path):
    with pytest.raises(ValueError, match=r"task_specific_params=\[1\] is not"):
        options(tmp_path, {}, {"task_specific_params": [1]})
    (tmp_path / "chat_template.jinja").write_bytes(b"\xff")
    with pytest.raises(ValueError, match="chat_template.jinja: not UTF-8"):
        options(tmp_path, {})


def test_whole_numbers_may_be_floats(tmp_path):
    found = options(tmp_path, {"top_k": 5.0, "max_new_tokens": 7.0})["generation"]
    assert found == {"top_k": 5, "max_new_tokens": 7}
    assert {type(value) for value in found.values()} == {int}


OWN = {"num_beams": 4, "temperature": 0.5, "max_new_tokens": 99, "top_k": 3}


@pytest.mark.parametrize(
    ("given", "taken"),
    [
        ({}, (39, 4, 0.5)),
        ({"max_new_tokens": 7}, (7, 4, 0.5)),
        ({"temperature": 0.0}, (39, 4, 0.0)),
        ({"temperature": 0.7}, (39, 1, 0.7)),
        ({"num_beams": 2}, (39, 2, 0.0)),
        ({"num_beams": 1}, (39, 1, 0.5)),
    ],
    ids=str,
)
def test_an_argument_that_is_given_wins(given, taken):
    found = merged(given, OWN, context=40)
    names = ("max_new_tokens", "num_beams", "temperature")
    usual = {"num_beams": 1, "temperature": 0.0}
    assert tuple({**usual, **found}[name] for name in names) == taken


def test_an_argument_that_is_none_is_not_given():
    own = {"max_new_tokens": 99, "top_k": 3}
    found = settle({"max_new_tokens": None, "top_k": None}, own, SAMPLING, {}, 40)
    assert (found.max_new_tokens, found.sampling.top_k) == (39, 3)


@pytest.mark.usefixtures("plain_loop")
def test_a_folder_is_obeyed_kept_and_written(tmp_path):
    shutil.copytree(FIXTURES / "bart", tmp_path / "bart")
    values = {
        "num_beams": 3,
        "min_length": 6,
        "max_length": 9,
        "no_repeat_ngram_size": 2,
        "decoder_start_token_id": 2,
        "eos_token_id": 2,
    }
    (tmp_path / "bart/generation_config.json").write_text(json.dumps(values))
    lm = tasks.Seq2SeqLM.from_preset(f"hf:{tmp_path / 'bart'}")
    ids, stops = [[0, 5, 30, 7, 2], [0, 9, 11, 4, 2]], (2, 13, 6)
    found = lm.generate_ids(ids, stop_ids=stops).to_list()
    rules = {"num_beams": 3, "no_repeat_ngram_size": 2, "min_new_tokens": 5}
    plain = tasks.Seq2SeqLM.from_preset(f"hf:{FIXTURES / 'bart'}")
    assert plain.generation == {}
    asked = plain.generate_ids(ids, 8, **rules, stop_ids=stops).to_list()
    assert found == asked
    assert all(6 <= len(row) <= 8 and not {*row[:5]} & {*stops} for row in found)
    assert found != plain.generate_ids(ids, 8, stop_ids=stops).to_list()
    lm.save_preset(tmp_path / "again", format="huggingface")
    written = json.loads((tmp_path / "again/generation_config.json").read_text())
    assert {**rules, "max_new_tokens": 8}.items() <= written.items()


@pytest.mark.usefixtures("plain_loop")
def test_no_text_ends_too_early_in_python_stream_and_graph():
    own = {"min_new_tokens": 5, "max_new_tokens": 12, "temperature": 0.0}
    lm = byte_lm(logit_bias=True, generation=own)
    end = lm.tokenizer.eos_id
    lm.backbone.logit_bias.assign(1e4 * tf.one_hot(end, 259))
    for temperature in (0.0, 1.0):
        (row,) = lm.generate_ids([[70]], temperature=temperature, stop_ids=(end,))
        assert row.shape == 7 and row[-1] == end and end not in row[:-1]
    text = lm.generate("a")
    assert len(text) > 1
    assert "".join(lm.stream("a")) == text
    assert lm.generate("a", min_new_tokens=0) == "a"
    served = lm.signatures()["serving_default"](tf.constant(["a"]))["text"]
    assert served.numpy()[0].decode() == text
    assert lm.get_config()["generation"] == own


def test_many_long_stop_strings_in_python_stream_and_graph(capfd):
    own = {"max_new_tokens": 24, "temperature": 0.0}
    free = byte_lm(generation=own).generate("ab", include_prompt=False)
    pieces = [free[i : i + 2] for i in range(3, len(free) - 2)]
    piece = next(x for x in pieces if "\ufffd" not in x)
    stop = [piece.encode(), *(f"<{i:04}>" + "ab" * 47 for i in range(1000))]
    lm = byte_lm(generation=own | {"stop": stop})
    assert lm.get_config()["generation"]["stop"] == [piece, *stop[1:]]
    text = lm.generate("ab")
    assert text == "ab" + free.split(piece)[0]
    assert "".join(lm.stream("ab")) == text
    served = lm.signatures()["serving_default"](tf.constant(["ab"]))["text"]
    assert served.numpy()[0].decode() == text
    assert byte_lm(generation=own | {"stop": piece.encode()}).generate("ab") == text
    for strings in (piece.encode(), np.array([piece, "no such"])):
        assert lm.generate("ab", stop=strings) == text
        assert "".join(lm.stream("ab", stop=strings)) == text
    assert "DFA" not in capfd.readouterr().err


def test_wrong_arguments_are_named():
    with pytest.raises(ValueError, match="did you mean 'min_new_tokens'"):
        byte_lm(generation={"min_new_token": 3})
    for name, value, wanted in [
        ("top_p", 2.0, r"in \(0, 1\], got 2.0"),
        ("temperature", float("nan"), "at least 0, got nan"),
        ("num_beams", 0, "positive, got 0"),
        ("max_new_tokens", -5, "at least 0, got -5"),
    ]:
        with pytest.raises(ValueError, match=f"generation: {name} must be {wanted}"):
            byte_lm(generation={name: value})
    with pytest.raises(ValueError, match="generation: a stop string is a string"):
        byte_lm(generation={"stop": [3]})
    with pytest.raises(ValueError, match="min_new_tokens must be at least 0, got -1"):
        byte_lm().generate("a", min_new_tokens=-1)
