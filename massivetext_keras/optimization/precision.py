"""Which numbers a model is trained with."""

from __future__ import annotations

import keras
import tensorflow as tf

from massivetext_keras.distribution.strategy import tpu_name
from massivetext_keras.kernels.threads import overlap_operations
from massivetext_keras.support.machine import processor_multiplies_bfloat16
from massivetext_keras.support.values import choose

POLICIES = ("auto", "float32", "mixed_bfloat16", "mixed_float16")
_AMPERE = (8, 0)  # the first compute capability with bfloat16 products


def set_precision(name: str = "auto") -> str:
    """Sets the dtype policy of the layers built from now on.

    Args:
        name: "float32", "mixed_bfloat16" or "mixed_float16" (products in 16 bits,
            weights and sums in 32; Micikevicius et al., 2018), or "auto":
            "mixed_bfloat16" where the device has such products, else "float32".

    Returns:
        The policy's name.

    Raises:
        ValueError: the name is unknown.

    >>> set_precision("float32")
    'float32'
    >>> set_precision("bfloat16")
    Traceback (most recent call last):
    massivetext_keras.support.values.UnknownName: unknown precision 'bfloat16': did
    you mean 'mixed_bfloat16'?
    """
    choose("precision", name, dict.fromkeys(POLICIES))
    overlap_operations()
    if name == "auto":
        name = "mixed_bfloat16" if device_multiplies_bfloat16() else "float32"
    keras.config.set_dtype_policy(name)
    return name


def device_multiplies_bfloat16() -> bool:
    """Whether the device that would train has products of bfloat16."""
    if tpu_name():
        return True
    gpus = tf.config.list_physical_devices("GPU")
    if gpus:
        details = [tf.config.experimental.get_device_details(gpu) for gpu in gpus]
        return all(d.get("compute_capability", (0, 0)) >= _AMPERE for d in details)
    return processor_multiplies_bfloat16()
