"""What a model costs in arithmetic, and what its training keeps in memory."""

from __future__ import annotations

import functools

from massivetext_keras.architecture.config import TransformerConfig
from massivetext_keras.architecture.model import ModelConfig
from massivetext_keras.architecture.recurrent import GATES, RecurrentConfig
from massivetext_keras.architecture.recurrent_seq2seq import RecurrentSeq2SeqConfig
from massivetext_keras.architecture.weights import Weight, count, weights
from massivetext_keras.architecture.word_encoder import WordEncoderConfig


@functools.singledispatch
def flops_per_token(config: ModelConfig, length: int) -> float:
    """Floating-point operations of forward and backward pass for one token.

    Of a Transformer 6 N + 12 L H Q T, as in appendix B of PaLM (Chowdhery et al.,
    2022): six for every weight that a token goes through, and attention over T tokens
    in L layers of H heads of width Q. Lookups cost nothing, the output layer counts
    once, of experts those that a token meets, a shared block as often as it is passed.
    Recomputed activations are not counted, nor is what causality spares. In an
    encoder-decoder, with as many tokens on both sides, a token meets half of it. Of a
    recurrent model it is 6 N, however long the row; of a recurrent encoder-decoder half
    of that and of 6 T (A + M), for scores of width A and contexts of width M.

    Args:
        config: the shape.
        length: tokens T of a row.

    >>> config = TransformerConfig(vocabulary_size=50257)  # GPT-2 small
    >>> flops_per_token(config, 1024) == 6 * (
    ...     124439808 - 1024 * 768
    ... ) + 12 * 12 * 768 * 1024
    True
    """
    raise NotImplementedError(f"the arithmetic of a {type(config).__name__}")


@flops_per_token.register
def _(config: TransformerConfig, length: int) -> float:
    multiplied = 0.0
    for path, weight in weights(config).items():
        stack, *_ = path.split("/")
        passes = _passes(config, weight)
        if weight.role == "expert":
            passes = config.experts_per_token / config.num_experts
        if config.shared_layers and weight.depth == 1:
            layers = config.decoder_layers if stack == "decoder" else config.num_layers
            passes *= layers
        multiplied += passes * count([weight.sizes])
    seen = min(length, config.window or length)
    layers, sides = config.num_layers, 1
    if config.stack == "encoder_decoder":
        layers, sides = config.num_layers + 2 * config.decoder_layers, 2
    width = config.num_heads * config.width_of_head
    return (6 * multiplied + 12 * layers * width * seen) / sides


@flops_per_token.register
def _(config: RecurrentConfig, length: int) -> float:
    table = weights(config).values()
    return 6 * sum(_passes(config, weight) * count([weight.sizes]) for weight in table)


@flops_per_token.register
def _(config: RecurrentSeq2SeqConfig, length: int) -> float:
    table = weights(config).values()
    multiplied = sum(_passes(config, x) * count([x.sizes]) for x in table)
    looked = length * (config.width_of_keys + config.width_of_memory)
    return 6 * (multiplied + looked) / 2


@flops_per_token.register
def _(config: WordEncoderConfig, length: int) -> float:
    table = weights(config).values()  # it has no output layer: tables are looked up in
    return 6 * count(weight.sizes for weight in table if weight.role != "embedding")


def _passes(config: ModelConfig, weight: Weight) -> float:
    """How often a token is multiplied with a weight: never with a table that rows are
    looked up in, unless it is the output layer, too."""
    stack, *_ = weight.path.split("/")
    if weight.role == "position" or (weight.role == "embedding" and stack != "output"):
        return float(stack == "tokens" and config.tied_embeddings)
    return 1.0


@functools.singledispatch
def numbers_kept(config: ModelConfig, seen: float, recompute: bool) -> float:
    """Numbers that the forward pass keeps of a token for the backward pass.

    Of a block of a Transformer: 13 d for the residual stream, the norms, queries, keys,
    values and what attention gives; 2 f in the feed-forward layer, 4 f if it is gated;
    and H T attention weights. With recomputation d for each block and one block whole.
    Of a recurrent layer: what it reads, with and without dropout, its two products, and
    its states.

    Args:
        config: the shape.
        seen: keys that a token attends to, in the mean.
        recompute: keep only what enters a block.
    """
    raise NotImplementedError(f"the memory of a {type(config).__name__}")


@numbers_kept.register
def _(config: TransformerConfig, seen: float, recompute: bool) -> float:
    d, f = config.hidden_size, config.intermediate_size
    if config.num_experts:
        f *= config.experts_per_token
    block = 13 * d + (4 if config.gated else 2) * f + config.num_heads * seen
    layers = float(config.num_layers)
    if config.stack == "encoder_decoder":
        layers += 1.5 * config.decoder_layers  # a third part attends to the encoder
    return layers * d + block if recompute else layers * block


@numbers_kept.register
def _(config: RecurrentConfig, seen: float, recompute: bool) -> float:
    gates, widths = GATES[config.cell], config.widths
    return sum(
        2 * widths[i] + (2 * gates + 2) * widths[i + 1]
        for i in range(config.num_layers)
    )


@numbers_kept.register
def _(config: RecurrentSeq2SeqConfig, seen: float, recompute: bool) -> float:
    d, m, gates = config.hidden_size, config.width_of_memory, GATES[config.cell]
    kept = (2 * gates + config.states) * d  # products and states
    directions, layers = len(config.encoder_directions), config.decoder_layers
    read = 2 * (config.width_of_embedding + m * (config.num_layers - 1))
    encoder = read + directions * kept * config.num_layers + config.width_of_keys
    read = 2 * (config.width_of_embedding + d * (layers - 1)) + config.width_fed
    return encoder + read + layers * kept + m + config.width_of_output + seen


@numbers_kept.register
def _(config: WordEncoderConfig, seen: float, recompute: bool) -> float:
    gates, kept = GATES[config.cell], 2 * config.width_of_words
    return kept + config.num_layers * (2 * gates + 4) * config.hidden_size
