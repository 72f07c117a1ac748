"""How large a language model to train, where the minutes and the machine are given."""

from __future__ import annotations

from typing import NamedTuple

from massivetext_keras.architecture.config import TransformerConfig
from massivetext_keras.architecture.cost import flops_per_token
from massivetext_keras.experiment import (
    DataConfig,
    ExperimentConfig,
    OptimizerConfig,
    TokenizerConfig,
    TrainConfig,
)

# Of the speed of large products, what training of such small models comes to: 0.35 in
# float32, and a tenth where products of bfloat16 are fast.
UTILISATION = 0.2
_EVALUATIONS = 5
_LEAST = 100  # updates between evaluations, or these take a large part of the time
# RMSNorm, rotary positions and no biases, as Llama; one matrix of 4 d inside.
_SHAPE = TransformerConfig(
    max_length=256,
    norm="rms_norm",
    position="rotary",
    qkv_bias=False,
    output_bias=False,
    feed_forward_bias=False,
    logit_bias=True,
)


class _Size(NamedTuple):
    """A row of the table.

    Attributes:
        flops: of large products in the time, from which on the row is taken.
        vocabulary, layers, width, heads: of the model.
        rows: of a batch, of 128 tokens.
        rate: the peak, of Muon.
        dropout: where the text is seen often enough to be learnt by heart.
    """

    flops: float
    vocabulary: int
    layers: int
    width: int
    heads: int
    rows: int
    rate: float
    dropout: float


_SIZES = (
    _Size(0, 2048, 4, 128, 4, 16, 1e-2, 0.0),
    _Size(150e12, 4096, 4, 192, 6, 16, 1e-2, 0.0),
    _Size(1500e12, 4096, 6, 256, 8, 16, 1e-2, 0.1),
)


def experiment_for(minutes: float, flops_per_second: float) -> ExperimentConfig:
    """A small language model that learns most in so many minutes, on a text of some MB.

    With little arithmetic many updates of a small model with a small vocabulary are
    better than few of a large one. It is trained by Muon, with a rate that falls to
    zero at the end of the minutes, from the unigrams on.

    Args:
        minutes: of training.
        flops_per_second: of large products, as `measured_peak` measures them.

    Returns:
        The tokenizer's size, the model, the batches, the optimizer and the run.

    >>> slow, fast = (experiment_for(5, peak * 1e9) for peak in (100, 2000))
    >>> slow.model.hidden_size, fast.model.hidden_size
    (128, 192)
    """
    flops = 60 * minutes * flops_per_second
    size = [size for size in _SIZES if size.flops <= flops][-1]
    model = _SHAPE.replace(
        vocabulary_size=size.vocabulary,
        num_layers=size.layers,
        hidden_size=size.width,
        num_heads=size.heads,
        intermediate_size=4 * size.width,
        dropout=size.dropout,
    )
    length = 128
    step = size.rows * length * flops_per_token(model, length)
    return ExperimentConfig(
        model=model,
        tokenizer=TokenizerConfig(vocabulary_size=size.vocabulary),
        data=DataConfig(batch_size=size.rows, sequence_length=length),
        optimizer=OptimizerConfig(
            name="muon",
            learning_rate=size.rate,
            warmup_fraction=0.02,
            schedule="linear",
            final_fraction=0.0,
        ),
        train=TrainConfig(
            minutes=minutes,
            evaluate_every=max(
                _LEAST, round(UTILISATION * flops / step / _EVALUATIONS)
            ),
            unigram_bias=True,
        ),
    )
