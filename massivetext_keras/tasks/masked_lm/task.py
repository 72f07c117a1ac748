"""Masked language modelling: guess hidden tokens, fill gaps, score texts."""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping
from typing import Any, NamedTuple, overload

import numpy as np
import tensorflow as tf

from massivetext_keras import data
from massivetext_keras.architecture.config import TransformerConfig
from massivetext_keras.generation.checks import checked
from massivetext_keras.generation.precision import in_float32
from massivetext_keras.kernels.cross_entropy import logits_losses, token_losses
from massivetext_keras.kernels.random import with_equal_keys
from massivetext_keras.layers.dense import Dense
from massivetext_keras.layers.heads.pretraining import MaskedHead
from massivetext_keras.models.bert import BERT
from massivetext_keras.runtimes.portable import Head
from massivetext_keras.saving.export import ROUNDING
from massivetext_keras.support.values import choose
from massivetext_keras.tasks.base import Task
from massivetext_keras.tasks.masked_lm.texts import MaskedTexts
from massivetext_keras.tasks.served import INTEGER, STRING, Check, served
from massivetext_keras.text.framing import (
    frame,
    framed,
    max_text_tokens,
    padded,
    text_ids,
)
from massivetext_keras.text.strings import Texts, as_texts

_ROWS_AT_ONCE = 64
_TOP_K = 5  # of an export
_MOST_TIES = 20
_FIELDS_OF_HEAD = ("activation", "norm_epsilon")


class Fill(NamedTuple):
    """What may stand in the place of a mask.

    Attributes:
        token: text of the token.
        score: its probability.
        text: the whole text with it.
    """

    token: str
    score: float
    text: str


class MaskedLM(Task):
    """An encoder that guesses hidden tokens from both sides (Devlin et al., 2019).

    The mask is the tokenizer's [MASK] or <mask>. If it has none, the mask is the first
    id after the tokenizer's, and "<mask>" in texts.

    Args:
        config: shape of the model; its `stack` is "encoder".
        tokenizer: strings to ids; None for a task on ids alone.
        sentences: what else is learnt: "next", whether the second of two texts follows
            the first (Devlin et al., 2019), or "order", whether they changed places
            (ALBERT; Lan et al., 2020). Both need a config with `pooler` and
            `segment_types`. None: nothing.
        head_fields: fields of the config that are others in the head, such as
            {"activation": "gelu"} (None: none).

    Raises:
        ValueError: the config does not fit, or has no row for the mask.

    >>> from massivetext_keras.tokenizers import ByteTokenizer
    >>> lm = MaskedLM.from_preset("bert_tiny", tokenizer=ByteTokenizer())
    >>> lm({"token_ids": [[1, 100, 259, 2]]}).shape
    TensorShape([1, 4, 260])
    >>> len(lm.fill_mask("c<mask>t", top_k=3))
    3
    """

    backbone_class = BERT
    data_class = MaskedTexts
    options = ("sentences", "head_fields")
    hugging_face_heads = ("pretraining", "masked_lm")

    def __init__(
        self,
        config: TransformerConfig,
        tokenizer=None,
        sentences: str | None = None,
        head_fields: Mapping[str, Any] | None = None,
        **kwargs,
    ):
        super().__init__(config, tokenizer, **kwargs)
        shape = (None, None, config.hidden_size)
        self.head_fields = dict(head_fields or {})
        for field in self.head_fields:
            choose("field of a head", field, dict.fromkeys(_FIELDS_OF_HEAD))
        own = config.replace(**self.head_fields)
        self.head = MaskedHead(own, dtype=self.dtype_policy, name="head")
        self.head.build(shape)
        self.sentences, self.sentence_head = sentences, None
        if sentences is not None:
            choose("objective on sentences", sentences, {"next": 0, "order": 0})
            if not config.pooler or config.segment_types < 2:
                raise ValueError("two texts need pooler=True and segment_types=2")
            self.sentence_head = Dense(2, dtype=self.dtype_policy, name="next_sentence")
            self.sentence_head.build(shape)
        self.mask_id, self.mask_token = None, "<mask>"
        if tokenizer is not None:
            self.mask_id = tokenizer.mask_id
            if self.mask_id is None:
                self.mask_id = tokenizer.vocabulary_size
            else:
                self.mask_token = tokenizer.id_to_token(self.mask_id)
            if self.mask_id >= config.vocabulary_size:
                raise ValueError(
                    f"the tokenizer has no mask, and the model no row for one: set "
                    f"vocabulary_size={self.mask_id + 1}"
                )

    @classmethod
    def embedded_tokens(cls, tokenizer) -> int:
        return tokenizer.vocabulary_size + (tokenizer.mask_id is None)

    def heads(self):
        heads = {"head": self.head}
        if self.sentence_head is not None:
            heads["head/next_sentence"] = self.sentence_head
        return heads

    def portable_head(self):
        return Head("masked_lm", {"mask_id": self.mask_id, "fields": self.head_fields})

    def call(self, inputs, training: bool | None = None) -> tf.Tensor:
        """Features of `BERT` -> float32 logits [batch, length, vocabulary]."""
        return self.logits(self.backbone(inputs, training=training), training)

    def logits(self, hidden: tf.Tensor, training: bool | None = None) -> tf.Tensor:
        """Hidden states [..., d] -> float32 logits [..., vocabulary]."""
        hidden = self.head(hidden, training=training)
        return self.backbone.logits(hidden, tf.convert_to_tensor(self.head.bias))

    def summed_loss(self, features, labels, weights, training):
        """Losses at `masked_positions`, int32 [batch, n] of the features, where the
        labels are [batch, n]; without them, at all positions."""
        if type(self).call is MaskedLM.call:
            hidden = self.backbone(features, training=training)
            loss, rows = self.backbone.summed_loss(
                self.head(masked_states(hidden, features), training=training),
                labels,
                weights,
                bias=tf.convert_to_tensor(self.head.bias),
            )
        else:
            hidden, logits = with_equal_keys(
                lambda: self.backbone(features, training=training),
                lambda: self(features, training=training),
            )
            logits = masked_states(logits, features)
            (loss,), rows = logits_losses(logits, labels, weights)
        if self.sentence_head is None:
            return [loss], rows
        scores = tf.cast(self.sentence_head(self.backbone.pooled(hidden)), tf.float32)
        losses = token_losses(scores, features["sentence_labels"])
        return [loss, tf.reduce_sum(losses * _real_rows(weights))], rows

    def loss_counts(self, features, labels, weights):
        counts = super().loss_counts(features, labels, weights)
        if self.sentence_head is None:
            return counts
        return [*counts, tf.reduce_sum(_real_rows(weights))]

    @overload
    def fill_mask(self, texts: str, top_k: int = 5) -> list[Fill]: ...
    @overload
    def fill_mask(self, texts: Texts, top_k: int = 5) -> list[list[Fill]]: ...
    def fill_mask(self, texts: Texts, top_k: int = 5) -> list[Fill] | list[list[Fill]]:
        """What most probably stands in the place of the mask.

        Args:
            texts: one text or several, each with one mask. Of one that is too long, the
                mask's surroundings are read.
            top_k: how many.

        Returns:
            `Fill`s for a text, the most probable first; a list of such for a list.

        Raises:
            ValueError: a text has no mask or several, `top_k` is out of range, or there
                is no tokenizer.
        """
        self.need_tokenizer()
        texts, one = as_texts("text", texts)
        most = int(self.fillers.sum())
        if not 1 <= top_k <= most:
            raise ValueError(f"top_k must be between 1 and {most}, got {top_k}")
        for i, text in enumerate(texts):
            if (count := text.count(self.mask_token)) != 1:
                raise ValueError(
                    f"text {i} has {count or 'no'} {self.mask_token}, it needs one: "
                    f"{text[:80]!r}"
                )
        if not texts:
            return []
        found = self.fill_graph.rows(texts, top_k=top_k)
        fills = [
            [
                Fill(t.decode(), float(p), w.decode())
                for t, p, w in zip(*row, strict=True)
            ]
            for row in zip(*found.values(), strict=True)
        ]
        return fills[0] if one else fills

    def score(self, texts: Texts) -> float | list[float]:
        """Pseudo-log-likelihood of texts, in nats (Salazar et al., 2020).

        The sum over all tokens of the log-probability of each where it alone is hidden.
        A text longer than the context is scored in consecutive windows.
        """
        self.need_tokenizer()
        texts, one = as_texts("text", texts)
        if not texts:
            return []
        scores = self.score_graph.rows(texts)["log_probability"].tolist()
        return scores[0] if one else scores

    @functools.cached_property
    def fillers(self) -> np.ndarray:
        """Which tokens may fill a gap, bool [vocabulary]."""
        ids = np.arange(self.config.vocabulary_size)
        return np.isin(ids, text_ids(self.tokenizer))

    @served(
        "fill_mask",
        "serving_default",
        text=STRING,
        top_k=INTEGER,
        defaults=lambda task: {"top_k": min(_TOP_K, int(task.fillers.sum()))},
        checks=lambda task: task._fill_checks(),
    )
    def fill_graph(self, texts: tf.Tensor, top_k: tf.Tensor) -> dict[str, tf.Tensor]:
        """`fill_mask` (text, top_k -> token, score, filled), all [batch, top_k]: the
        tokens in place of the mask, their probabilities, the texts with them."""
        tokenizer, most = self.need_tokenizer(), int(self.fillers.sum())
        right = (top_k >= 1) & (top_k <= most)
        top_k = checked(top_k, right, f"top_k must be between 1 and {most}")
        parts = tf.strings.split(texts, self.mask_token)
        one = tf.reduce_all(parts.row_lengths() == 2)
        check = tf.Assert(one, [f"every text needs one {self.mask_token}"])
        with tf.control_dependencies([check]):
            parts = parts.to_tensor(shape=[None, 2])
        # Where tokens begin with spaces, the one before the mask is the mask's.
        spaced = tokenizer.token_bytes() is None
        left, right = parts[:, 0], parts[:, 1]
        bare = tf.strings.regex_replace(left, r"\s+$", "")
        before, after = tokenizer.tokenize(bare), tokenizer.tokenize(right)
        masks = tf.fill([before.nrows(), 1], self.mask_id)
        places = tf.cast(before.row_lengths(), tf.int32)
        ids = tf.concat([before, masks, after], axis=1)

        # Of a long text, what is around the mask.
        width = max_text_tokens(tokenizer, self.config.max_length)
        spare = tf.cast(ids.row_lengths(), tf.int32) - width
        first = tf.clip_by_value(places - width // 2, 0, tf.maximum(spare, 0))
        index = tf.ragged.range(first, first + width)
        inside = index < tf.cast(ids.row_lengths(), tf.int32)[:, None]
        ids = tf.gather(ids, tf.ragged.boolean_mask(index, inside), batch_dims=1)
        features = padded(tokenizer, framed(tokenizer, ids))
        at = places - first + len(frame(tokenizer)[0])

        scores = tf.nn.softmax(self._logits_at(features, at))
        scores = tf.where(tf.constant(self.fillers), scores, -1.0)
        scores, found = tf.math.top_k(scores, top_k)
        tokens = tokenizer.detokenize(tf.reshape(found, [-1, 1]))
        tokens = tf.reshape(tokens, tf.shape(found))
        filled = tf.where((left == "")[:, None], tf.strings.strip(tokens), tokens)
        left = bare[:, None]
        if spaced:
            begins = tf.gather(tf.constant(tokenizer.begins_word()), found)
            left = tf.where(begins, parts[:, :1], left)
            filled = tf.strings.regex_replace(tokens, "^##", "")
        filled = left + filled + right[:, None]
        return {"token": tokens, "score": scores, "filled": filled}

    @served("score", text=STRING)
    def score_graph(self, texts: tf.Tensor) -> dict[str, tf.Tensor]:
        """`score` (text -> log_probability)."""
        tokenizer = self.need_tokenizer()
        ids = tokenizer.tokenize(texts)
        width = max_text_tokens(tokenizer, self.config.max_length)
        lengths = tf.cast(ids.row_lengths(), tf.int32)
        # Windows: as many rows as a text needs, in order.
        counts = (lengths + width - 1) // width
        owners = tf.repeat(tf.range(tf.size(lengths)), counts)
        firsts = tf.ragged.range(counts).flat_values * width
        sizes = tf.minimum(tf.gather(lengths, owners) - firsts, width)
        windows = tf.RaggedTensor.from_row_lengths(ids.flat_values, sizes)
        features = padded(tokenizer, framed(tokenizer, windows))

        # One row for each token, which it hides.
        rows = tf.repeat(tf.range(tf.size(sizes)), sizes)
        at = tf.ragged.range(sizes).flat_values + len(frame(tokenizer)[0])
        labels = ids.flat_values

        def score_some(first):
            some = tf.range(first, tf.minimum(first + _ROWS_AT_ONCE, tf.size(rows)))
            chosen = {
                k: tf.gather(v, tf.gather(rows, some)) for k, v in features.items()
            }
            places = tf.gather(at, some)
            masks = tf.fill([tf.size(some), 1], self.mask_id)
            hidden = data.scatter(chosen["token_ids"], places[:, None], masks)
            logits = self._logits_at({**chosen, "token_ids": hidden}, places)
            losses = token_losses(logits, tf.gather(labels, some))
            return tf.pad(losses, [[0, _ROWS_AT_ONCE - tf.size(some)]])

        starts = tf.range(0, tf.size(rows), _ROWS_AT_ONCE)
        # Whose shape is known even where there is none.
        part = tf.TensorSpec([_ROWS_AT_ONCE], tf.float32)
        losses = tf.map_fn(score_some, starts, fn_output_signature=part)
        losses = tf.reshape(losses, [-1])[: tf.size(rows)]
        owners = tf.gather(owners, rows)
        sums = tf.math.unsorted_segment_sum(-losses, owners, tf.size(texts))
        return {"log_probability": sums}

    def _fill_checks(self) -> list[Check]:
        """Gaps, and all fills that are as probable as each of the best, but for
        rounding."""
        mask, most = self.mask_token, int(self.fillers.sum())
        gaps = [mask, f"Paris is the {mask} of France.", f"中文 {mask}", f"Un{mask}!"]
        count = min(2, most)
        ranked = [
            [[fill for fill in row if _as_probable(fill, best)] for best in row[:count]]
            for row in self.fill_mask(gaps, top_k=min(_MOST_TIES, most))
        ]
        fields = {"token": "token", "score": "score", "filled": "text"}
        outputs = {
            name: [
                [frozenset(getattr(fill, field) for fill in fills) for fills in row]
                for row in ranked
            ]
            for name, field in fields.items()
        }
        return [({"text": gaps, "top_k": count}, outputs)]

    def _logits_at(self, features: dict, places: tf.Tensor) -> tf.Tensor:
        """Float32 logits [batch, vocabulary] at one place of each row."""
        with in_float32(self):
            hidden = self.backbone(features)
            return self.logits(tf.gather(hidden, places, batch_dims=1))

    @property
    def example_text(self) -> str:
        return f"a {self.mask_token} text"


def _as_probable(fill: Fill, other: Fill) -> bool:
    return math.isclose(fill.score, other.score, rel_tol=3 * ROUNDING)


def _real_rows(weights: tf.Tensor) -> tf.Tensor:
    """Float32 [batch], 0 at rows that only fill a batch; weights [batch, n]."""
    return tf.cast(tf.reduce_max(weights, axis=1) > 0, tf.float32)


def masked_states(hidden: tf.Tensor, features: dict) -> tf.Tensor:
    """Of hidden states [batch, length, d], those at `masked_positions`, if given."""
    if "masked_positions" not in features:
        return hidden
    return tf.gather(hidden, features["masked_positions"], batch_dims=1)
