"""The shape of a Transformer as one frozen value: a family of models is a row of it."""

from __future__ import annotations

import dataclasses
from typing import Any

from massivetext_keras.architecture.model import ModelConfig
from massivetext_keras.architecture.weights import transformer_tree
from massivetext_keras.support.values import Config, one_of


@dataclasses.dataclass(frozen=True)
class TransformerConfig(ModelConfig):
    """The shape of a Transformer. A family of models is a row of these fields.

    Attributes:
        stack: "decoder" (causal), "prefix" (causal but for a prefix that all tokens
            see; Dong et al., 2019), "encoder" (bidirectional) or "encoder_decoder".
        vocabulary_size: rows of the token embedding.
        num_layers: blocks; of an encoder-decoder, those of the encoder. An encoder may
            have none: what it gives are the embeddings.
        num_decoder_layers: blocks of the decoder (None: as many).
        hidden_size: width of the residual stream.
        embedding_size: width of the embeddings, projected to `hidden_size` (None: the
            same width, not projected). Lan et al., 2020.
        num_heads: query heads.
        num_key_value_heads: heads of keys and values, a divisor of `num_heads`
            (None: as many; 1: multi-query). Ainslie et al., 2023.
        head_size: width of one head (None: `hidden_size // num_heads`).
        intermediate_size: width inside the feed-forward layer.
        max_length: longest sequence, in tokens.
        dropout: rate on embeddings and on what joins the residual stream.
        attention_dropout: rate on attention weights (None: `dropout`).
        activation: "gelu" (exact), "gelu_tanh", "relu" or "silu".
        gated: multiply the activation by a second projection (Shazeer, 2020).
        norm: "layer_norm" or "rms_norm".
        norm_position: "pre" (with one more norm at the end) or "post".
        norm_epsilon: added to the variance.
        embedding_norm: normalise the sum of the embeddings.
        embedding_scale: multiply token embeddings by the root of their width.
        position: "learned", "sinusoidal", "rotary", "relative" or "none".
        position_offset: rows of learned positions before the first (RoBERTa and BART:
            2); an encoder with such rows counts real tokens only.
        rope_theta: base of the rotary wavelengths.
        rope_scaling: the rule that stretches rotary wavelengths to longer texts, as in
            a Hugging Face config (`{"rope_type": "llama3", "factor": 8.0, …}`).
        rotary_fraction: share of a head's features that are rotated.
        relative_buckets: distances told apart by relative position bias (T5).
        relative_max_distance: distance from which all share one bucket.
        segment_types: rows of the segment embedding (BERT: 2; 0: none).
        qkv_bias: bias on the query, key and value projections.
        output_bias: bias on the projection out of attention.
        feed_forward_bias: bias on the feed-forward projections.
        attention_scale: of the scores (None: 1 / sqrt(head_size); T5: 1).
        window: keys at most this many tokens back are seen (None: all).
        parallel: attention and feed-forward read the same input (GPT-NeoX).
        rezero: a gate, zero at first, on what joins the residual stream (Bachlechner
            et al., 2020).
        shared_layers: all blocks are one (ALBERT).
        num_experts: feed-forward layers to choose from (0: one, no choice). Shazeer et
            al., 2017; Jiang et al., 2024 (Mixtral).
        experts_per_token: how many a token passes through.
        expert_loss: weight of the loss that spreads tokens over experts.
        pooler: a tanh projection of the first token (BERT).
        tied_embeddings: the output layer is the token embedding's transpose.
        logit_scale: hidden states are multiplied by it before the output layer.
        logit_bias: a bias per token of the output layer.
    """

    stacks = ("decoder", "prefix", "encoder", "encoder_decoder")
    encoder_decoders = ("encoder_decoder",)

    stack: str = "decoder"
    vocabulary_size: int = 32000
    num_layers: int = 12
    num_decoder_layers: int | None = None
    hidden_size: int = 768
    embedding_size: int | None = None
    num_heads: int = 12
    num_key_value_heads: int | None = None
    head_size: int | None = None
    intermediate_size: int = 3072
    max_length: int = 1024
    dropout: float = 0.0
    attention_dropout: float | None = None
    activation: str = "gelu_tanh"
    gated: bool = False
    norm: str = "layer_norm"
    norm_position: str = "pre"
    norm_epsilon: float = 1e-5
    embedding_norm: bool = False
    embedding_scale: bool = False
    position: str = "learned"
    position_offset: int = 0
    rope_theta: float = 10000.0
    rope_scaling: dict | None = None
    rotary_fraction: float = 1.0
    relative_buckets: int = 32
    relative_max_distance: int = 128
    segment_types: int = 0
    qkv_bias: bool = True
    output_bias: bool = True
    feed_forward_bias: bool = True
    attention_scale: float | None = None
    window: int | None = None
    parallel: bool = False
    rezero: bool = False
    shared_layers: bool = False
    num_experts: int = 0
    experts_per_token: int = 2
    expert_loss: float = 0.01
    pooler: bool = False
    tied_embeddings: bool = True
    logit_scale: float = 1.0
    logit_bias: bool = False

    def __post_init__(self):
        super().__post_init__()
        one_of(self, "stack", self.stacks)
        one_of(self, "activation", ("gelu", "gelu_tanh", "relu", "silu"))
        one_of(self, "norm", ("layer_norm", "rms_norm"))
        one_of(self, "norm_position", ("pre", "post"))
        positions = ("learned", "sinusoidal", "rotary", "relative", "none")
        one_of(self, "position", positions)
        sizes = "vocabulary_size num_layers num_decoder_layers hidden_size num_heads "
        sizes += "embedding_size intermediate_size max_length num_key_value_heads "
        sizes += "head_size window experts_per_token"
        may_be_bare = self.stack == "encoder" and not self.shared_layers
        least = {"num_layers": 0} if may_be_bare else {}
        for field in sizes.split():
            value = getattr(self, field)
            if value is not None and value < least.get(field, 1):
                raise ValueError(f"{field} must be positive, got {value}")
        for field in ("position_offset", "segment_types", "num_experts"):
            if (value := getattr(self, field)) < 0:
                raise ValueError(f"{field} must be 0 or more, got {value}")
        for field in ("dropout", "attention_dropout"):
            if not 0.0 <= (getattr(self, field) or 0.0) < 1.0:
                raise ValueError(
                    f"{field} must be in [0, 1), got {getattr(self, field)}"
                )
        if self.head_size is None and self.hidden_size % self.num_heads:
            raise ValueError(
                f"hidden_size {self.hidden_size} is not a multiple of num_heads "
                f"{self.num_heads}; give head_size to choose the width of a head"
            )
        if self.num_heads % self.key_value_heads:
            raise ValueError(
                f"num_heads {self.num_heads} is not a multiple of "
                f"num_key_value_heads {self.key_value_heads}"
            )
        if not 0.0 < self.rotary_fraction <= 1.0:
            raise ValueError(
                f"rotary_fraction must be in (0, 1], got {self.rotary_fraction}"
            )
        if self.position == "rotary" and self.rotary_size % 2:
            raise ValueError(f"rotary needs an even width, got {self.rotary_size}")
        if self.num_experts and self.experts_per_token > self.num_experts:
            raise ValueError(
                f"experts_per_token {self.experts_per_token} is more than "
                f"num_experts {self.num_experts}"
            )
        if self.parallel and self.norm_position == "post":
            raise ValueError('parallel needs norm_position="pre"')

    __hash__ = Config.__hash__

    @property
    def key_value_heads(self) -> int:
        """Heads of keys and values."""
        return self.num_key_value_heads or self.num_heads

    @property
    def width_of_head(self) -> int:
        """Width of one head."""
        return self.head_size or self.hidden_size // self.num_heads

    @property
    def attention_dropout_rate(self) -> float:
        """Dropout rate on attention weights."""
        rate = self.attention_dropout
        return self.dropout if rate is None else rate

    @property
    def rotary_size(self) -> int:
        """Features of a head that are rotated."""
        return int(self.width_of_head * self.rotary_fraction)

    @property
    def width_of_embedding(self) -> int:
        """Width of the token embedding."""
        return self.embedding_size or self.hidden_size

    @property
    def residual_scale(self) -> float:
        """Standard deviation of the first weights of what joins the residual stream,
        whose variance is then the same at any depth (Radford et al., 2019)."""
        return 0.02 * (2 * self.num_layers) ** -0.5

    @property
    def numbers_per_place(self) -> int:
        """Of keys and values of all layers."""
        return self.decoder_layers * 2 * self.key_value_heads * self.width_of_head

    def weight_tree(self) -> dict[str, Any]:
        return transformer_tree(self)
