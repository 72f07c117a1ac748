"""Tasks out of Hugging Face folders and into them."""

from __future__ import annotations

import numpy as np
import pytest

from massivetext_keras import interop, tasks, tokenizers
from massivetext_keras.presets import PRESETS
from tests.interop.fixtures import FIXTURES, HEADS, NAMES, expected, real

BY_HEAD = {
    "masked_lm": tasks.MaskedLM,
    "pretraining": tasks.MaskedLM,
    "discriminator": tasks.ReplacedTokenDetector,
}
BY_STACK = {
    "decoder": tasks.CausalLM,
    "encoder": tasks.TextEmbedder,
    "encoder_decoder": tasks.Seq2SeqLM,
}


def task_of(name: str) -> type[tasks.CausalLM]:
    config, _ = interop.load_huggingface(FIXTURES / name)
    return BY_HEAD[HEADS[name]] if name in HEADS else BY_STACK[config.stack]


def results(task, arrays: dict[str, np.ndarray]) -> np.ndarray:
    inputs = {name: value for name, value in arrays.items() if value.dtype == "int32"}
    if isinstance(task, tasks.TextEmbedder):
        return task.backbone(inputs).numpy()
    return task(inputs).numpy()


@pytest.mark.parametrize("name", NAMES)
def test_a_task_reads_writes_and_reads_again(tmp_path, name):
    kind, arrays = task_of(name), expected(name)
    task = kind.from_preset(f"hf:{FIXTURES / name}")
    key = {tasks.TextEmbedder: "hidden", tasks.ReplacedTokenDetector: "scores"}
    key = key.get(kind, "logits")
    found, places = results(task, arrays), real(arrays, key)
    np.testing.assert_allclose(found[places], arrays[key][places], rtol=0, atol=1e-4)
    task.save_preset(tmp_path, format="huggingface")
    again = kind.from_preset(f"hf:{tmp_path}")
    np.testing.assert_allclose(results(again, arrays), found, rtol=0, atol=1e-5)
    assert again.chosen() == task.chosen()


def test_how_a_model_writes_comes_along(tmp_path):
    config = PRESETS["opus_mt_en_de"].replace(
        vocabulary_size=259, num_layers=1, hidden_size=8, num_heads=2
    )
    options = {"start_id": 2, "first_id": 7, "last_id": 2, "never_ids": (5, 9)}
    tokenizer = tokenizers.ByteTokenizer(add_eos=True)
    lm = tasks.Seq2SeqLM(config, tokenizer, **options)
    lm.save_preset(tmp_path, format="huggingface")
    again = tasks.Seq2SeqLM.from_preset(f"hf:{tmp_path}")
    assert options.items() <= again.chosen().items()
    assert again.tokenizer.fingerprint == tokenizer.fingerprint
    (tmp_path / "generation_config.json").write_text('{"bad_words_ids": [[1, 2]]}')
    with pytest.raises(
        ValueError, match=r"bad_words_ids=\[\[1, 2\]\] is not supported"
    ):
        tasks.Seq2SeqLM.from_preset(f"hf:{tmp_path}")


def test_a_folder_for_another_task_is_refused():
    for kind, name, message in [
        (tasks.CausalLM, "bert_base", "CausalLM needs stack='decoder'"),
        (tasks.MaskedLM, "gpt2_tied", "MaskedLM needs stack='encoder'"),
        (tasks.Seq2SeqLM, "llama_base", "Seq2SeqLM needs stack='encoder_decoder'"),
    ]:
        with pytest.raises(ValueError, match=message):
            kind.from_preset(f"hf:{FIXTURES / name}")
