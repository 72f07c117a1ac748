"""Where a Transformer looks: weights of attention, and their rollout."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from massivetext_keras.explain.gradients import Found
from massivetext_keras.explain.graphs import Ask, scores
from massivetext_keras.explain.questions import Question
from massivetext_keras.generation.precision import in_float32
from massivetext_keras.models.attention_maps import stack_weights
from massivetext_keras.models.backbone import positions_of
from massivetext_keras.support.threads import made_once


def attention_weights(task, questions: Sequence[Question]) -> list[Found]:
    """Where the last layer looks from what the output is made of, the mean of its
    heads.

    It is no measure of what the output depends on (Jain & Wallace, 2019).

    Args:
        task: on one stack of Transformer blocks.
        questions: about texts.

    Raises:
        ValueError: the task has another kind of model.
    """
    return _looks(task, questions, lambda layers: layers[-1])


def attention_rollout(task, questions: Sequence[Question]) -> list[Found]:
    """Where all layers look together: products of their attention, with the residual
    stream as a half of each (Abnar & Zuidema, 2020).

    Args:
        task: on one stack of Transformer blocks.
        questions: about texts.

    Raises:
        ValueError: the task has another kind of model.
    """
    return _looks(task, questions, rollout)


def rollout(layers: np.ndarray) -> np.ndarray:
    """The product of all layers' (A + I) / 2, the last one at the left.

    Args:
        layers: float [layers, length, length], attention of each layer; rows sum to 1.

    Returns:
        float [length, length]; rows sum to 1.

    >>> rollout(np.array([[[1.0, 0.0], [1.0, 0.0]]] * 2)).tolist()
    [[1.0, 0.0], [0.75, 0.25]]
    """
    found = np.eye(layers.shape[-1])
    for layer in layers:
        found = (layer + np.eye(len(found))) / 2.0 @ found
    return found


def _looks(task, questions, combine) -> list[Found]:
    stack = getattr(task.backbone, "stack", None)
    if not hasattr(stack, "shared_by_blocks"):
        raise ValueError(
            f"attention is of one stack of Transformer blocks, and a "
            f"{type(task.backbone).__name__} has none: choose another method"
        )
    outputs = scores(task, [Ask(x, x.ids) for x in questions])
    found: list[Found] = []
    for question, output in zip(questions, outputs, strict=True):
        ids = tf.constant(question.ids[None])
        segments = question.features.get("segment_ids")
        segments = tf.zeros_like(ids) if segments is None else segments[None]
        layers = _layer_weights(task)(ids, tf.constant(segments)).numpy()
        looks = combine(layers)[question.read_at].mean(axis=0)
        found.append((looks[question.places].astype(np.float32), None, float(output)))
    return found


@made_once
def _layer_weights(task):
    backbone = task.backbone
    spec = tf.TensorSpec([1, None], tf.int32)

    @tf.function(input_signature=[spec, spec], autograph=False)
    def weights(ids, segments):
        config = backbone.config
        types = segments if config.stack == "encoder" and config.segment_types else None
        positions = positions_of(ids)
        with in_float32(task):
            rows = backbone.embeddings(backbone.tokens(ids), positions, types)
            found = stack_weights(backbone.stack, rows, positions)
        return tf.stack([tf.reduce_mean(layer[0], axis=0) for layer in found])

    return weights
