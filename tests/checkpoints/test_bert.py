"""Checkpoints of google-research: names, kernels, heads and vocabularies."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from massivetext_keras.cli.planning import config_of
from massivetext_keras.huggingface.models import load as load_huggingface
from massivetext_keras.saving.weights import read_tensors
from massivetext_keras.tasks import MaskedLM, QuestionAnswerer, TextClassifier

HUGGING_FACE = Path(__file__).parents[1] / "fixtures" / "huggingface"
SPECIAL = ["[PAD]", "[unused1]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
WORDS = [*SPECIAL, *(f"w{i}" for i in range(30)), "cafe"]
# Theirs of Hugging Face -> that of the checkpoint, as transformers 4 read it.
NAMES = [
    (r"\.LayerNorm\.weight$", ".LayerNorm.gamma"),
    (r"\.LayerNorm\.bias$", ".LayerNorm.beta"),
    (r"_embeddings\.weight$", "_embeddings"),
    (r"^cls\.predictions\.bias$", "cls.predictions.output_bias"),
    (r"^cls\.seq_relationship\.weight$", "cls.seq_relationship.output_weights"),
    (r"^cls\.seq_relationship\.bias$", "cls.seq_relationship.output_bias"),
    (r"\.weight$", ".kernel"),
    (r"\.layer\.(\d+)", r".layer_\1"),
]


def variables() -> dict[str, np.ndarray]:
    """What `bert_model.ckpt` has, made of a folder of Hugging Face."""
    found = {}
    tensors = read_tensors(HUGGING_FACE / "bert_pretraining")
    for name in tensors:
        if "decoder" in name or name.endswith("position_ids"):
            continue
        new = name
        for pattern, replacement in NAMES:
            new = re.sub(pattern, replacement, new)
        array = tensors[name]
        found[new.replace(".", "/")] = array.T if new.endswith(".kernel") else array
    return found


def write(folder: Path, arrays: dict[str, np.ndarray], words=WORDS) -> str:
    described = json.loads((HUGGING_FACE / "bert_pretraining/config.json").read_text())
    kept = ("hidden_act", "hidden_size", "intermediate_size", "type_vocab_size")
    kept += ("max_position_embeddings", "num_attention_heads", "num_hidden_layers")
    kept += ("attention_probs_dropout_prob", "hidden_dropout_prob", "vocab_size")
    values = {name: described[name] for name in kept} | {"initializer_range": 0.02}
    (folder / "bert_config.json").write_text(json.dumps(values))
    (folder / "vocab.txt").write_text("\n".join(words) + "\n")
    tf.raw_ops.SaveV2(
        prefix=str(folder / "bert_model.ckpt"),
        tensor_names=[*arrays],
        shape_and_slices=[""] * len(arrays),
        tensors=[*arrays.values()],
    )
    return f"bert:{folder}"


@pytest.fixture(scope="module")
def published():
    return variables()


def test_weights_are_those_of_hugging_face(tmp_path, published):
    trained = {
        "global_step": np.array(7),
        "bert/pooler/dense/kernel/adam_m": np.ones(3),
    }
    source = write(tmp_path, published | trained)
    ours = MaskedLM.from_preset(source)
    config, tensors = load_huggingface(HUGGING_FACE / "bert_pretraining", "pretraining")
    named = ours.named_weights()
    for name in named:
        np.testing.assert_array_equal(named[name], tensors[name], err_msg=name)
    changed = {"activation": "gelu_tanh", "norm_epsilon": 1e-12}
    assert ours.config == config.replace(**changed)
    assert config_of(source) == ours.config
    sentences = MaskedLM.from_preset(source, sentences="next")
    kernel = sentences.named_weights()["head/next_sentence/kernel"]
    np.testing.assert_array_equal(kernel, tensors["head/next_sentence/kernel"])


def test_heads_of_the_scripts(tmp_path, published):
    backbone = {k: v for k, v in published.items() if k.startswith("bert/")}
    weights = np.arange(54, dtype=np.float32).reshape(3, 18)
    bias = np.arange(3, dtype=np.float32)
    classes = {"output_weights": weights, "output_bias": bias}
    source = write(tmp_path, backbone | classes)
    ours = TextClassifier.from_preset(source)
    assert ours.labels == ("LABEL_0", "LABEL_1", "LABEL_2")
    named = ours.named_weights()
    np.testing.assert_array_equal(named["head/classes/kernel"], weights.T)
    named = TextClassifier.from_preset(source, labels=["a", "b", "c"]).named_weights()
    np.testing.assert_array_equal(named["head/classes/kernel"], weights.T)
    squad = {"cls/squad/output_weights": weights[:2], "cls/squad/output_bias": bias[:2]}
    ours = QuestionAnswerer.from_preset(write(tmp_path, backbone | squad))
    np.testing.assert_array_equal(
        ours.named_weights()["head/spans/kernel"], weights[:2].T
    )


def test_the_case_is_that_of_the_vocabulary(tmp_path, published):
    ours = MaskedLM.from_preset(write(tmp_path, published)).tokenizer
    assert ours("Café").numpy().tolist() == [len(WORDS) - 1]
    assert (ours.bos_id, ours.eos_id, ours.mask_id) == (3, 4, 5)
    cased = [*WORDS[:-1], "Café"]
    ours = MaskedLM.from_preset(write(tmp_path, published, cased)).tokenizer
    assert ours("Café cafe").numpy().tolist() == [len(WORDS) - 1, 2]


def test_bad_folders(tmp_path, published):
    source = f"bert:{tmp_path}"
    with pytest.raises(FileNotFoundError, match="bert_config.json: no such file"):
        MaskedLM.from_preset(source)
    name = "bert/encoder/layer_1/output/dense/bias"
    write(tmp_path, {k: v for k, v in published.items() if k != name})
    with pytest.raises(ValueError, match=f"do not fit bert_con.*:\n  missing: {name}"):
        MaskedLM.from_preset(source)
    (tmp_path / "bert_model.ckpt.index").unlink()
    with pytest.raises(FileNotFoundError, match="one checkpoint is wanted, .* is none"):
        MaskedLM.from_preset(source)
