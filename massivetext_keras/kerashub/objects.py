"""Objects of KerasHub as JSON: which file has which, and how Keras writes one."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from massivetext_keras.kerashub.h5 import INDEX, MODEL
from massivetext_keras.support.files import read_json

CONFIG = "config.json"
TASK_CONFIG = "task.json"
PREPROCESSOR = "preprocessor.json"
TOKENIZER = "tokenizer.json"
METADATA = "metadata.json"

# Of numbers that are read: each is the float32 number that it means.
_FLOATS = ("float16", "bfloat16", "float32", "float64")


def hub_object(
    family: str, class_name: str, module: str, values: Mapping[str, Any]
) -> dict[str, Any]:
    """An object as `keras.saving.serialize_keras_object` writes it.

    Args:
        family: folder of the module.
        class_name: of the object.
        module: what follows the family in the name of the module.
        values: arguments of the class.

    >>> hub_object("bert", "BertBackbone", "backbone", {})["registered_name"]
    'keras_hub>BertBackbone'
    """
    return {
        "module": f"keras_hub.src.models.{family}.{family}_{module}",
        "class_name": class_name,
        "config": {"name": f"{family}_{module}", "trainable": True, **values},
        "registered_name": f"keras_hub>{class_name}",
    }


def policy(dtype: str) -> dict[str, Any]:
    """A type of numbers as Keras writes it.

    >>> policy("float32")["config"]
    {'name': 'float32'}
    """
    return {
        "module": "keras",
        "class_name": "DTypePolicy",
        "config": {"name": dtype},
        "registered_name": None,
    }


def check_floats(values: Mapping[str, Any]) -> None:
    """Refuses a backbone whose numbers are stored in fewer bits.

    Raises:
        ValueError: names the policy.

    >>> check_floats({"dtype": {"class_name": "DTypePolicyMap", "config": {}}})
    Traceback (most recent call last):
    ValueError: dtype=DTypePolicyMap is quantized: save the preset before `quantize`
    """
    dtype = values.get("dtype")
    name = dtype
    if isinstance(dtype, dict):
        name = dtype["class_name"]
        if name == "DTypePolicy":
            name = (dtype.get("config") or {}).get("name")
    if name is not None and str(name).removeprefix("mixed_") not in _FLOATS:
        raise ValueError(
            f"dtype={name} is quantized: save the preset before `quantize`"
        )


def weights_file(folder: Path) -> Path:
    """`model.weights.h5`, or the index of its shards.

    Raises:
        FileNotFoundError: neither is there.
    """
    for name in (MODEL, INDEX):
        if (folder / name).is_file():
            return folder / name
    hint = ""
    if lora := sorted(path.name for path in folder.glob("*.lora.h5")):
        hint = (
            f"; {lora[0]} has adapters alone: load them in KerasHub, whose "
            "`save_to_preset` writes what they add into the weights"
        )
    raise FileNotFoundError(f"{folder}: neither {MODEL} nor {INDEX} is here{hint}")


def backbone_values(file: Path) -> tuple[str, dict[str, Any]]:
    """The class and the arguments of the backbone that a `config.json` describes.

    Raises:
        FileNotFoundError: it is missing.
        ValueError: it is damaged, or of another library.
    """
    described = read_json(file)
    name, values = described.get("class_name"), described.get("config")
    if not isinstance(name, str) or not isinstance(values, dict):
        hint = ""
        if "model_type" in described:
            hint = f"; a folder of Hugging Face is read as 'hf:{file.parent}'"
        elif "format" in described:
            hint = f"; a preset of ours is read as {str(file.parent)!r}"
        raise ValueError(f"{file}: not a config of KerasHub{hint}")
    return name, values
