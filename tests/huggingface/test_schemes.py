"""What is read of `quantization_config`, and what is refused with which advice."""

from __future__ import annotations

import copy

import pytest

from massivetext_keras.huggingface.schemes import (
    Group,
    Scheme,
    quantization_config,
    read_groups,
    scheme_of,
)

# As llm-compressor writes W4A16, fields that change nothing left out.
PUBLISHED = {
    "config_groups": {
        "group_0": {
            "input_activations": None,
            "output_activations": None,
            "targets": ["Linear"],
            "weights": {
                "actorder": None,
                "block_structure": None,
                "dynamic": False,
                "group_size": 128,
                "num_bits": 4,
                "observer": "minmax",
                "observer_kwargs": {},
                "strategy": "group",
                "symmetric": True,
                "type": "int",
            },
        }
    },
    "format": "pack-quantized",
    "global_compression_ratio": 1.89,
    "ignore": ["lm_head"],
    "kv_cache_scheme": None,
    "quant_method": "compressed-tensors",
    "quantization_status": "frozen",
    "sparsity_config": {"format": "dense", "global_sparsity": 0.1},
}
GROUP = "quantization_config.config_groups.group_0"


def groups_of(config) -> tuple[Group, ...]:
    return read_groups({"quantization_config": config})


def changed(path: str, value) -> dict:
    """What is published, with another value at a place."""
    config = copy.deepcopy(PUBLISHED)
    *owners, name = path.split("/")
    place = config
    for owner in owners:
        place = place[owner]
    place[name] = value
    return config


def test_what_is_published_is_read():
    assert groups_of(PUBLISHED) == (Group(("Linear",), Scheme(4, 128, True)),)
    assert read_groups({}) == read_groups({"quantization_config": None}) == ()
    rows = changed("config_groups/group_0/weights", {"num_bits": 8, "group_size": -1})
    assert groups_of(rows)[0].scheme == Scheme(8, None, True)
    own = changed("config_groups/group_0/format", "int-quantized")
    assert groups_of(own)[0].scheme == Scheme(4, 128, False)


def test_several_schemes_come_back_by_the_names_of_layers():
    schemes = {"a.q": Scheme(8), "a.up": Scheme(4, 32, True), "b.q": Scheme(8)}
    config = quantization_config(schemes, ["lm_head"])
    assert (config["format"], config["ignore"]) == ("mixed-precision", ["lm_head"])
    groups = groups_of(config)
    assert {name: scheme_of(groups, name) for name in schemes} == schemes
    assert scheme_of(groups, "lm_head") is None
    one = quantization_config({"a.q": Scheme(8), "b.q": Scheme(8)}, [])
    assert one["format"] == "int-quantized" and len(one["config_groups"]) == 1


WEIGHTS = "config_groups/group_0/weights/"
DEQUANTIZE = "CompressedTensorsConfig(dequantize=True)).save_pretrained(other)"


@pytest.mark.parametrize(
    ("config", "message", "advice"),
    [
        (
            {"quant_method": "gptq", "bits": 4},
            'quantization_config.quant_method="gptq" is not supported; known: '
            '"compressed-tensors"; ',
            "give the folder of the model in floats that it was made from",
        ),
        (
            {"quant_method": "bitsandbytes", "load_in_4bit": True},
            'quantization_config.quant_method="bitsandbytes" is not supported',
            "from_pretrained(folder).dequantize().save_pretrained(other)",
        ),
        ({"bits": 4}, "quantization_config.quant_method=null", "in floats"),
        (["int8"], 'quantization_config=["int8"]', "in floats"),
        (
            changed(WEIGHTS + "symmetric", False),
            f"{GROUP}.weights.symmetric=false is not supported; known: true; ",
            DEQUANTIZE,
        ),
        (
            changed(WEIGHTS + "type", "float"),
            f'{GROUP}.weights.type="float" is not supported; known: "int"; ',
            DEQUANTIZE,
        ),
        (
            changed(WEIGHTS + "num_bits", 3),
            f"{GROUP}.weights.num_bits=3 is not supported; known: 8, 4; ",
            DEQUANTIZE,
        ),
        (
            changed(WEIGHTS + "strategy", "block"),
            f'{GROUP}.weights.strategy="block" is not supported',
            DEQUANTIZE,
        ),
        (
            changed(WEIGHTS + "group_size", None),
            f"{GROUP}.weights.group_size=null is not supported",
            DEQUANTIZE,
        ),
        (
            changed(WEIGHTS + "actorder", "group"),
            f'{GROUP}.weights.actorder="group" is not supported',
            DEQUANTIZE,
        ),
        (
            changed("config_groups/group_0/input_activations", {"num_bits": 8}),
            f'{GROUP}.input_activations={{"num_bits": 8}} is not supported; known: '
            "null; ",
            DEQUANTIZE,
        ),
        (
            changed("format", "marlin-24"),
            f'{GROUP}.format="marlin-24" is not supported; known: "pack-quantized", ',
            DEQUANTIZE,
        ),
        (
            changed("kv_cache_scheme", {"num_bits": 8}),
            'quantization_config.kv_cache_scheme={"num_bits": 8} is not supported',
            DEQUANTIZE,
        ),
        (
            changed("sparsity_config", {"format": "sparse-24-bitmask"}),
            "quantization_config.sparsity_config=",
            DEQUANTIZE,
        ),
        (
            changed("config_groups", {"W4A16": ["Linear"]}),
            'quantization_config.config_groups.W4A16=["Linear"] is not supported',
            DEQUANTIZE,
        ),
        (
            changed("config_groups", {}),
            "quantization_config.config_groups={} is not supported",
            DEQUANTIZE,
        ),
    ],
)
def test_what_is_refused_and_what_to_do(config, message, advice):
    with pytest.raises(ValueError) as caught:
        groups_of(config)
    said = str(caught.value)
    assert said.startswith(message) and advice in said and "\n" not in said
