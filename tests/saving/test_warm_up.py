"""What TensorFlow Serving asks an export first, read by its own protocol."""

from __future__ import annotations

import numpy as np
import tensorflow as tf
from tensorflow_serving.apis import prediction_log_pb2

from massivetext_keras.saving.warm_up import FILE, write_requests


def logs_in(folder):
    """What Serving would ask an export."""
    records = tf.data.TFRecordDataset(str(folder / FILE)).as_numpy_iterator()
    return [prediction_log_pb2.PredictionLog.FromString(record) for record in records]


def test_serving_reads_what_was_written(tmp_path):
    inputs = {"text": ["ü" * 300, ""], "top_k": 3, "temperature": 0.5}
    write_requests(tmp_path, [("generate", inputs), ("score", {"text": [["a"]]})])
    first, second = (log.predict_log.request for log in logs_in(tmp_path))
    assert first.model_spec.signature_name == "generate"
    found = {key: tf.make_ndarray(value) for key, value in first.inputs.items()}
    assert found["text"].tolist() == [("ü" * 300).encode(), b""]
    assert found["top_k"] == 3 and found["top_k"].dtype == np.int32
    assert found["temperature"] == 0.5 and found["temperature"].dtype == np.float32
    assert [dim.size for dim in second.inputs["text"].tensor_shape.dim] == [1, 1]
