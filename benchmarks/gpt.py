"""The same GPT in four libraries: made, given batches, asked for logits."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np


class Shape(NamedTuple):
    """Of a GPT-2.

    Attributes:
        vocabulary, layers, width, heads: as they are called.
        context: tokens of a row, at the most.
        dropout: its rate.
    """

    vocabulary: int = 8192
    layers: int = 4
    width: int = 256
    heads: int = 4
    context: int = 256
    dropout: float = 0.1

    @property
    def config(self):
        """As a `TransformerConfig`."""
        from massivetext_keras.architecture.config import TransformerConfig

        return TransformerConfig(
            vocabulary_size=self.vocabulary,
            num_layers=self.layers,
            hidden_size=self.width,
            num_heads=self.heads,
            intermediate_size=4 * self.width,
            max_length=self.context,
            dropout=self.dropout,
        )

    def gigaflops(self, length: int | None = None) -> float:
        """Of a training step for a token, in rows of a length (None: the context)."""
        from massivetext_keras.architecture.cost import flops_per_token

        return 1e-9 * flops_per_token(self.config, length or self.context)


SMALL = Shape()


def our_lm(shape: Shape = SMALL):
    import massivetext_keras as mtk

    return mtk.tasks.CausalLM(shape.config)


def keras_hub_lm(shape: Shape = SMALL):
    import keras_hub

    backbone = keras_hub.models.GPT2Backbone(
        vocabulary_size=shape.vocabulary,
        num_layers=shape.layers,
        hidden_dim=shape.width,
        num_heads=shape.heads,
        intermediate_dim=4 * shape.width,
        max_sequence_length=shape.context,
        dropout=shape.dropout,
    )
    return keras_hub.models.GPT2CausalLM(backbone)


def hugging_face_lm(shape: Shape = SMALL):
    import transformers

    config = transformers.GPT2Config(
        vocab_size=shape.vocabulary,
        n_layer=shape.layers,
        n_embd=shape.width,
        n_head=shape.heads,
        n_positions=shape.context,
        resid_pdrop=shape.dropout,
        embd_pdrop=shape.dropout,
        attn_pdrop=shape.dropout,
    )
    return transformers.GPT2LMHeadModel(config)


def nano_gpt_lm(shape: Shape = SMALL):
    from nanogpt_torch import GPT

    return GPT(*shape)


def features(ids: np.ndarray, mask: bool) -> dict[str, np.ndarray]:
    """What a model of Keras is called on; KerasHub's want a mask of padding."""
    found = {"token_ids": ids}
    return found | {"padding_mask": np.ones_like(ids)} if mask else found


def keras_logits(model, mask: bool) -> Callable[[np.ndarray], np.ndarray]:
    """Logits of ids, by a graph."""
    import tensorflow as tf

    call = tf.function(lambda given: model(given))
    return lambda ids: call(features(ids, mask)).numpy()


def torch_logits(model) -> Callable[[np.ndarray], np.ndarray]:
    """Logits of ids."""
    import torch

    def logits(ids):
        with torch.no_grad():
            return model(torch.tensor(ids).long()).numpy()

    return logits
