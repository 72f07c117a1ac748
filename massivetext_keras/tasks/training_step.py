"""One training step that gives the same weights on any number of devices."""

from __future__ import annotations

import math

import keras
import tensorflow as tf

from massivetext_keras.layers.fused import island


class TrainingStep(keras.Model):
    """A `keras.Model` whose loss is a mean over all real tokens of the global batch.

    Keras averages per replica, clips per replica and gives Adam the rows of an
    embedding one by one; here gradients are made dense and summed over replicas before
    anything reads them. A subclass says what its losses are.
    """

    # Keras would trace `call` with float inputs when the model is tracked.
    _default_save_signature = None

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.loss_tracker = keras.metrics.Mean(name="loss")
        self.bits_tracker = None

    def summed_loss(
        self, features: dict, labels: tf.Tensor, weights: tf.Tensor, training: bool
    ) -> tf.Tensor:
        """Float32 scalar: the weighted losses of a batch, summed."""
        raise NotImplementedError(f"{type(self).__name__} has no loss to train with")

    def label_bytes(self, labels: tf.Tensor) -> tf.Tensor | None:
        """UTF-8 bytes that each label stands for, float32, or None if not known."""

    def compile(self, optimizer="adamw", **kwargs):
        """As `keras.Model.compile`; the loss is the task's own.

        `jit_compile="auto"` compiles the elementwise parts of a step by XLA and leaves
        products to oneDNN, the faster of all on a CPU; True compiles the whole step.

        Raises:
            ValueError: a loss or metrics are given.
        """
        for name in ("loss", "metrics", "weighted_metrics"):
            if kwargs.get(name) is not None:
                raise ValueError(f"a task has its own loss and metrics: drop {name}=")
        if kwargs.get("jit_compile", "auto") == "auto":
            kwargs["jit_compile"] = bool(tf.config.list_physical_devices("GPU"))
        super().compile(optimizer=optimizer, **kwargs)
        for part in (self.optimizer, getattr(self.optimizer, "inner_optimizer", None)):
            if part is not None:  # the step has summed over replicas already
                part._all_reduce_sum_gradients = lambda pairs: pairs

    def fit(self, x=None, *args, **kwargs):
        """As `keras.Model.fit`; a dataset keeps its order."""
        if isinstance(x, tf.data.Dataset):
            kwargs.setdefault("shuffle", False)
        return super().fit(x, *args, **kwargs)

    @property
    def metrics(self) -> list:
        """The trackers of the loss and, where bytes are known, of bits per byte."""
        trackers = [self.loss_tracker, self.bits_tracker]
        return [tracker for tracker in trackers if tracker is not None]

    def train_step(self, data):
        """Loss, gradients summed over replicas, update."""
        features, labels, weights = _unpack(data)
        count = sum_over_replicas(tf.reduce_sum(weights))
        variables = self.trainable_variables
        with tf.GradientTape() as tape:
            summed = self.summed_loss(features, labels, weights, training=True)
            # what layers add, such as the balance of experts, is a mean of its own
            added = sum(self.losses) / _replicas()
            mean = summed / tf.maximum(count, 1.0) + added
            loss = self.optimizer.scale_loss(mean)
        gradients = tape.gradient(loss, variables)
        gradients = [
            tf.zeros(v.shape) if g is None else tf.convert_to_tensor(g)
            for g, v in zip(gradients, variables, strict=True)
        ]
        norm = self._update(sum_over_replicas(gradients), variables)
        logs = {**self._track(summed, labels, weights), "gradient_norm": norm}
        return self._per_worker(logs)

    def test_step(self, data):
        """Loss alone."""
        features, labels, weights = _unpack(data)
        summed = self.summed_loss(features, labels, weights, training=False)
        return self._per_worker(self._track(summed, labels, weights))

    def _update(self, gradients: list[tf.Tensor], variables: list) -> tf.Tensor:
        """Applies gradients, one XLA program on one device, and gives their norm."""

        def apply(*gradients):
            scale = self.optimizer.scale_loss(1.0)  # which the update may change
            norm = tf.linalg.global_norm(gradients) / scale
            self.optimizer.apply(list(gradients), variables)
            return norm

        if tf.distribute.has_strategy():
            return apply(*gradients)
        return island(apply)(*gradients)

    def _get_metrics_result_or_logs(self, logs):
        # Keras takes the mean of the replicas' means if a log is no metric.
        return {**logs, **self.get_metrics_result()}

    def _maybe_symbolic_build(self, iterator=None, data_batch=None):
        # Keras's own fails on the batches of several workers; tasks are built already.
        # The scale of a loss in float16 would begin anew if they were built twice.
        if self.optimizer is not None and not self.optimizer.built:
            with self.distribute_strategy.scope():
                self.optimizer.build(self.trainable_variables)

    def _per_worker(self, logs: dict) -> dict:
        """Scalars as Keras reduces them: over axis 0 if there are several workers."""
        if self.distribute_strategy.extended._in_multi_worker_mode():
            return {name: tf.reshape(value, [1]) for name, value in logs.items()}
        return logs

    def _track(self, summed, labels, weights) -> dict:
        count = tf.reduce_sum(weights)
        self.loss_tracker.update_state(tf.math.divide_no_nan(summed, count), count)
        sizes = self.label_bytes(labels)
        if sizes is not None:
            total = tf.reduce_sum(sizes * weights)
            bits = tf.math.divide_no_nan(summed, total * math.log(2.0))
            self.bits_tracker.update_state(bits, total)
        return {metric.name: metric.result() for metric in self.metrics}


def _unpack(data) -> tuple:
    features, labels, weights = keras.utils.unpack_x_y_sample_weight(data)
    if weights is None:
        weights = tf.ones_like(labels)
    return features, labels, tf.cast(weights, tf.float32)


def _replicas() -> int:
    context = tf.distribute.get_replica_context()
    return 1 if context is None else context.num_replicas_in_sync


def sum_over_replicas(tensors):
    """Tensors of each replica -> their sums, on every replica."""
    context = tf.distribute.get_replica_context()
    if _replicas() == 1:
        return tensors
    return context.all_reduce(tf.distribute.ReduceOp.SUM, tensors)


def gather_over_replicas(tensors):
    """Tensors [n, …] of each replica -> those of all, one after another, on every one.

    Gradients flow back to the replica that a row is from.
    """
    context = tf.distribute.get_replica_context()
    if _replicas() == 1:
        return tensors
    # One by one: TensorFlow's gradient of several at once wants them of equal shapes.
    return [context.all_gather(tensor, axis=0) for tensor in tensors]


def same_weight(summed: tf.Tensor, weights: tf.Tensor, main: tf.Tensor) -> tf.Tensor:
    """A sum of losses made such that the training step, which divides by the sum of the
    main weights, gives the mean of these losses.

    Args:
        summed: float32 scalar, of this replica.
        weights: float32, of the summed losses.
        main: float32, the loss weights of the batch.
    """
    sums = [tf.reduce_sum(weights), tf.reduce_sum(main)]
    count, divisor = sum_over_replicas(sums)
    return tf.math.divide_no_nan(summed, count) * divisor
