"""Questions to tasks that write texts, or compare them."""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from massivetext_keras.data.objectives.pairs import enclosed
from massivetext_keras.explain.questions import (
    Question,
    choose_output,
    edges,
    encoder_features,
    tokens_of,
)
from massivetext_keras.generation.texts import begin_documents
from massivetext_keras.text.framing import framed, max_text_tokens, utf8
from massivetext_keras.tokenizers.base import valid_utf8
from massivetext_keras.tokenizers.parts.rewriting import rewrite_with_origin


def ask_language_model(task, text: str, target: str | None, output: str | None, beside):
    """A question about what follows a text: `target` is a continuation (None: the one
    token that is most probable)."""
    tokenizer, context = task.need_tokenizer(), task.config.max_length
    ids, offsets = tokens_of(tokenizer, text)
    begun = begin_documents(tokenizer, tf.RaggedTensor.from_tensor(ids[None]))
    ids, before = begun[0].numpy(), int(begun.row_lengths()[0]) - len(ids)
    following = np.zeros([1], np.int32)
    if target is not None:
        pieces = tokenizer.escape(tf.constant([[utf8(text), utf8(target)]]))
        following = tokenizer.tokenize_pieces(pieces)[1].numpy()
        if not len(following):
            raise ValueError("the continuation has no token: give another target")
        if len(following) > context - before:
            raise ValueError(
                f"a continuation of {len(following)} tokens leaves the context of "
                f"{context} no room for a text"
            )
    cut = max(len(ids) + len(following) - 1 - context, 0)
    ids = np.concatenate([ids[:before], ids[before + cut :]])
    if target is None:
        logits = task({"token_ids": ids[None]})[0, -1]
        following[0] = int(np.argmax(logits))
        target = tokenizer.id_to_token(int(following[0]))
    row = np.concatenate([ids, following[:-1]])
    at = len(ids) - 1 + np.arange(len(following))
    return Question(
        text,
        encoder_features(row),
        np.arange(before, len(ids)),
        offsets[cut:],
        choose_output(output, ("log_probability",)),
        {"picks": np.stack([at, following], axis=1).astype(np.int32)},
        repr(target),
        at,
    )


def ask_translator(task, text: str, target: str | None, output: str | None, beside):
    """A question about a text that is written for another: `target` is that text (None:
    the one that the task writes)."""
    tokenizer, context = task.need_tokenizer(), task.config.max_length
    if target is None:
        target = task.generate(text)
    whole = task.prefix + text
    ids, offsets = tokens_of(tokenizer, whole)
    read = enclosed(tokenizer, tf.RaggedTensor.from_tensor(ids[None]), context)
    row, before = read[0].numpy(), int(tokenizer.add_bos)
    size, offsets = len(row) - 1 - before, offsets - len(task.prefix)
    own = np.flatnonzero(offsets[:size, 1] > 0)
    side = tokenizer.target_side()
    written = enclosed(tokenizer, side.tokenize(tf.constant([utf8(target)])), context)
    written = written[0].numpy()
    at = np.arange(len(written))
    decoder = np.concatenate([[task.start_id], written[:-1]]).astype(np.int32)
    features = {f"encoder_{k}": x for k, x in encoder_features(row).items()}
    features |= {f"decoder_{k}": x for k, x in encoder_features(decoder).items()}
    return Question(
        text,
        features,
        before + own,
        np.maximum(offsets[own], 0),
        choose_output(output, ("log_probability",)),
        {"picks": np.stack([at, written], axis=1).astype(np.int32)},
        repr(target),
        at,
        "encoder_",
    )


def ask_embedder(task, text: str, target: str | None, output: str | None, beside):
    """A question about the likeness to another text: `target` is that text."""
    if target is None:
        raise ValueError("a likeness is to another text: give it as target=")
    tokenizer = task.need_tokenizer()
    prompt = "" if task.prompt is None else task.prompts[task.prompt]
    texts = valid_utf8(tf.constant([utf8(prompt + text)]))
    steps = [["lowercase"]] if task.lowercase else []
    texts, origin = rewrite_with_origin(texts, steps)
    ids, *places = tokenizer.tokenize_with_offsets(texts)
    offsets = np.stack([x[0].numpy() for x in origin.spans(*places)], axis=1)
    ids = framed(tokenizer, ids[:, : max_text_tokens(tokenizer, task.longest)])
    row, (before, after) = ids[0].numpy(), edges(tokenizer)
    size = len(row) - before - after
    offsets = offsets[:size].astype(int) - len(prompt)
    own = np.flatnonzero(offsets[:, 1] > 0)
    other = task.embed(target)
    norm = np.linalg.norm(other)
    if not norm:
        raise ValueError("the other text has a vector of zeros: no text is like it")
    return Question(
        text,
        encoder_features(row),
        before + own,
        np.maximum(offsets[own], 0),
        choose_output(output, ("cosine",)),
        {"other": (other / norm).astype(np.float32)},
        repr(target),
        _pooled_places(task.pooling, len(row)),
    )


def _pooled_places(pooling, length: int) -> np.ndarray:
    """Which of so many tokens a pooling is of.

    >>> _pooled_places("last", 3).tolist(), _pooled_places("mean", 3).tolist()
    ([2], [0, 1, 2])
    """
    single = {"cls": 0, "last": length - 1}
    if isinstance(pooling, str) and pooling in single:
        return np.array([single[pooling]])
    return np.arange(length)


def log_probability(task, features: dict, picks: tf.Tensor) -> tf.Tensor:
    """The summed log-probability of tokens at places, float32 [batch], in nats.

    Args:
        task: that writes.
        features: of the batch.
        picks: int32 [batch, k, 2]: where, and which token is to be next.
    """
    hidden = tf.gather(task.backbone(features), picks[..., 0], batch_dims=1)
    logs = tf.nn.log_softmax(task.backbone.logits(hidden))
    found = tf.gather(logs, picks[..., 1:], batch_dims=2)
    return tf.reduce_sum(found, axis=[1, 2])


def cosine(task, features: dict, other: tf.Tensor) -> tf.Tensor:
    """The cosine of a text's vector and another of length 1, [batch, d] -> [batch]."""
    vectors = tf.math.l2_normalize(task(features), axis=-1)
    return tf.reduce_sum(vectors * other, axis=-1)
