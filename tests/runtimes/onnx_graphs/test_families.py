"""Every family's graph in onnxruntime gives what the model gives."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from massivetext_keras.architecture.config import TransformerConfig
from massivetext_keras.runtimes.onnx_graphs import check as running
from massivetext_keras.runtimes.onnx_graphs.models import models_of
from massivetext_keras.runtimes.portable import portable
from massivetext_keras.tasks import CausalLM, MaskedLM, Seq2SeqLM
from tests.models.families import DECODERS, ENCODER_DECODERS, ENCODERS, shrunk
from tests.tasks.tiny import randomize

onnx = pytest.importorskip("onnx", reason="pip install 'massivetext-keras[onnx]'")
pytest.importorskip("onnxruntime", reason="pip install 'massivetext-keras[onnx]'")

TASKS = {
    "encoder": MaskedLM,
    "decoder": CausalLM,
    "prefix": CausalLM,
    "encoder_decoder": Seq2SeqLM,
}
# Traits that no shape has, or that rows share with others.
TRAITS = {
    "rezero": {"rezero": True},
    "scaled": {"logit_scale": 0.5, "attention_scale": 0.3, "embedding_scale": True},
    "bias": {"logit_bias": True, "tied_embeddings": False},
    "linear": {
        "position": "rotary",
        "rope_scaling": {"rope_type": "linear", "factor": 4.0},
    },
    "llama3": {
        "position": "rotary",
        "rope_scaling": {
            "rope_type": "llama3",
            "factor": 8.0,
            "low_freq_factor": 1.0,
            "high_freq_factor": 4.0,
            "original_max_position_embeddings": 8,
        },
    },
    "windowed": {"window": 3, "stack": "encoder"},
    "relative": {"position": "relative", "num_key_value_heads": 1, "window": 4},
    "shared": {"shared_layers": True, "norm_position": "post"},
    "experts": {"num_experts": 4, "stack": "encoder"},
}


def away(config: TransformerConfig, folder) -> float:
    """How far the graphs of a model of noise are from it, see `check.difference`."""
    task = TASKS[config.stack](config)
    randomize(task, scale=0.3)
    described = portable(task, "onnx")
    for name, model in models_of(described).items():
        onnx.checker.check_model(model, full_check=True)
        onnx.save_model(model, str(folder / name))
    return running.difference(task, described, folder)


@pytest.mark.parametrize("name", [*ENCODERS, *DECODERS, *ENCODER_DECODERS])
def test_a_family_is_what_the_model_is(name, tmp_path):
    assert away(shrunk(name), tmp_path) < 1e-4


@pytest.mark.parametrize("name", TRAITS)
def test_a_trait_is_what_the_model_has(name, tmp_path):
    assert away(shrunk("gpt2_small", **TRAITS[name]), tmp_path) < 1e-4


def test_a_graph_with_another_trait_is_found_out(tmp_path):
    """That the comparison sees what a window hides, and one key beside it."""
    config = shrunk("gpt2_small", window=5)
    task = randomize(CausalLM(config), scale=0.3)
    described = portable(task, "onnx")
    other = described._replace(config=config.replace(window=4))
    (model,) = models_of(other).values()
    onnx.save_model(model, str(tmp_path / "model.onnx"))
    assert running.difference(task, described, tmp_path) > 1e-3
    with pytest.raises(RuntimeError, match="onnxruntime gives other numbers"):
        running.check(task, described, tmp_path)


def test_names_and_sizes_are_those_that_other_programs_know():
    task = CausalLM(shrunk("llama2_70b"))
    (model,) = models_of(portable(task, "onnx")).values()
    inputs = {one.name: one for one in model.graph.input}
    assert list(inputs) == [
        "input_ids",
        "attention_mask",
        "past_key_values.0.key",
        "past_key_values.0.value",
        "past_key_values.1.key",
        "past_key_values.1.value",
    ]
    sizes = inputs["past_key_values.1.key"].type.tensor_type.shape.dim
    assert [one.dim_value or one.dim_param for one in sizes] == [
        "batch",
        2,
        "past_length",
        4,
    ]
    assert [one.name for one in model.graph.output][:2] == ["logits", "present.0.key"]
    assert model.opset_import[0].version == 18
    names = {one.name for one in model.graph.initializer}
    assert {"tokens/embeddings", "stack/block_1/attention/qkv/kernel"} <= names


def test_every_field_of_the_config_is_thought_of():
    """A new one belongs into the graphs, or among those that change no number."""
    in_graphs = """
        stack vocabulary_size num_layers num_decoder_layers hidden_size embedding_size
        num_heads num_key_value_heads head_size activation gated norm norm_position
        norm_epsilon embedding_norm embedding_scale position position_offset rope_theta
        rope_scaling rotary_fraction relative_buckets relative_max_distance
        segment_types attention_scale window parallel rezero shared_layers num_experts
        experts_per_token pooler tied_embeddings logit_scale logit_bias
    """
    in_weights = "intermediate_size max_length qkv_bias output_bias feed_forward_bias"
    in_training = "dropout attention_dropout expert_loss"
    known = f"{in_graphs} {in_weights} {in_training}".split()
    assert {field.name for field in dataclasses.fields(TransformerConfig)} == {*known}


def test_weights_are_kept_once():
    """The output layer reads the table of tokens; blocks that are one are one."""
    task = MaskedLM(shrunk("albert_base"))
    (model,) = models_of(portable(task, "onnx")).values()
    stored = sum(np.prod(one.dims) for one in model.graph.initializer)
    assert stored - task.count_params() < 200  # constants
