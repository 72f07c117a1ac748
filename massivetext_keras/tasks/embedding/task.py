"""Texts as vectors: near where the texts mean the same."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import tensorflow as tf

from massivetext_keras.architecture.config import TransformerConfig
from massivetext_keras.distribution.replicas import gather_over_replicas
from massivetext_keras.generation.precision import in_float32
from massivetext_keras.kernels.cross_entropy import token_losses
from massivetext_keras.models.bert import BERT
from massivetext_keras.runtimes.portable import Head
from massivetext_keras.support.values import choose
from massivetext_keras.tasks.base import Task
from massivetext_keras.tasks.embedding.pairs import PositivePairs
from massivetext_keras.tasks.served import STRING, TEXT, served
from massivetext_keras.text.framing import framed, max_text_tokens, padded, utf8
from massivetext_keras.text.strings import Texts, as_texts
from massivetext_keras.tokenizers.parts.rewriting import rewrite

_HIDDEN = -1e9


def _mean(hidden: tf.Tensor, mask: tf.Tensor) -> tf.Tensor:
    total = tf.reduce_sum(hidden * mask, axis=1)
    return tf.math.divide_no_nan(total, tf.reduce_sum(mask, axis=1))


def _max(hidden: tf.Tensor, mask: tf.Tensor) -> tf.Tensor:
    return tf.reduce_max(tf.where(mask > 0, hidden, _HIDDEN), axis=1)


def _mean_sqrt_length(hidden: tf.Tensor, mask: tf.Tensor) -> tf.Tensor:
    total = tf.reduce_sum(hidden * mask, axis=1)
    return tf.math.divide_no_nan(total, tf.sqrt(tf.reduce_sum(mask, axis=1)))


def _weighted_mean(hidden: tf.Tensor, mask: tf.Tensor) -> tf.Tensor:
    return _mean(hidden, mask * tf.cumsum(mask, axis=1))


def _last(hidden: tf.Tensor, mask: tf.Tensor) -> tf.Tensor:
    behind = tf.cumsum(mask, axis=1, exclusive=True, reverse=True)
    return tf.reduce_sum(hidden * mask * tf.cast(behind == 0.0, mask.dtype), axis=1)


# float32 [batch, length, d] and masks [batch, length, 1] -> [batch, d]
POOLINGS = {
    "mean": _mean,
    "cls": lambda hidden, mask: hidden[:, 0],
    "max": _max,
    "mean_sqrt_length": _mean_sqrt_length,
    "weighted_mean": _weighted_mean,
    "last": _last,
}


class TextEmbedder(Task):
    """An encoder whose pooled states are vectors of texts (Reimers & Gurevych, 2019).

    It is trained on pairs of texts that belong together: the second text of a pair is
    to be nearer to the first than the second texts of all other pairs of the batch
    (Henderson et al., 2017). Pairs of each text with itself, which dropout makes two
    different ones, are SimCSE (Gao et al., 2021).

    Args:
        config: shape of the model; its `stack` is "encoder".
        tokenizer: strings to ids; None for a task on ids alone.
        pooling: "mean" over the real tokens, [CLS] and [SEP] included, "max" over them,
            "cls", the first, "last", "mean_sqrt_length", their sum divided by the root
            of their number, or "weighted_mean", by their places from 1 on; of several,
            the vectors side by side.
        unit_length: divide vectors by their length.
        temperature: divides the cosines of the loss.
        sequence_length: tokens of a text that count, at most (None: `max_length`).
        lowercase: texts in lower case, whatever the tokenizer does.
        prompts: what to put before a text, by name, such as {"query": "query: "}.
        prompt: name of the one that is put before where none is said (None: none).

    Raises:
        ValueError: the pooling is unknown, or the config does not fit.

    >>> from massivetext_keras.tokenizers import ByteTokenizer
    >>> embedder = TextEmbedder.from_preset("bert_tiny", tokenizer=ByteTokenizer())
    >>> embedder.embed(["a cat", "a dog"]).shape
    (2, 128)
    >>> round(embedder.similarity("a cat", "a cat"), 4)
    1.0
    """

    backbone_class = BERT
    data_class = PositivePairs
    predicts_tokens = False
    weighs_rows = True
    separable = False  # a text is told from all others of the batch
    options = (
        "pooling",
        "unit_length",
        "temperature",
        "sequence_length",
        "lowercase",
        "prompts",
        "prompt",
    )

    def __init__(
        self,
        config: TransformerConfig,
        tokenizer=None,
        pooling: str | Sequence[str] = "mean",
        unit_length: bool = True,
        temperature: float = 0.05,
        sequence_length: int | None = None,
        lowercase: bool = False,
        prompts: Mapping[str, str] | None = None,
        prompt: str | None = None,
        **kwargs,
    ):
        super().__init__(config, tokenizer, **kwargs)
        self._poolings = [pooling] if isinstance(pooling, str) else list(pooling)
        for name in self._poolings:
            choose("pooling", name, POOLINGS)
        self.prompts = dict(prompts or {})
        if prompt is not None:
            choose("prompt", prompt, self.prompts)
        if temperature <= 0.0:
            raise ValueError(f"temperature must be positive, got {temperature}")
        self.pooling, self.unit_length = pooling, unit_length
        self.temperature, self.lowercase = temperature, lowercase
        self.prompt = prompt
        if sequence_length is not None and sequence_length < 1:
            raise ValueError(f"sequence_length must be positive, got {sequence_length}")
        # What is no limit is none, in whatever folder it is written down.
        limited = sequence_length is not None and sequence_length < config.max_length
        self.sequence_length = sequence_length if limited else None

    def portable_head(self):
        settings = {"poolings": self._poolings, "unit_length": self.unit_length}
        return Head("embedding", settings)

    def call(self, inputs, training: bool | None = None) -> tf.Tensor:
        """Features of `BERT` -> float32 vectors [batch, d].

        Where the features are [batch, 2, length], pairs of texts, so are the vectors.
        """
        if not isinstance(inputs, dict):
            inputs = {"token_ids": inputs}
        inputs = {name: tf.convert_to_tensor(x) for name, x in inputs.items()}
        shape = tf.shape(inputs["token_ids"])
        rows = {
            name: tf.reshape(x, tf.concat([[-1], tf.shape(x)[shape.shape[0] - 1 :]], 0))
            for name, x in inputs.items()
        }
        hidden = tf.cast(self.backbone(rows, training=training), tf.float32)
        mask = rows.get("padding_mask")
        mask = tf.ones_like(rows["token_ids"]) if mask is None else mask
        mask = tf.cast(mask, tf.float32)[..., None]
        vectors = [POOLINGS[name](hidden, mask) for name in self._poolings]
        vectors = tf.concat(vectors, axis=-1)
        if self.unit_length:
            vectors = tf.math.l2_normalize(vectors, axis=-1)
        return tf.reshape(vectors, tf.concat([shape[:-1], [vectors.shape[-1]]], 0))

    def summed_loss(self, features, labels, weights, training):
        """Cross-entropy over the second texts of the whole global batch."""
        vectors = tf.math.l2_normalize(self(features, training=training), axis=-1)
        others, real = gather_over_replicas([vectors[:, 1], weights])
        scores = tf.matmul(vectors[:, 0], others, transpose_b=True) / self.temperature
        scores = tf.where(real > 0.0, scores, _HIDDEN)
        return [tf.reduce_sum(token_losses(scores, labels) * weights)], None

    def embed(self, texts: Texts, prompt: str | None = None) -> np.ndarray:
        """Vectors of texts, computed in float32.

        Args:
            texts: one text or several; of one that is too long, the beginning counts.
            prompt: name of the one of `prompts` to put before (None: the task's own).

        Returns:
            float32 [d] for a text, [n, d] for n of them.

        Raises:
            ValueError: there is no tokenizer, or no such prompt.
        """
        self.need_tokenizer()
        texts, one = as_texts("text", texts)
        before = self._before(self.prompt if prompt is None else prompt)
        if not texts:
            size = self.config.hidden_size * len(self._poolings)
            return np.zeros([0, size], np.float32)
        vectors = self.embed_graph.rows(texts, _before=utf8(before))["embedding"]
        return vectors[0] if one else vectors

    def similarity(self, first: Texts, second: Texts) -> float | np.ndarray:
        """Cosines of the vectors of texts.

        Args:
            first: one text, or n.
            second: one text, or m.

        Returns:
            float32 [n, m], without the axis of what is one text; a float for two texts.
        """
        sides = [self.embed(first), self.embed(second)]
        sides = [x / np.linalg.norm(x, axis=-1, keepdims=True) for x in sides]
        cosines = np.tensordot(*sides, axes=[-1, -1])
        return cosines if cosines.ndim else float(cosines)

    @property
    def longest(self) -> int:
        """Tokens of a text that count."""
        return min(
            self.sequence_length or self.config.max_length, self.config.max_length
        )

    def _before(self, prompt: str | None) -> str:
        return "" if prompt is None else choose("prompt", prompt, self.prompts)

    @served(
        "embed",
        "serving_default",
        text=STRING,
        _before=TEXT,
        defaults=lambda task: {"_before": utf8(task._before(task.prompt))},
    )
    def embed_graph(self, texts: tf.Tensor, before: tf.Tensor) -> dict[str, tf.Tensor]:
        """`embed` (text -> embedding): float32 [n, d]; the task's own prompt is put
        before."""
        texts = before + texts
        if self.lowercase:
            texts = rewrite(texts, [["lowercase"]])
        tokenizer = self.need_tokenizer()
        ids = tokenizer.tokenize(texts)
        ids = ids[:, : max_text_tokens(tokenizer, self.longest)]
        with in_float32(self):
            vectors = self(padded(self.tokenizer, framed(self.tokenizer, ids)))
        return {"embedding": vectors}
