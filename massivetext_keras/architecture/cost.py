"""What a model costs in arithmetic."""

from __future__ import annotations

from massivetext_keras.architecture.config import TransformerConfig
from massivetext_keras.architecture.weights import count, weights


def flops_per_token(config: TransformerConfig, length: int) -> float:
    """Floating-point operations of forward and backward pass for one token.

    6 N + 12 L H Q T, as in appendix B of PaLM (Chowdhery et al., 2022): six for every
    weight that a token goes through, and attention over T tokens in L layers of H heads
    of width Q. Lookups cost nothing, the output layer counts once, of experts those
    that a token meets, a shared block as often as it is passed. Recomputed activations
    are not counted, nor is what causality spares. In an encoder-decoder, with as many
    tokens on both sides, a token meets half of it.

    Args:
        config: the shape.
        length: tokens T of a row.

    >>> config = TransformerConfig(vocabulary_size=50257)  # GPT-2 small
    >>> flops_per_token(config, 1024) == 6 * (
    ...     124439808 - 1024 * 768
    ... ) + 12 * 12 * 768 * 1024
    True
    """
    multiplied = 0.0
    for path, weight in weights(config).items():
        stack, *_ = path.split("/")
        passes = 1.0
        if weight.role == "position" or (
            weight.role == "embedding" and stack != "output"
        ):
            passes = float(stack == "tokens" and config.tied_embeddings)
        elif weight.role == "expert":
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
