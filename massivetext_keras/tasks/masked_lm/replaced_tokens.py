"""Replaced-token detection: which tokens did another model make up?"""

from __future__ import annotations

from typing import overload

import tensorflow as tf

from massivetext_keras import data
from massivetext_keras.architecture.config import TransformerConfig
from massivetext_keras.generation.precision import in_float32
from massivetext_keras.generation.sampling import gumbel
from massivetext_keras.kernels.cross_entropy import token_losses
from massivetext_keras.layers.dropout import Dropout
from massivetext_keras.layers.heads.pretraining import DiscriminatorHead
from massivetext_keras.models.bert import BERT
from massivetext_keras.runtimes.portable import Head
from massivetext_keras.tasks.base import Task
from massivetext_keras.tasks.masked_lm.task import MaskedLM, masked_states
from massivetext_keras.tasks.masked_lm.texts import ReplacedTexts
from massivetext_keras.tasks.served import STRING, served
from massivetext_keras.text.framing import frame, framed, max_text_tokens, padded
from massivetext_keras.text.strings import Texts, as_texts

_DETECTION_WEIGHT = 50.0  # Clark et al., 2020


class ReplacedTokenDetector(Task):
    """An encoder that tells made-up tokens from real ones (ELECTRA; Clark et al. 2020).

    In training `generator`, a small `MaskedLM` with the same token embedding, learns to
    fill gaps, and the encoder to find where its samples differ from the text: it learns
    from all tokens. A preset holds the encoder and its head, for `TextEmbedder` and
    others to start from; `task.generator.save_preset` keeps the generator.

    Args:
        config: shape of the encoder; its `stack` is "encoder".
        tokenizer: strings to ids; None for a task on ids alone.
        generator_size: width of the generator, as a share of the encoder's.

    Raises:
        ValueError: the config does not fit, or has no row for the mask.

    >>> from massivetext_keras.tokenizers import ByteTokenizer
    >>> detector = ReplacedTokenDetector.from_preset(
    ...     "bert_tiny", tokenizer=ByteTokenizer()
    ... )
    >>> detector({"token_ids": [[1, 100, 101, 2]]}).shape
    TensorShape([1, 4])
    >>> [token for token, _ in detector.detect("cat")]
    ['c', 'a', 't']
    """

    backbone_class = BERT
    data_class = ReplacedTexts
    options = ("generator_size",)
    hugging_face_heads = ("discriminator",)
    reads_ids_alone = "it reads tokens that its generator chooses"

    def __init__(
        self,
        config: TransformerConfig,
        tokenizer=None,
        generator_size: float = 0.25,
        **kwargs,
    ):
        super().__init__(config, tokenizer, **kwargs)
        policy = self.dtype_policy
        self.head = DiscriminatorHead(config, dtype=policy, name="head")
        self.head.build((None, None, config.hidden_size))
        self.generator_size = generator_size
        small = generator_config(config, generator_size)
        shared = {"tokens": self.backbone.tokens, "dtype": policy}
        backbone = BERT(small, **shared, name="generator")
        self.generator = MaskedLM(small, tokenizer, backbone=backbone, dtype=policy)
        # For its keys alone: other ones at each step and replica, kept in checkpoints.
        self.noise = Dropout(0.5, name="noise")

    embedded_tokens = MaskedLM.embedded_tokens

    def heads(self):
        return {"head": self.head}

    def portable_head(self):
        return Head("discriminator")

    def call(self, inputs, training: bool | None = None) -> tf.Tensor:
        """Features of `BERT` -> float32 logits [batch, length] of being replaced."""
        return self.head(self.backbone(inputs, training=training), training=training)

    def summed_loss(self, features, labels, weights, training):
        """As `MaskedLM`, and 50 times the mean loss of the detection."""
        generator, positions = self.generator, features["masked_positions"]
        hidden = generator.backbone(features, training=training)
        logits = generator.logits(masked_states(hidden, features), training)
        rows = tf.reduce_sum(token_losses(logits, labels) * weights, axis=1)

        sampled = tf.where(weights > 0.0, self._sample(logits, training), labels)
        original = data.scatter(features["token_ids"], positions, labels)
        corrupted = data.scatter(original, positions, sampled)
        replaced = tf.cast(corrupted != original, tf.float32)
        scores = self({**features, "token_ids": corrupted}, training=training)
        found = tf.nn.sigmoid_cross_entropy_with_logits(replaced, scores)
        found = tf.reduce_sum(found * _real(features))
        return [tf.reduce_sum(rows), _DETECTION_WEIGHT * found], rows

    def loss_counts(self, features, labels, weights):
        counts = super().loss_counts(features, labels, weights)
        return [*counts, tf.reduce_sum(_real(features))]

    def _sample(self, logits: tf.Tensor, training: bool) -> tf.Tensor:
        """Float32 logits [batch, n, vocabulary] -> int32 [batch, n]."""
        shape = tf.shape(logits)
        rows = tf.range(shape[0] * shape[1])
        key = self.noise.next_key() if training else tf.zeros([], tf.uint32)
        noise = gumbel([None, logits.shape[-1]], key, rows, tf.constant(0))
        noisy = tf.reshape(logits, [-1, logits.shape[-1]]) + noise
        sampled = tf.argmax(noisy, axis=-1, output_type=tf.int32)
        return tf.reshape(sampled, shape[:2])

    @property
    def mask_id(self) -> int | None:
        """What the generator fills."""
        return self.generator.mask_id

    @overload
    def detect(self, texts: str) -> list[tuple[str, float]]: ...
    @overload
    def detect(self, texts: Texts) -> list[list[tuple[str, float]]]: ...
    def detect(
        self, texts: Texts
    ) -> list[tuple[str, float]] | list[list[tuple[str, float]]]:
        """The tokens of texts, each with the probability that it was replaced.

        Args:
            texts: one text or several; of one that is too long, the beginning.

        Raises:
            ValueError: there is no tokenizer.
        """
        self.need_tokenizer()
        texts, one = as_texts("text", texts)
        if not texts:
            return []
        found = self.detect_graph.rows(texts)
        rows = [
            [(t.decode(), float(s)) for t, s in zip(*row, strict=True) if s >= 0.0]
            for row in zip(found["token"], found["score"], strict=True)
        ]
        return rows[0] if one else rows

    @served("detect", "serving_default", text=STRING)
    def detect_graph(self, texts: tf.Tensor) -> dict[str, tf.Tensor]:
        """`detect` (text -> token, score): string and float32 [n, tokens], padded with
        "" and -1."""
        tokenizer = self.need_tokenizer()
        ids = tokenizer.tokenize(texts)
        ids = ids[:, : max_text_tokens(tokenizer, self.config.max_length)]
        with in_float32(self):
            scores = tf.sigmoid(self(padded(tokenizer, framed(tokenizer, ids))))
        first = len(frame(tokenizer)[0])
        length = tf.cast(ids.bounding_shape(1), tf.int32)
        known = tf.sequence_mask(ids.row_lengths(), length)
        scores = tf.where(known, scores[:, first : first + length], -1.0)
        tokens = tokenizer.detokenize(ids.flat_values[:, None])
        return {"token": ids.with_flat_values(tokens).to_tensor(""), "score": scores}


def _real(features: dict[str, tf.Tensor]) -> tf.Tensor:
    """Float32 [batch, length], 0 at padding."""
    whole = tf.ones_like(features["token_ids"])
    return tf.cast(features.get("padding_mask", whole), tf.float32)


def generator_config(config: TransformerConfig, size: float) -> TransformerConfig:
    """The shape of a generator beside an encoder: as deep, but narrower.

    >>> from massivetext_keras.architecture.shapes import preset
    >>> small = generator_config(preset("electra_base_discriminator"), 1 / 3)
    >>> small.hidden_size, small.num_heads, small.intermediate_size
    (256, 4, 1024)
    """
    if not 0.0 < size <= 1.0:
        raise ValueError(f"generator_size must be in (0, 1], got {size}")
    heads = max(1, round(config.num_heads * size))
    return config.replace(
        embedding_size=config.width_of_embedding,
        hidden_size=heads * config.width_of_head,
        num_heads=heads,
        num_key_value_heads=None,
        intermediate_size=max(1, round(config.intermediate_size * size)),
        pooler=False,
    )
