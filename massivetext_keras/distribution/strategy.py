"""Where a model is trained: the only module that builds a `tf.distribute.Strategy`,
and the one that chooses among strategies and meshes."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Sequence

import tensorflow as tf

from massivetext_keras.architecture.axes import AXES, axes_in
from massivetext_keras.distribution.devices import set_logical_cpus
from massivetext_keras.distribution.meeting import leave_together, meet
from massivetext_keras.distribution.mesh import Mesh, make_mesh
from massivetext_keras.distribution.workers import is_one_of_several, workers_of_job
from massivetext_keras.kernels.threads import overlap_operations
from massivetext_keras.support.values import choose

logger = logging.getLogger(__name__)

_DISTRIBUTED = (
    tf.distribute.MirroredStrategy,
    tf.distribute.MultiWorkerMirroredStrategy,
    tf.distribute.TPUStrategy,
)


def make_strategy(
    name: str = "auto", devices: Sequence[str] | None = None
) -> tf.distribute.Strategy:
    """The strategy in whose scope a model is built and compiled.

    Args:
        name: "none" (one device), "mirrored" (a replica on each GPU of this machine or,
            without GPUs, on each logical CPU), "multi_worker" (on each worker that the
            variable TF_CONFIG names), "tpu" (on each core of the TPU that TPU_NAME
            names), or "auto": "tpu" or "multi_worker" where their variable is set, else
            "mirrored" on two GPUs or more, else "none".
        devices: of "mirrored", for example `["GPU:0", "GPU:1"]` (None: all).

    Returns:
        A strategy; "none" is TensorFlow's default one, whose scope changes nothing.

    Raises:
        ValueError: the name is unknown, or this machine lacks what it needs.

    >>> strategy = make_strategy("none")
    >>> with strategy.scope():
    ...     tf.distribute.has_strategy()
    False
    >>> make_strategy("mirorred")
    Traceback (most recent call last):
    massivetext_keras.support.values.UnknownName: unknown strategy 'mirorred': did
    you mean 'mirrored'?
    """
    table: dict[str, Callable[[], tf.distribute.Strategy]] = {
        "none": tf.distribute.get_strategy,
        "mirrored": lambda: _mirrored(devices),
        "multi_worker": _multi_worker,
        "tpu": _tpu,
        "parameter_server": _parameter_server,
    }
    build = choose("strategy", name, {**table, "auto": None})
    overlap_operations()
    if build is None:
        name = "mirrored" if devices else _automatic()
        build = table[name]
    if devices and name != "mirrored":
        raise ValueError(f"devices are chosen for strategy 'mirrored', not {name!r}")
    strategy = build()
    logger.info("training on %s", describe(strategy))
    return strategy


def make_devices(
    strategy: str = "auto", mesh: str | None = None, logical_cpus: int | None = None
) -> tf.distribute.Strategy | Mesh:
    """Where a model is made and trained, as settings of `experiment.TrainConfig` say.

    Args:
        strategy: as `make_strategy` has it, where there is no mesh.
        mesh: axes, as "data=2,tensor=2" (None: no mesh).
        logical_cpus: devices that the CPU is divided into first (None: as it is).

    Returns:
        A strategy or a mesh: something with a `scope`.

    Raises:
        ValueError, RuntimeError: as `make_strategy`, `make_mesh`, `set_logical_cpus`.

    >>> make_devices("none").num_replicas_in_sync
    1
    """
    if logical_cpus is not None:
        set_logical_cpus(logical_cpus)
    if mesh is None:
        return make_strategy(strategy)
    axes = dict.fromkeys(AXES, 1) | axes_in(mesh)
    made = make_mesh(axes["data"], axes["tensor"], axes["pipeline"])
    logger.info("training on %s", describe(made))
    return made


def describe(strategy: tf.distribute.Strategy | Mesh) -> str:
    """What a strategy trains on, in a few words.

    >>> describe(make_strategy("none"))
    'one device'
    >>> describe(make_strategy("mirrored", ["CPU:0"]))
    '1 replica: CPU:0'
    """
    if isinstance(strategy, Mesh):
        return f"a mesh of {strategy}"
    if not isinstance(strategy, _DISTRIBUTED):
        return "one device"
    count = strategy.num_replicas_in_sync
    devices = [d.split("device:")[-1] for d in strategy.extended.worker_devices]
    here = ", ".join(devices) + " here" * (len(devices) < count)
    return f"{count} replica{'s' * (count > 1)}: {here}"


def tpu_name() -> str | None:
    """The TPU that the environment names, or None."""
    return os.environ.get("TPU_NAME") or os.environ.get("COLAB_TPU_ADDR")


def _automatic() -> str:
    if tpu_name():
        return "tpu"
    if is_one_of_several():
        return "multi_worker"
    return "mirrored" if len(tf.config.list_physical_devices("GPU")) > 1 else "none"


def _mirrored(devices: Sequence[str] | None) -> tf.distribute.Strategy:
    if not devices:
        kind = "GPU" if tf.config.list_logical_devices("GPU") else "CPU"
        count = len(tf.config.list_logical_devices(kind))
        devices = [f"{kind}:{i}" for i in range(count)]
    # Collectives between CPUs keep the size of the first group of a process for good.
    on_cpus = all("CPU" in device.upper() for device in devices)
    reduction = tf.distribute.ReductionToOneDevice() if on_cpus else None
    return tf.distribute.MirroredStrategy(list(devices), cross_device_ops=reduction)


def _multi_worker() -> tf.distribute.Strategy:
    meet(*workers_of_job())
    try:
        strategy = tf.distribute.MultiWorkerMirroredStrategy()
    except RuntimeError as error:
        if "at program startup" not in str(error):
            raise
        raise RuntimeError(
            "strategy 'multi_worker' comes first: call make_strategy before a "
            "tokenizer, a model or a tensor is made"
        ) from error
    leave_together()
    return strategy


def _tpu() -> tf.distribute.Strategy:
    name = tpu_name()
    if not name:
        raise ValueError("strategy 'tpu' finds no TPU: TPU_NAME is not set")
    try:
        resolver = tf.distribute.cluster_resolver.TPUClusterResolver(name)
        tf.config.experimental_connect_to_cluster(resolver)
        tf.tpu.experimental.initialize_tpu_system(resolver)
    except (ValueError, tf.errors.OpError, OSError) as error:
        reason = str(error).splitlines()[0]
        raise ValueError(f"strategy 'tpu' cannot reach {name!r}: {reason}") from error
    return tf.distribute.TPUStrategy(resolver)


def _parameter_server() -> tf.distribute.Strategy:
    raise ValueError(
        "strategy 'parameter_server' is refused: `fit` of Keras 3 fails under it; "
        "'multi_worker' trains on many machines"
    )
