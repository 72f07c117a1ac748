"""One training step that gives the same weights on any number of devices."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import keras
import tensorflow as tf

from massivetext_keras.data.batching.epochs import TrainingBatches
from massivetext_keras.data.batching.waiting import waiting_time
from massivetext_keras.distribution.mesh import current_mesh
from massivetext_keras.distribution.replicas import replica_count, sum_over_replicas
from massivetext_keras.kernels.fused import island
from massivetext_keras.kernels.random import hashed, keys_from, replica_id
from massivetext_keras.layers.stack import TransformerStack
from massivetext_keras.optimization import freezing
from massivetext_keras.optimization.batches import Batch, cut, padding, unpacked
from massivetext_keras.optimization.execution import (
    NextBatch,
    graph_of_steps,
    with_last,
)
from massivetext_keras.optimization.gradients.adversarial import (
    AdversarialTraining,
    adversarial_gradients,
)
from massivetext_keras.optimization.gradients.private import (
    DPSGD,
    clipped_gradients,
    with_noise,
)
from massivetext_keras.optimization.keras_seams import (
    ModelSeams,
    layers_of,
    time_batches,
)
from massivetext_keras.optimization.mesh.step import MeshStep
from massivetext_keras.optimization.mesh.weights import (
    check_mesh,
    check_weights,
    share_weights,
)
from massivetext_keras.optimization.overriding import (
    check_arguments,
    check_methods,
    choose_modes,
)
from massivetext_keras.optimization.trackers import mean, metrics_in
from massivetext_keras.optimization.update import (
    Update,
    adopt,
    dense_gradients,
    with_update,
)

_NOISE = 0x6E6F6973  # tells the key of noise from that of dropout
# Of Keras's `fit`, behind x.
_FIT_ARGUMENTS = (
    *("y", "batch_size", "epochs", "verbose", "callbacks", "validation_split"),
    *("validation_data", "shuffle", "class_weight", "sample_weight", "initial_epoch"),
    *("steps_per_epoch", "validation_steps", "validation_batch_size"),
    "validation_freq",
)


class TrainingStep(ModelSeams):
    """A `keras.Model` whose loss is a mean over all real tokens of the global batch.

    Keras averages, clips and checks per replica, and gives Adam the rows of an
    embedding one by one; here gradients are made dense and summed over micro-batches
    and replicas before anything reads them. A subclass says what its losses are.

    Batch number k has dropout of its own, on each replica: its keys are made of a seed,
    which checkpoints hold, of k (the optimizer's count of batches) and of the replica.
    """

    # Whether the loss of a row is its own, whatever the other rows of the batch are.
    separable = True
    # Whether a loss weight is of a row, and not of each of its labels.
    weighs_rows = False
    # Whether the loss is that of tokens, whose exponential is a perplexity.
    predicts_tokens = True
    # What Keras runs; None until it is made.
    train_function: Callable | None
    test_function: Callable | None
    # Why its loss cannot be taken of other vectors of its tokens, if it cannot.
    reads_ids_alone: str | None = None

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.loss_tracker = mean("loss", "down")
        self.bits_tracker = None
        self.corpus_trackers: list[keras.metrics.Mean] = []
        self.tally_trackers: list[keras.metrics.Mean] = []
        self.padding_tracker = keras.metrics.Mean(name="padding_share")
        self.data_wait = None  # seconds without a batch, once there is a graph
        self.randomness = keras.random.SeedGenerator(name="randomness")
        self.micro_batches = 1
        self.privacy: DPSGD | None = None
        self.adversarial: AdversarialTraining | None = None
        self._compiled_with: dict[str, Any] = {}  # beside what Keras keeps
        self._trained: list[int] | None = None  # ids of what the graph trains
        self.mesh = current_mesh()
        # In place of `summed_loss` in training; see `compression.Distiller`.
        self.teaching: Callable | None = None
        # Called with gradients, variables and whether they were updated, behind each
        # update; see `compression.Pruner`.
        self.pruning: Callable | None = None

    def summed_loss(
        self, features: dict, labels: tf.Tensor, weights: tf.Tensor, training: bool
    ) -> tuple[list[tf.Tensor], tf.Tensor | None]:
        """The losses of a batch; the method to override for a loss of one's own.

        Args:
            features: of the batch, by name.
            labels: int32 [batch, …].
            weights: float32 [batch, …], of the labels; 0 leaves one out.
            training: whether a gradient is taken.

        Returns:
            Float32 scalars, weighted losses summed, one for each of `loss_counts`;
            float32 [batch], the first by row, or None if a row has none of its own; and
            of a task with `tally_trackers` float32 [trackers, 2], what each of them is
            the share of: so many of so many.
        """
        raise NotImplementedError(f"{type(self).__name__} has no loss to train with")

    def name_corpora(self, names: Sequence[str]) -> None:
        """Tracks the loss of each corpus, as `loss/NAME`, where it is told by row.

        Args:
            names: by their number in the feature `corpus_ids`, int32 [batch].
        """
        with self.distribute_strategy.scope():
            self.corpus_trackers = [mean(f"loss/{name}", "down") for name in names]
        self.train_function = self.test_function = None  # made for other trackers

    def loss_counts(
        self, features: dict, labels: tf.Tensor, weights: tf.Tensor
    ) -> list[tf.Tensor]:
        """What each of the summed losses is divided by; summed over the global
        batch."""
        return [tf.reduce_sum(weights)]

    def label_bytes(self, labels: tf.Tensor) -> tf.Tensor | None:
        """UTF-8 bytes that each label stands for, float32, or None if not known."""

    def compile(
        self,
        optimizer="adamw",
        micro_batches: int = 1,
        recompute: bool = False,
        shard_state: str = "none",
        shard_sequence: bool = False,
        privacy: DPSGD | None = None,
        adversarial: AdversarialTraining | Mapping[str, Any] | None = None,
        **kwargs,
    ):
        """As `keras.Model.compile`; the loss is the task's own.

        Args:
            optimizer: of `training` or of Keras; see `optimization.update.Update`.
            micro_batches: parts of a batch, on each replica, that go through the model
                one after another, so that a part has to fit into memory alone. The
                update is that of the whole batch.
            recompute: in training keep only what enters a block.
            shard_state: what the replicas of a mesh split among them: "none", what the
                "optimizer" keeps, or that and "weights", gathered where they are read
                (Rajbhandari et al., 2020).
            shard_sequence: between products, each device of the tensor axis of a mesh
                has its share of the tokens (Korthikanti et al., 2023): less memory, the
                same sums. Rows whose length does not divide stay whole.
            privacy: clip the gradient of each row and add noise (None: neither).
            adversarial: add the loss of texts whose token vectors were changed for the
                worse, or the fields of it (None: that of texts as they are).
            **kwargs: of Keras. `jit_compile="auto"` compiles the elementwise parts of a
                step by XLA and leaves products to oneDNN, the faster of all on a CPU;
                True compiles the whole step, or under a strategy all of it that is
                done on one replica.

        Raises:
            ValueError: a loss or metrics are given, a method is overridden that is not
                called, or what is asked for does not go together; the message says
                why.
        """
        check_arguments(kwargs)
        check_methods(type(self), TrainingStep)
        if kwargs.get("jit_compile", "auto") == "auto":
            on_gpus = bool(tf.config.list_physical_devices("GPU"))
            kwargs["jit_compile"] = on_gpus and self.mesh is None
        if kwargs.get("steps_per_execution") == "auto":
            kwargs["steps_per_execution"] = 1  # Keras takes little of such a step
        adversarial = self._checked_adversarial(adversarial, privacy)
        if micro_batches < 1:
            raise ValueError(f"micro_batches must be positive, got {micro_batches}")
        if not self.separable and micro_batches > 1:
            raise ValueError(
                f"micro_batches={micro_batches}: {type(self).__name__} compares all "
                "rows of a batch with each other, so it cannot be cut"
            )
        if not self.separable and kwargs["jit_compile"] and self.has_strategy:
            raise ValueError(
                f"jit_compile=True: {type(self).__name__} compares rows of all "
                "replicas, which is not one replica's program"
            )
        optimizer = adopt(optimizer)
        updates = with_update(optimizer)
        if privacy is not None:
            self._check_privacy(updates)
        check_mesh(
            self.mesh, updates, shard_state, shard_sequence, kwargs["jit_compile"]
        )
        if self.mesh is not None:
            check_weights(self.trainable_variables)
        stacks = [x for x in layers_of(self) if isinstance(x, TransformerStack)]
        has_experts = self._has_experts()
        if shard_state == "weights" and not has_experts:
            recompute = True  # to gather them once more
        if recompute and not stacks:
            raise ValueError(
                "recompute=True is for blocks of a Transformer, which this has none of"
            )
        if recompute and has_experts:
            raise ValueError(
                "recompute=True: the balance of experts would be counted twice"
            )
        for stack in stacks:
            stack.recompute = recompute
        self.micro_batches, self.shard_sequence = micro_batches, shard_sequence
        self.privacy, self.adversarial = privacy, adversarial
        if privacy is not None:
            self.randomness.next()  # updates are counted anew, and noise is used once
        share_weights(self.weights, shard_state == "weights")
        optimizer.scales_loss = self.compute_dtype == "float16"
        optimizer.shares_state = shard_state != "none"
        super().compile(optimizer=optimizer, auto_scale_loss=False, **kwargs)
        self._compiled_with = {
            "micro_batches": micro_batches,
            "recompute": recompute,
            "shard_state": shard_state,
            "shard_sequence": shard_sequence,
            "privacy": privacy and dataclasses.asdict(privacy),
            "adversarial": adversarial and dataclasses.asdict(adversarial),
        }

    def get_compile_config(self):
        config = super().get_compile_config()
        if not config:
            return config
        known = None
        if self.optimizer.built:  # perhaps before something was frozen
            new = {id(v) for v in self.updater.unknown(self.weights)}
            known = [i for i, v in enumerate(self.weights) if id(v) not in new]
        return {**config, **self._compiled_with, "optimized": known}

    def compile_from_config(self, config):
        config = keras.saving.deserialize_keras_object(config)
        known = config.pop("optimized", None)
        if config.get("privacy"):
            config["privacy"] = DPSGD(**config["privacy"])
        if self.mesh is None:
            for name in ("shard_state", "shard_sequence"):
                config.pop(name, None)  # of a mesh that it was trained on
        self.compile(**config)
        if known is not None:
            self.build_optimizer([self.weights[i] for i in known])

    def freeze(self, pattern: str) -> list[str]:
        """Keeps weights as they are, from the next `fit` on.

        Args:
            pattern: regular expression, searched for in the weights' paths.

        Returns:
            The paths of what is frozen.

        Raises:
            ValueError: it is found in none that is trained, or is no expression.
        """
        return freezing.freeze(self, pattern)

    def unfreeze(self, pattern: str = "") -> list[str]:
        """Trains frozen weights again; `compile` after it, if the optimizer was made
        without them.

        Args:
            pattern: regular expression, searched for in the weights' paths.

        Returns:
            The paths of what is trained again.

        Raises:
            ValueError: it is found in none that is frozen, or is no expression.
        """
        return freezing.unfreeze(self, pattern)

    def make_train_function(self, force: bool = False):
        """As that of `keras.Model`, but made anew where other weights are trained."""
        freezing.check_trained(self.trainable_variables, self.updater.unknown)
        trained = [id(variable) for variable in self.trainable_variables]
        force = force or trained != self._trained
        self._trained = trained
        if self.mesh is None:
            return super().make_train_function(force)
        if self.train_function is None or force:
            steps = MeshStep(self, self.mesh)
            self.train_function = steps.function(steps.train, self.steps_per_execution)
        return self.train_function

    def make_test_function(self, force: bool = False):
        """As that of `keras.Model`."""
        if self.mesh is None:
            return super().make_test_function(force)
        if self.test_function is None or force:
            steps = MeshStep(self, self.mesh)
            self.test_function = steps.function(steps.test, self.steps_per_execution)
        return self.test_function

    def fit(self, x=None, *args, **kwargs):
        """As `keras.Model.fit`; a dataset keeps its order.

        Of `TrainingBatches` an epoch is one pass, or `steps_per_epoch` batches; each
        epoch, and each `fit`, goes on with the batch after the last one.

        Raises:
            ValueError: `steps_per_epoch` is no multiple of `steps_per_execution`.
        """
        named = dict(zip(_FIT_ARGUMENTS, args, strict=False)) | kwargs
        x, kwargs = self.fit_data(x, **named)
        if isinstance(x, tf.data.Dataset):
            kwargs.setdefault("shuffle", False)
        at_once = self.steps_per_execution
        if isinstance(x, TrainingBatches) and not kwargs.get("steps_per_epoch"):
            kwargs["steps_per_epoch"] = -(-len(x) // at_once) * at_once
        steps = kwargs.get("steps_per_epoch")
        if steps and steps % at_once:
            raise ValueError(
                f"steps_per_epoch={steps} is no multiple of "
                f"steps_per_execution={at_once}: more updates would be made"
            )
        choose_modes(kwargs.get("callbacks"), self.metrics)
        if not isinstance(x, TrainingBatches):
            return super().fit(x, **kwargs)
        kept = NextBatch(x, self.optimizer)
        kwargs["callbacks"] = with_last(kwargs.get("callbacks"), kept)
        try:
            return super().fit(x.endless(), **kwargs)
        finally:
            kept.count()

    def fit_data(self, x, **others) -> tuple[Any, dict[str, Any]]:
        """What `fit` is given, as data and arguments that Keras's `fit` takes; for
        subclasses that read more than it does."""
        return x, others

    def as_labels(self, labels: tf.Tensor) -> tf.Tensor:
        """Labels that somebody gave to `fit`, as `summed_loss` takes them."""
        return labels

    @property
    def metrics(self) -> list:
        """Trackers of the loss, of bits per byte if bytes are known, of what the task
        tallies and of each corpus; and metrics that a subclass has as attributes."""
        trackers = [self.loss_tracker, self.bits_tracker]
        trackers += [*self.tally_trackers, *self.corpus_trackers]
        trackers += metrics_in(vars(self), [*trackers, self.padding_tracker])
        return [tracker for tracker in trackers if tracker is not None]

    def reset_metrics(self):
        """As `keras.Model.reset_metrics`; padding, which is no result, begins anew."""
        super().reset_metrics()
        self.padding_tracker.reset_state()

    def train_step(self, data):
        """Loss, gradients summed over micro-batches and replicas, update."""
        batch = unpacked(data, self.as_labels, self.weighs_rows)
        self.track_padding(*padding(*batch[:2]))
        counts = sum_over_replicas(self.loss_counts(*batch))
        key = self.key_of_batch()
        compiled_apart = self.jit_compile and tf.distribute.has_strategy()
        in_parts = self.micro_batches > 1 or compiled_apart or self.adversarial
        if self.privacy is not None:
            summed, parts, gradients = clipped_gradients(self, batch, counts, key)
        elif not in_parts:
            with keys_from(key), tf.GradientTape() as tape:
                losses = (self.teaching or self.summed_loss)(*batch, training=True)
                summed, parts, loss = self.scaled_loss(losses, batch, counts)
            gradients = dense_gradients(tape, loss, self.trainable_variables)
        else:
            summed, parts, gradients = self._gradients_in_parts(batch, counts, key)
        total, *gradients = sum_over_replicas([summed, *gradients])
        if self.privacy is not None:
            rows = tf.shape(batch[1])[0]
            gradients = with_noise(self.privacy, gradients, rows, self.key_of_noise())
        norm = self._update(gradients, total)
        if self.pruning is not None:
            finite = tf.math.is_finite(total) & tf.math.is_finite(norm)
            self.pruning(gradients, self.trainable_variables, finite)
        return self.logs_of_update(summed, parts, batch, tf.math.is_finite(total), norm)

    def key_of_batch(self) -> tf.Tensor:
        """uint32 scalar, what the next batch takes its keys of dropout from."""
        seed, step = self.randomness.state[0], self.optimizer.iterations
        return hashed(seed, tf.convert_to_tensor(step), replica_id())

    def key_of_noise(self) -> tf.Tensor:
        """uint32 scalar, of the noise of the next update: the same on every replica."""
        step = tf.convert_to_tensor(self.optimizer.iterations)
        return hashed(*tf.unstack(self.randomness.state), step, _NOISE)

    def _check_privacy(self, updater: Update) -> None:
        """Refuses `privacy` where it would not hold.

        Raises:
            ValueError: says why.
        """
        name = type(self).__name__
        if not self.separable:
            raise ValueError(
                f"privacy: {name} compares rows of a batch with each other, so no "
                "gradient is one row's"
            )
        if self.compute_dtype == "float16":
            raise ValueError(
                "privacy: gradients in float16 are of a scaled loss; use bfloat16"
            )
        if updater.loss_scale_factor:
            raise ValueError(
                f"privacy: loss_scale_factor={updater.loss_scale_factor:g} of the "
                "optimizer scales the loss that gradients are clipped by"
            )
        if self._has_experts():
            raise ValueError("privacy: the balance of experts is of all rows together")

    def _checked_adversarial(
        self,
        given: AdversarialTraining | Mapping[str, Any] | None,
        privacy: DPSGD | None,
    ) -> AdversarialTraining | None:
        """What `compile` is given as `adversarial`.

        Raises:
            ValueError: there is no such loss; says why.
        """
        adversarial = AdversarialTraining.of(given)
        if adversarial is None:
            return None
        why = self.reads_ids_alone
        if privacy is not None:
            why = "privacy bounds the gradient of each row's own loss: give one of both"
        elif self.mesh is not None:
            why = "a task on a mesh cannot be trained with it"
        elif self._has_experts():
            why = "the balance of experts would be counted twice"
        elif adversarial.virtual and not self.gives_probabilities:
            why = f"virtual needs probabilities, which a {type(self).__name__} of this "
            why += "kind does not give"
        if why:
            raise ValueError(f"adversarial: {why}")
        return adversarial

    def _has_experts(self) -> bool:
        stacks = [x for x in layers_of(self) if isinstance(x, TransformerStack)]
        return any(stack.config.num_experts for stack in stacks)

    def track_padding(self, padded: tf.Tensor, positions: tf.Tensor) -> None:
        """Tells the tracker of padding what `batches.padding` gives."""
        share = tf.math.divide_no_nan(padded, positions)
        self.padding_tracker.update_state(share, positions)

    def logs_of_update(self, summed, parts, batch, finite, norm) -> dict:
        """Tracks the losses of an update, and gives its logs."""
        logs = {"gradient_norm": norm} | self._update_logs()
        self.track(summed, parts, batch, finite)
        return self.get_metrics_result() | logs

    def compute_loss(
        self, x=None, y=None, y_pred=None, sample_weight=None, training=True
    ):
        """The task's own loss, for a `train_step` of one's own.

        Args:
            x, y, sample_weight: features, labels and weights of this replica's batch.
            y_pred: not read: the loss makes what it needs.
            training: whether a gradient is taken.

        Returns:
            float32 scalar: this replica's part of the mean over the global batch, with
            what layers add. `optimizer.apply_gradients` sums parts over replicas.
        """
        batch = unpacked((x, y, sample_weight), self.as_labels, self.weighs_rows)
        counts = sum_over_replicas(self.loss_counts(*batch))
        losses = self.summed_loss(*batch, training=training)
        summed, _ = self.total(losses, batch, counts)
        return summed / tf.maximum(counts[0], 1.0) + sum(self.losses) / replica_count()

    def test_step(self, data):
        """Loss alone."""
        batch = unpacked(data, self.as_labels, self.weighs_rows)
        counts = sum_over_replicas(self.loss_counts(*batch))
        self.track(*self.test_losses(batch, counts), batch)
        return self.get_metrics_result()

    def test_losses(self, batch: Batch, counts) -> tuple[tf.Tensor, tuple]:
        """`total` of a batch without dropout."""
        return self.total(self.summed_loss(*batch, training=False), batch, counts)

    def _gradients_of(self, batch: Batch, counts, key) -> tuple:
        """The losses of rows summed, the second of `total` and dense gradients."""
        if self.adversarial is not None:
            return adversarial_gradients(self, batch, counts, key)
        with keys_from(key), tf.GradientTape() as tape:
            losses = (self.teaching or self.summed_loss)(*batch, training=True)
            summed, parts, loss = self.scaled_loss(losses, batch, counts)
        return summed, parts, dense_gradients(tape, loss, self.trainable_variables)

    def _gradients_in_parts(self, batch, counts, key):
        """The losses summed, the second of `total` and dense gradients, all over
        micro-batches, one by one; with `jit_compile` under a strategy as a program of
        its own, since the update is not one replica's."""

        def summed_over_parts(batch, counts, key):
            part = cut(batch, self.micro_batches)
            zeros = [tf.zeros(v.shape) for v in self.trainable_variables]

            def body(i, sums):
                more = self._gradients_of(part(i), counts, hashed(key, i))
                return i + 1, tf.nest.map_structure(tf.add, sums, more)

            return tf.while_loop(
                lambda i, _: i < self.micro_batches,
                body,
                (tf.constant(0), (tf.constant(0.0), self.no_parts(), zeros)),
                parallel_iterations=1,
            )[1]

        function = self._gradients_of if self.micro_batches == 1 else summed_over_parts
        if self.jit_compile and tf.distribute.has_strategy():
            function = island(function)
        return function(batch, counts, key)

    def scaled_loss(
        self, losses, batch, counts, own=None
    ) -> tuple[tf.Tensor, tuple, tf.Tensor]:
        """`total` of what `summed_loss` gives, and what gradients are taken of: these
        rows' part of the scaled mean over the global batch or, with their own counts,
        the mean over them alone."""
        summed, parts = self.total(losses, batch, counts)
        whole = summed
        if own is not None:
            counts, (whole, _) = own, self.total(losses, batch, own)
        mean = whole / tf.maximum(counts[0], 1.0) + self.added_by_layers()
        return summed, parts, self.updater.scale_loss(mean)

    def added_by_layers(self) -> tf.Tensor | float:
        """What layers add to the loss, such as the balance of experts, a mean of its
        own: the part of these rows."""
        return sum(self.losses) / (replica_count() * self.micro_batches)

    def no_tallies(self) -> tf.Tensor:
        return tf.zeros([len(self.tally_trackers), 2])

    def no_parts(self) -> tuple[tf.Tensor, tf.Tensor]:
        """The second of `total` of no rows."""
        return tf.zeros([len(self.corpus_trackers)]), self.no_tallies()

    def total(self, losses, batch, counts) -> tuple[tf.Tensor, tuple]:
        """From what `summed_loss` gives of some rows: its losses, each scaled such that
        over the first count of the global batch all together are the sum of their
        means; and the first of them by corpus, float32 [corpora], with the tallies,
        float32 [trackers, 2]."""
        summed, rows, *tallies = losses
        scales = [tf.math.divide_no_nan(counts[0], count) for count in counts[1:]]
        pairs = zip(summed[1:], scales, strict=True)
        total = tf.add_n([summed[0], *(s * scale for s, scale in pairs)])
        return total, (self._by_corpus(batch, rows), *(tallies or [self.no_tallies()]))

    def _by_corpus(self, batch, rows: tf.Tensor | None) -> tf.Tensor:
        """Float32 [batch] -> [corpora]."""
        count = len(self.corpus_trackers)
        if not count or rows is None:
            return tf.zeros([count])
        return tf.math.unsorted_segment_sum(rows, batch[0]["corpus_ids"], count)

    @property
    def updater(self) -> Update:
        """The optimizer with all that `Update` adds to it."""
        return with_update(self.optimizer)

    def build_optimizer(self, variables: list[keras.Variable] | None = None) -> None:
        """Makes the optimizer's state, if there is none.

        Args:
            variables: that it updates (None: those that are trained now).
        """
        with self.distribute_strategy.scope():
            self.updater.build(variables or self.trainable_variables)

    def _update(self, gradients: list[tf.Tensor], total: tf.Tensor) -> tf.Tensor:
        """Applies gradients, by XLA programs on one device, and gives their norm."""
        variables, updater = self.trainable_variables, self.updater

        def apply(total, *gradients):
            return updater.update(list(gradients), variables, loss=total)

        if updater.separate or tf.distribute.has_strategy():
            return apply(total, *gradients)
        return island(apply)(total, *gradients)

    def _update_logs(self) -> dict[str, tf.Tensor]:
        updater = self.updater
        logs = {"skipped_in_row": tf.cast(updater.skipped_in_row, tf.float32)}
        if updater.dynamic_scale is not None:
            logs["loss_scale"] = tf.convert_to_tensor(updater.dynamic_scale)
        return logs

    def step_function(self, step):
        if self._steps_as_keras:
            return None
        self._make_clock()
        return graph_of_steps(self, step)

    def begin_epochs(self, epochs):
        if self.optimizer is not None:
            self.build_optimizer()
        if self._steps_as_keras and epochs is not None:
            self._make_clock()
            time_batches(epochs, self.data_wait)

    def epoch_logs(self, logs):
        # An epoch may end within an execution, whose logs there are none of then.
        return {**logs, **self.get_metrics_result()}

    @property
    def _steps_as_keras(self) -> bool:
        """Whether Keras's own function of a step is right; it has no frame of ours."""
        return not self.has_strategy and self.steps_per_execution == 1

    def _make_clock(self) -> None:
        if self.data_wait is None:
            self.data_wait = waiting_time()

    def track(self, summed, parts, batch, finite: tf.Tensor | bool = True) -> None:
        """Adds this replica's losses to the trackers, if they are finite: else the
        epoch's mean would not be."""
        _, labels, weights = batch
        summed, (parts, tallies), weights = tf.nest.map_structure(
            lambda x: tf.where(finite, x, 0.0), (summed, parts, weights)
        )
        count = tf.reduce_sum(weights)
        self.loss_tracker.update_state(tf.math.divide_no_nan(summed, count), count)
        sizes = self.label_bytes(labels)
        if sizes is not None:
            total = tf.reduce_sum(sizes * weights)
            bits = tf.math.divide_no_nan(summed, total * math.log(2.0))
            self.bits_tracker.update_state(bits, total)
        counts = self._by_corpus(batch, tf.reduce_sum(weights, axis=-1))
        for i, tracker in enumerate(self.corpus_trackers):
            tracker.update_state(tf.math.divide_no_nan(parts[i], counts[i]), counts[i])
        for i, tracker in enumerate(self.tally_trackers):
            part, whole = tallies[i, 0], tallies[i, 1]
            tracker.update_state(tf.math.divide_no_nan(part, whole), whole)
