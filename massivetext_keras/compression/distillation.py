"""A small model learns what a large one says (Hinton et al., 2015)."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Mapping, Sequence

import keras
import tensorflow as tf

from massivetext_keras.architecture.config import TransformerConfig
from massivetext_keras.layers.stack import TransformerStack
from massivetext_keras.models.hidden import attention_maps, hidden_states
from massivetext_keras.optimization.gradients.divergence import (
    divergence,
    weighted_rows,
)
from massivetext_keras.saving.weights import array_of
from massivetext_keras.tasks.base import Task

_TINY = 1e-9
_BLOCK = re.compile(r"\bblock_(\d+)\b")


class Distiller:
    """What a student learns from a teacher: within the block, whatever trains the
    student, `fit` or `training.fine_tune`, trains it with this loss.

    Of each choice the loss is alpha times the student's own, and 1 - alpha times T^2
    times the divergence of its probabilities from the teacher's at temperature T
    (Hinton et al., 2015). With `hidden`, so many times the mean squared difference of
    hidden states is added, behind a projection where their widths differ (Jiao et al.,
    2020: TinyBERT); with `attention`, the divergence of each head's weights from the
    teacher's (Sun et al., 2020: MobileBERT). Both read the same tokens. What is
    measured is the student alone.

    Args:
        teacher: a task; its weights stay as they are.
        student: a task of the same kind, with the same tokenizer and choices.
        temperature: divides the logits of both.
        alpha: share of the student's own loss, from 0 to 1.
        hidden: student's block -> teacher's block, or True: as many student's blocks,
            spread evenly, the last with the last (None: hidden states are not
            compared).
        hidden_weight: of their difference.
        attention: the same of self-attention, for as many heads.
        attention_weight: of its divergence.

    Raises:
        ValueError: the two do not go together; says in what.

    >>> import massivetext_keras as mtk
    >>> task = mtk.tasks.TextClassifier.from_preset(
    ...     "bert_tiny", mtk.tokenizers.ByteTokenizer(), labels=["bad", "good"]
    ... )
    >>> student = student_of(task, [1])
    >>> student.compile(mtk.training.adamw(1e-3))
    >>> with Distiller(task, student, hidden=True):
    ...     history = student.fit(["fine", "awful"], ["good", "bad"], verbose=0)
    """

    def __init__(
        self,
        teacher: Task,
        student: Task,
        temperature: float = 2.0,
        alpha: float = 0.5,
        hidden: Mapping[int, int] | bool | None = None,
        hidden_weight: float = 1.0,
        attention: Mapping[int, int] | bool | None = None,
        attention_weight: float = 1.0,
    ):
        check_pair(teacher, student)
        if not temperature > 0.0:
            raise ValueError(f"temperature must be positive, got {temperature}")
        if not 0.0 <= alpha <= 1.0:
            raise ValueError(f"alpha must be from 0 to 1, got {alpha}")
        self.teacher, self.student = teacher, student
        self.temperature, self.alpha = temperature, alpha
        self.blocks = _pairs(teacher, student, hidden, "hidden")
        self.looks = _pairs(teacher, student, attention, "attention")
        self.hidden_weight, self.attention_weight = hidden_weight, attention_weight
        widths = student.config.hidden_size, teacher.config.hidden_size
        self.projections = [
            keras.Variable(keras.initializers.GlorotUniform(i), widths, name=f"to_{i}")
            for i in self.blocks.values()
            if widths[0] != widths[1]
        ]

    def __enter__(self) -> Distiller:
        if self.student.teaching is not None:
            raise ValueError("the student learns from another teacher already")
        # As weights of the student they are trained, and kept by checkpoints.
        for projection in self.projections:
            setattr(self.student, projection.name, projection)
        self.student.teaching = self.losses
        self.student.train_function = None
        return self

    def __exit__(self, *_: object) -> None:
        self.student.teaching = self.student.train_function = None
        for projection in self.projections:
            delattr(self.student, projection.name)

    def losses(self, features, labels, weights, training: bool = True) -> tuple:
        """What the student is trained with, as of `Task.summed_loss`."""
        output, *found = self._called(self.student, features, training)
        right, *wanted = self._called(self.teacher, features, False)
        own, rows, *tallies = self.student.losses_of(output, features, labels, weights)
        pair = (
            task.choices(logits, features) / self.temperature
            for task, logits in ((self.student, output), (self.teacher, right))
        )
        soft = weighted_rows(divergence(*pair), weights) * self.temperature**2
        taught = (1.0 - self.alpha) * soft
        if self.blocks:
            apart = self._apart(found[0], wanted[0], features)
            taught += self.hidden_weight * apart * _by_row(weights)
        if self.looks:
            apart = self._looks_apart(found[1], wanted[1], features)
            taught += self.attention_weight * apart * _by_row(weights)
        total = self.alpha * own[0] + tf.reduce_sum(taught)
        if rows is not None:
            rows = self.alpha * rows + taught
        return [total, *own[1:]], rows, *tallies

    def _called(self, task: Task, features: dict, training: bool) -> tuple:
        """What a task gives, its hidden states, and the weights of attention."""
        with contextlib.ExitStack() as stack:
            hidden = stack.enter_context(hidden_states())
            looks = stack.enter_context(attention_maps()) if self.looks else []
            return task(features, training=training), hidden, looks

    def _apart(self, found: Sequence, wanted: Sequence, features: dict) -> tf.Tensor:
        """Mean squared differences of hidden states, float32 [batch]: the mean of all
        pairs of blocks, of the real tokens of a row."""
        rows = []
        for number, (own, other) in enumerate(self.blocks.items()):
            x, y = found[own], tf.cast(wanted[other], tf.float32)
            if self.projections:
                x = tf.matmul(x, tf.cast(self.projections[number].value, x.dtype))
            square = tf.math.squared_difference(tf.cast(x, tf.float32), y)
            rows.append(_mean_of_real(tf.reduce_mean(square, -1), features))
        return tf.add_n(rows) / len(rows)

    def _looks_apart(self, found: Sequence, wanted: Sequence, features: dict):
        """Divergences of weights of attention, float32 [batch]: the mean of all pairs
        of blocks, of their heads, and of the real tokens that look."""
        rows = []
        for own, other in self.looks.items():
            ratio = tf.math.log((wanted[other] + _TINY) / (found[own] + _TINY))
            apart = tf.reduce_sum(wanted[other] * ratio, axis=-1)
            rows.append(_mean_of_real(tf.reduce_mean(apart, axis=1), features))
        return tf.add_n(rows) / len(rows)


def student_of(teacher: Task, blocks: Sequence[int], **changes) -> Task:
    """A student that begins as some blocks of its teacher, with all else that is the
    teacher's (Sanh et al., 2019: DistilBERT); of an encoder-decoder these of both.

    Args:
        teacher: a task on a Transformer.
        blocks: numbers of the teacher's blocks, from the lowest on.
        **changes: other fields of the student's config, such as `dropout`.

    Raises:
        ValueError: there is no such block.
    """
    depth = teacher.config.num_layers
    wrong = [i for i in blocks if not 0 <= i < depth]
    if wrong or not blocks or [*blocks] != sorted({*blocks}):
        raise ValueError(f"blocks={[*blocks]}: give some of 0 to {depth - 1}, rising")
    if teacher.quantization.storages():
        raise ValueError("the teacher is stored in fewer bits: dequantize() it first")
    config = teacher.config.replace(num_layers=len(blocks), **changes)
    student = type(teacher)(config, teacher.tokenizer, **teacher.chosen())
    known = teacher.named_weights()
    for name, weight in student.named_weights().items():
        source = _BLOCK.sub(lambda m: f"block_{blocks[int(m[1])]}", name)
        weight.assign(array_of(known[source]))
    student.backbone.has_learnt = teacher.backbone.has_learnt
    return student


def check_pair(teacher: Task, student: Task) -> None:
    """Refuses a student that cannot learn from a teacher.

    Raises:
        ValueError: says why.
    """
    kinds = type(teacher).__name__, type(student).__name__
    if kinds[0] != kinds[1]:
        raise ValueError(f"the teacher is a {kinds[0]}, the student a {kinds[1]}")
    if not student.gives_probabilities:
        raise ValueError(f"a {kinds[1]} of this kind gives no probabilities to learn")
    if teacher is student:
        raise ValueError("the student is its own teacher")
    tokenizers = [task.tokenizer for task in (teacher, student)]
    prints = {x.fingerprint for x in tokenizers if x is not None}
    sizes = {task.config.vocabulary_size for task in (teacher, student)}
    if len(prints) > 1 or len(sizes) > 1:
        raise ValueError(
            "the student has another vocabulary than its teacher: make it with the "
            "teacher's tokenizer"
        )
    of_teacher, of_student = (getattr(x, "labels", ()) for x in (teacher, student))
    if of_teacher != of_student:
        raise ValueError(
            f"the teacher's labels are {list(of_teacher)}, the student's "
            f"{list(of_student)}"
        )
    if student.mesh is not None:
        raise ValueError("a student on a mesh cannot be taught: train it on one device")


def _by_row(weights: tf.Tensor) -> tf.Tensor:
    return tf.reduce_sum(weights, axis=[*range(1, weights.shape.rank)])


def _mean_of_real(x: tf.Tensor, features: dict) -> tf.Tensor:
    """Of [batch, length] the mean of tokens that are no padding, float32 [batch]."""
    mask = features.get("padding_mask")
    if mask is None:
        return tf.reduce_mean(x, axis=1)
    mask = tf.cast(mask, tf.float32)
    return tf.math.divide_no_nan(
        tf.reduce_sum(x * mask, axis=1), tf.reduce_sum(mask, axis=1)
    )


def _pairs(
    teacher: Task, student: Task, pairs: Mapping[int, int] | bool | None, what: str
) -> dict[int, int]:
    """Student's block -> teacher's, of which something is compared.

    Raises:
        ValueError: there is no such block, not one stack of blocks, or another number
            of heads.
    """
    if not pairs:
        return {}
    for task in (teacher, student):
        if not isinstance(getattr(task.backbone, "stack", None), TransformerStack):
            raise ValueError(
                f"{what}: blocks are compared of one stack, which a "
                f"{type(task.backbone).__name__} has not: leave it out"
            )
    sizes = student.config.num_layers, teacher.config.num_layers
    configs = (x.config for x in (teacher, student))
    heads = [x.num_heads for x in configs if isinstance(x, TransformerConfig)]
    if what == "attention" and heads[0] != heads[1]:
        raise ValueError(
            f"attention: the teacher has {heads[0]} heads, the student {heads[1]}: "
            "leave it out"
        )
    if pairs is True:
        return {i: round((i + 1) * sizes[1] / sizes[0]) - 1 for i in range(sizes[0])}
    for pair in pairs.items():
        for number, size, whose in zip(
            pair, sizes, ("student", "teacher"), strict=True
        ):
            if not 0 <= number < size:
                raise ValueError(
                    f"{what}: the {whose} has blocks 0 to {size - 1}, not {number}"
                )
    return dict(pairs)
