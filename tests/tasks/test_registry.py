"""Which task a preset is for."""

from __future__ import annotations

import pytest

from massivetext_keras.tasks import MaskedLM, TextEmbedder, task_class
from tests.huggingface.fixtures import FIXTURES
from tests.tasks.tiny import encoder_task


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("gpt2_small", "CausalLM"),
        ("unilm_base", "CausalLM"),
        ("roberta_base", "MaskedLM"),
        ("t5_small", "Seq2SeqLM"),
        (f"hf:{FIXTURES / 'roberta'}", "MaskedLM"),
        (f"hf:{FIXTURES / 'marian'}", "Seq2SeqLM"),
    ],
)
def test_the_kind_of_model_decides(source, expected):
    assert task_class(source).__name__ == expected
    assert task_class(source, "TextEmbedder") is TextEmbedder


def test_a_folder_is_for_the_task_that_wrote_it(tmp_path):
    encoder_task(TextEmbedder).save_preset(tmp_path)
    assert task_class(str(tmp_path)) is TextEmbedder
    assert task_class(str(tmp_path), "MaskedLM") is MaskedLM
    (tmp_path / "config.json").unlink()
    with pytest.raises(FileNotFoundError, match="no complete preset"):
        task_class(str(tmp_path))


def test_unknown_names():
    with pytest.raises(ValueError, match="unknown task 'MaskLM': did you mean 'Masked"):
        task_class("bert_tiny", "MaskLM")
    with pytest.raises(ValueError, match="'bert_tine' is neither a preset nor a"):
        task_class("bert_tine")


def test_a_task_that_learns_from_text_reads_no_examples():
    with pytest.raises(TypeError, match="a MaskedLM learns from text"):
        MaskedLM.read_examples("a.jsonl")
