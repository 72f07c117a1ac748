"""The requests that TensorFlow Serving asks an export before it serves it.

Serving reads them from `assets.extra`, as records of its own protocol; their few fields
are written here, since an export shall need no more packages than its model.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import tensorflow as tf

FILE = "assets.extra/tf_serving_warmup_requests"


def write_requests(
    folder: str | Path, requests: Iterable[tuple[str, Mapping[str, Any]]]
) -> None:
    """Writes requests beside a SavedModel.

    https://www.tensorflow.org/tfx/serving/saved_model_warmup

    Args:
        folder: of the SavedModel.
        requests: name of a signature, and its inputs by name. One that fails would keep
            Serving from loading the model.
    """
    path = Path(folder, FILE)
    path.parent.mkdir(exist_ok=True)
    with tf.io.TFRecordWriter(str(path)) as writer:
        for signature, inputs in requests:
            writer.write(_log(signature, inputs))


def _log(signature: str, inputs: Mapping[str, Any]) -> bytes:
    """A `PredictionLog` of a `PredictRequest`."""
    request = _field(1, _field(3, signature.encode()))  # model_spec.signature_name
    for name, value in inputs.items():
        tensor = tf.make_tensor_proto(value).SerializeToString()
        request += _field(2, _field(1, name.encode()) + _field(2, tensor))
    return _field(6, _field(1, request))  # predict_log.request


def _field(number: int, content: bytes) -> bytes:
    """A field of a protocol buffer that has bytes, a text or a message.

    >>> _field(3, b"ab")
    b'\\x1a\\x02ab'
    """
    return _varint(number << 3 | 2) + _varint(len(content)) + content


def _varint(value: int) -> bytes:
    """Seven bits a byte, the lowest first.

    >>> _varint(300).hex()
    'ac02'
    """
    found = bytearray()
    while value > 127:
        found.append(value & 127 | 128)
        value >>= 7
    return bytes([*found, value])
