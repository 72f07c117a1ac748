"""The variables of a checkpoint of TensorFlow, of names or of objects."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import tensorflow as tf
from tensorflow.core.protobuf.trackable_object_graph_pb2 import TrackableObjectGraph

from massivetext_keras.saving.weights import Tensors

_INDEX = ".index"
_OBJECTS = "_CHECKPOINTABLE_OBJECT_GRAPH"
# Kept beside the weights where they were trained on.
_OF_TRAINING = (
    r"(.*/)?(adam_[mv]|AdamWeightDecayOptimizer.*|global_step|beta[12]_power"
    r"|[^/]*_slot_(v|vr|vc|m))"
    # of objects
    r"|(.*/)?(optimizer|keras_api)/.*|.*/\.OPTIMIZER_SLOT/.*"
    r"|(save_counter|global_step)/\..*"
)


def read_variables(folder: Path, name_of: Callable[[str], str] = str) -> Tensors:
    """The weights of the newest checkpoint of a folder, or of the only one.

    Those of objects (`tf.train.Checkpoint`) have the names that the variables had when
    they were written: where in a program they hung is not looked at.

    Args:
        folder: a local folder.
        name_of: what a variable of an object is called here.

    Raises:
        FileNotFoundError: there is no checkpoint, or no telling which one.
        ValueError: it is damaged, or two variables have one name.
    """
    prefix = _checkpoint(folder)
    try:
        reader = tf.train.load_checkpoint(str(prefix))
        found = reader.get_variable_to_shape_map()
        graph = reader.get_tensor(_OBJECTS) if _OBJECTS in found else b""
    except (tf.errors.OpError, ValueError) as error:
        raise ValueError(f"{prefix}: not a readable checkpoint ({error})") from None
    keys: dict[str, str] = {}
    for node in TrackableObjectGraph.FromString(graph).nodes:
        for variable in node.attributes:
            key, name = variable.checkpoint_key, name_of(variable.full_name)
            if key not in found or re.fullmatch(_OF_TRAINING, key):
                continue
            if keys.setdefault(name, key) != key:
                raise ValueError(
                    f"{prefix}: two variables are called {name}: {keys[name]}, {key}"
                )
    if not graph:
        keys = {key: key for key in found if not re.fullmatch(_OF_TRAINING, key)}
    shapes = {name: tuple(found[key]) for name, key in keys.items()}
    return Tensors(shapes, lambda name: reader.get_tensor(keys[name]))


def _checkpoint(folder: Path) -> Path:
    """The newest of a folder, or the only one."""
    if newest := tf.train.latest_checkpoint(str(folder)):
        return Path(newest)
    found = sorted(folder.glob(f"*{_INDEX}"))
    if len(found) != 1:
        names = ", ".join(file.name for file in found) or "none"
        raise FileNotFoundError(
            f"{folder}: one checkpoint is wanted, as model.ckpt{_INDEX}; there is "
            f"{names}"
        )
    return found[0].with_suffix("")
