"""BERT: a stack of blocks in which every token sees every other."""

from __future__ import annotations

import tensorflow as tf

from massivetext_keras.architecture.config import TransformerConfig
from massivetext_keras.layers.dense import Dense
from massivetext_keras.layers.embeddings import Embeddings
from massivetext_keras.layers.stack import TransformerStack
from massivetext_keras.models.backbone import Backbone


class BERT(Backbone):
    """Bidirectional encoder (Devlin et al., 2019), without a head.

    Args:
        config: the shape; its rows in `shapes.PRESETS` make it BERT, RoBERTa,
            DistilBERT, MiniLM, ALBERT or ELECTRA.

    >>> from massivetext_keras.architecture.shapes import preset
    >>> model = BERT(preset("bert_tiny"))
    >>> model.count_params()
    4385920
    >>> hidden = model({"token_ids": [[101, 7592, 102]]})
    >>> hidden.shape, model.pooled(hidden).shape
    (TensorShape([1, 3, 128]), TensorShape([1, 128]))
    """

    stacks = ("encoder",)
    takes_embedding_size = True

    def __init__(self, config: TransformerConfig, **kwargs):
        super().__init__(config, **kwargs)
        policy = self.dtype_policy
        self.embeddings = Embeddings(config, dtype=policy, name="embeddings")
        self.stack = TransformerStack(config, dtype=policy, name="stack")
        self.pooler = None
        if config.pooler:
            self.pooler = Dense(config.hidden_size, dtype=policy, name="pooler")
        self.build_all()

    def pooled(self, hidden: tf.Tensor) -> tf.Tensor:
        """Hidden states [batch, length, d] -> [batch, d], by way of the first token.

        Raises:
            ValueError: the config has no pooler.
        """
        if self.pooler is None:
            raise ValueError("this BERT has no pooler: set pooler=True in its config")
        return tf.tanh(self.pooler(hidden[:, 0]))
