"""The graph of a task that becomes a file of LiteRT: ids in, or strings in."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import tensorflow as tf
import tensorflow_text as tf_text

from massivetext_keras.generation.precision import in_float32
from massivetext_keras.runtimes.portable import Portable
from massivetext_keras.text.framing import frame
from massivetext_keras.tokenizers import WordPieceTokenizer

_IDS = tf.TensorSpec([None, None], tf.int32)
_TEXT = tf.TensorSpec([None], tf.string)
# Tasks that read one text and answer it as a whole.
_OF_TEXTS = ("classification", "embedding")


class LiteGraph(NamedTuple):
    """What is converted.

    Attributes:
        function: a `tf.function` with an input signature and named outputs.
        inputs: their names.
        strings: whether it takes texts.
    """

    function: tf.types.experimental.PolymorphicFunction
    inputs: Sequence[str]
    strings: bool


def graph_of(keras_task: Any, task: Portable) -> LiteGraph:
    """The graph of a task: with strings in, where its tokenizer is made of operations
    that TF-Text has for LiteRT, and its answer is one of a whole text.

    Args:
        keras_task: of which `task` was made.
    """
    if reads_strings(task):
        return LiteGraph(_of_texts(keras_task, task), ["text"], strings=True)
    names = ["token_ids", "padding_mask"]
    if task.config.segment_types > 1:
        names.append("segment_ids")

    def answer(*features):
        return _answer(keras_task, task, dict(zip(names, features, strict=True)))

    specs = [tf.TensorSpec(_IDS.shape, _IDS.dtype, name) for name in names]
    function = tf.function(answer, autograph=False, input_signature=specs)
    return LiteGraph(function, names, strings=False)


def reads_strings(task: Portable) -> bool:
    """Whether a file of the task can take texts."""
    plain = type(task.tokenizer) is WordPieceTokenizer and not (
        task.tokenizer._settings().keys()
        & {"added_tokens", "strip_accents", "fold_case"}
    )
    changed = any(task.options.get(name) for name in ("prompt", "lowercase"))
    return plain and not changed and task.head.kind in _OF_TEXTS


def _of_texts(
    keras_task: Any, task: Portable
) -> tf.types.experimental.PolymorphicFunction:
    """[CLS] text [SEP] without ragged rows, all as long as the longest one."""
    tokenizer = task.tokenizer
    normalizer = tf_text.FastBertNormalizer(
        lower_case_nfd_strip_accents=tokenizer._settings()["lowercase"]
    )
    room = task.reading()["max_text_tokens"]
    (first,), (last,) = frame(tokenizer)
    pad = tokenizer.pad_id or 0

    def answer(text):
        rows = tokenizer._pieces.tokenize(normalizer.normalize(text))
        sizes = tf.cast(rows.row_splits[1:] - rows.row_splits[:-1], tf.int32)
        sizes = tf.minimum(sizes, room)[:, None]
        ids = rows.to_tensor(default_value=pad, shape=[None, room])
        edge = tf.zeros_like(sizes)
        ids = tf.concat([edge + first, ids, edge + pad], axis=1)
        places = tf.range(room + 2)[None]
        ids = tf.where(places == sizes + 1, last, ids)
        mask = tf.cast(places <= sizes + 1, tf.int32)
        longest = tf.reduce_max(sizes) + 2
        features = {
            "token_ids": ids[:, :longest],
            "padding_mask": mask[:, :longest],
        }
        return _answer(keras_task, task, features)

    text = tf.TensorSpec(_TEXT.shape, _TEXT.dtype, "text")
    return tf.function(answer, autograph=False, input_signature=[text])


def _answer(keras_task: Any, task: Portable, features: dict) -> dict[str, tf.Tensor]:
    """What a task gives, under the names that its graphs of ONNX have."""
    with in_float32(keras_task):
        given = keras_task(features)
    kind, settings = task.head.kind, task.head.settings
    if kind == "spans":
        starts, ends = tf.unstack(given, axis=-1)
        return {"start_logits": starts, "end_logits": ends}
    if kind == "embedding":
        return {"sentence_embedding": given}
    if kind != "classification":
        return {"logits": given}
    scores = given / settings["temperature"]
    if settings["scores"] == "softmax":
        scores = tf.nn.softmax(scores)
    elif settings["scores"] == "sigmoid":
        scores = tf.sigmoid(scores)
    return {"logits": given, "scores": scores}
