"""Chat templates of Hugging Face folders, from the file to the labels and back."""

from __future__ import annotations

import json
import logging

import pytest
import tensorflow as tf

from massivetext_keras.data import Conversation, JinjaTemplate
from massivetext_keras.huggingface.chat_templates import read_chat_template
from massivetext_keras.tasks import CausalLM
from massivetext_keras.tokenizers import BytePairTokenizer
from massivetext_keras.tokenizers.byte_pair import byte_symbols
from tests.data.chat_templates import SOURCES, SPECIAL
from tests.tasks.tiny import byte_lm

pytestmark = pytest.mark.usefixtures("plain_loop", "without_xla")

TALK = Conversation(("a", "b"), ("user", "assistant"))
IM_START, IM_END = (256 + SPECIAL.index(t) for t in ("<|im_start|>", "<|im_end|>"))


def chatty(**options) -> CausalLM:
    """A Llama on bytes and special tokens."""
    vocabulary = {symbol: index for index, symbol in enumerate(byte_symbols())}
    vocabulary |= {token: 256 + index for index, token in enumerate(SPECIAL)}
    tokenizer = BytePairTokenizer(
        vocabulary, [], special_tokens=SPECIAL, bos_token="<s>", eos_token="</s>"
    )
    llama = {"activation": "silu", "gated": True, "norm": "rms_norm"}
    llama |= {"position": "rotary", "tied_embeddings": False, "dropout": 0.0}
    llama |= dict.fromkeys(("qkv_bias", "output_bias", "feed_forward_bias"), False)
    return byte_lm(
        tokenizer=tokenizer, vocabulary_size=280, max_length=128, **llama, **options
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Qwen2's template, and two ends."""
    path = tmp_path_factory.mktemp("folder")
    several = {"default": SOURCES["qwen2"], "tool_use": "{{ tools }}"}
    lm = chatty(chat_template=several, end_ids=[IM_END, 257])
    lm.save_preset(path, format="huggingface")
    return path


def test_a_folder_keeps_its_templates_and_ends(folder, tmp_path):
    assert (folder / "chat_template.jinja").read_text() == SOURCES["qwen2"]
    named = folder / "additional_chat_templates" / "tool_use.jinja"
    assert named.read_text() == "{{ tools }}"
    lm = CausalLM.from_preset(f"hf:{folder}")
    assert lm.chat_template["default"] == SOURCES["qwen2"]
    assert lm.chat_stop_ids() == (IM_END,) and lm.chat_stop_strings() == ()
    assert lm.end_ids == (IM_END, 257)
    lm.save_preset(tmp_path)
    again = CausalLM.from_preset(str(tmp_path))
    assert again.chosen() == lm.chosen()
    asked = [Conversation(("<|im_end|>",), ("user",))]
    assert (
        again.assistant.read(asked, 4).to_list()
        == lm.assistant.read(asked, 4).to_list()
    )


def test_where_templates_are_found(tmp_path):
    def written(name: str, value) -> None:
        (tmp_path / name).write_text(json.dumps({"chat_template": value}))

    assert read_chat_template(tmp_path) is None
    written("chat_template.json", "{{ 1 }}")
    assert read_chat_template(tmp_path) == "{{ 1 }}"
    several = [
        {"name": "default", "template": "{{ 2 }}"},
        {"name": "rag", "template": "{{ 3 }}"},
    ]
    written("tokenizer_config.json", several)
    assert read_chat_template(tmp_path) == {"default": "{{ 2 }}", "rag": "{{ 3 }}"}
    written("tokenizer_config.json", "{{ 4 }}")
    assert read_chat_template(tmp_path) == "{{ 4 }}"
    (tmp_path / "chat_template.jinja").write_text("{{ 5 }}")
    assert read_chat_template(tmp_path) == "{{ 5 }}"
    (tmp_path / "additional_chat_templates").mkdir()
    (tmp_path / "additional_chat_templates" / "rag.jinja").write_text("{{ 6 }}")
    assert read_chat_template(tmp_path) == {"default": "{{ 5 }}", "rag": "{{ 6 }}"}
    (tmp_path / "chat_template.jinja").unlink()
    (tmp_path / "additional_chat_templates" / "rag.jinja").unlink()
    written("tokenizer_config.json", 7)
    with pytest.raises(ValueError, match=r"tokenizer_config.json: chat_template is no"):
        read_chat_template(tmp_path)


@pytest.mark.parametrize("template", ["chatml", SOURCES["qwen2"]])
def test_what_ends_a_reply_is_a_label(template):
    lm = chatty(chat_template=template)
    evil = Conversation(("<|im_end|>", "<|im_end|>b"), TALK.roles)
    ((features, labels, weights),) = lm.example_batches([evil], 1).validation()
    learnt = tf.boolean_mask(labels, weights > 0).numpy().tolist()
    said = [ord(c) for c in "<|im_end|>b"]
    symbols = [lm.tokenizer.token_to_id(byte_symbols()[c]) for c in said]
    newline = lm.tokenizer.token_to_id(byte_symbols()[10])
    assert learnt == [*symbols, IM_END, newline]
    read = features["token_ids"].numpy().ravel().tolist()
    assert read.count(IM_START) == 2 + (template != "chatml")  # its own system


def test_a_missing_template_is_said_once(tmp_path, caplog):
    chatty().save_preset(tmp_path, format="huggingface")
    assert not (tmp_path / "chat_template.jinja").exists()
    lm = CausalLM.from_preset(f"hf:{tmp_path}")
    with caplog.at_level(logging.WARNING):
        lm.assistant.read([TALK], 4)
        lm.assistant.read([TALK], 4)
    (said,) = (record.getMessage() for record in caplog.records)
    assert said.startswith(f"{tmp_path} has no chat template: messages are written as")
    assert "chat_template" not in lm.chosen()
    lm.example_batches([TALK], 1)  # what is learnt is kept
    assert lm.chosen()["chat_template"]["user"] == ["User: ", "\n\n"]


def test_strings_are_saved_in_jinja(tmp_path):
    lm = chatty(chat_template="chatml")
    lm.save_preset(tmp_path, format="huggingface")
    again = CausalLM.from_preset(f"hf:{tmp_path}")
    assert isinstance(again.template, JinjaTemplate)
    assert again.template.render(TALK) == lm.template.render(TALK)
    ids = lm.assistant.read([TALK], 4).to_list()
    assert again.assistant.read([TALK], 4).to_list() == ids


def test_prompts_with_special_tokens(folder):
    """A chat that somebody pastes as one text."""
    lm = CausalLM.from_preset(f"hf:{folder}")
    asked = Conversation(("a",), ("user",))
    pasted = lm.template.render(asked)
    ids = lm.assistant.read([asked], 8).to_list()
    assert lm._read([pasted], 8, True)[0].to_list() == ids
    assert IM_START not in lm._read([pasted], 8, False)[0].to_list()[0]
    options = {"max_new_tokens": 8, "temperature": 0.0, "include_prompt": False}
    text = lm.generate(pasted, parse_special=True, **options)
    new = lm.generate_ids(ids, 8).to_list()[0][len(ids[0]) :]
    assert text == lm.tokenizer.detokenize(new).numpy().decode()
    assert "".join(lm.stream(pasted, parse_special=True, **options)) == text


def test_conversations_that_a_template_refuses(caplog):
    lm = chatty(chat_template=SOURCES["gemma"])
    refused = Conversation(("s", *TALK.texts), ("system", *TALK.roles))
    with caplog.at_level(logging.WARNING):
        assert lm.example_batches([refused, TALK], 1).rows.count == 1
    assert (
        "1 of 2 conversations cannot be written: chat_template: System" in caplog.text
    )
    with pytest.raises(
        ValueError, match="none has a reply that fits: chat_template: S"
    ):
        lm.example_batches([refused], 1)
    with pytest.raises(ValueError, match="chat_template: System role not supported"):
        lm.chat([refused])


@pytest.mark.slow
@pytest.mark.parametrize("name", ["qwen2", "dated"])
def test_an_export_replies_as_the_model(tmp_path, name, caplog):
    """The export compares its replies with the model's before it takes its place."""
    lm = chatty(chat_template=SOURCES[name])
    with caplog.at_level(logging.WARNING):
        lm.export(tmp_path / "export")
    signatures = tf.saved_model.load(str(tmp_path / "export")).signatures
    assert ("chat" in signatures) == (name == "qwen2")
    said = (
        "the export has no signature `chat`: chat_template: in a graph it has no form"
    )
    assert (said in caplog.text) == (name == "dated")
