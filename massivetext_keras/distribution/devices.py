"""The devices that would train: how many there are, and what they give."""

from __future__ import annotations

import functools
import time

import tensorflow as tf

_PRODUCT, _TRIES = 1024, 10


def set_logical_cpus(count: int) -> None:
    """Divides the CPU into devices, to try a mesh or a strategy without GPUs.

    They share its cores, so nothing is faster by it.

    Args:
        count: of devices, `CPU:0` and so on.

    Raises:
        RuntimeError: TensorFlow has made its devices, and there are not so many.

    >>> set_logical_cpus(len(tf.config.list_logical_devices("CPU")))
    """
    (cpu,) = tf.config.list_physical_devices("CPU")
    parts = [tf.config.LogicalDeviceConfiguration()] * count
    try:
        tf.config.set_logical_device_configuration(cpu, parts)
    except RuntimeError:
        there = len(tf.config.list_logical_devices("CPU"))
        if there != count:
            raise RuntimeError(
                f"the CPU is divided already, {there} and not {count}: call "
                "set_logical_cpus before a tokenizer, a model or a tensor is made"
            ) from None


@functools.cache
def measured_peak(dtype: str) -> float:
    """FLOPs per second of a product of matrices on the devices that would train.

    The best of ten products of 1024 x 1024, about a tenth of a second on two cores:
    what is to be had here, which is less than a data sheet says. Several GPUs count as
    often as there are.

    Args:
        dtype: of the matrices, such as "bfloat16".
    """
    left = tf.cast(tf.random.stateless_normal([_PRODUCT, _PRODUCT], [0, 0]), dtype)
    multiply = tf.function(lambda x: tf.reduce_sum(tf.matmul(x, x)))
    times = []
    for _ in range(_TRIES + 1):  # the first makes the graph
        start = time.perf_counter()
        multiply(left).numpy()
        times.append(time.perf_counter() - start)
    devices = max(1, len(tf.config.list_logical_devices("GPU")))
    return devices * 2 * _PRODUCT**3 / min(times[1:])
