"""The synthetic oracle of SeqGAN: a recurrent model whose texts are the truth."""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from massivetext_keras.configs import RecurrentConfig
from massivetext_keras.models.recurrent import Recurrent
from massivetext_keras.tasks.adversarial import sampling

_ROWS = 512  # that are computed together


class Oracle:
    """A recurrent model with normal weights (Yu et al., 2017, section 4).

    What it writes is a language whose probabilities are known: how good another model's
    texts are is their negative log-likelihood by the oracle.

    Args:
        config: its shape, in the paper `seqgan`.
        length: tokens of a text.
        seed: of its weights, all of which are N(0, 1).

    >>> from massivetext_keras.architecture.shapes import preset
    >>> oracle = Oracle(preset("seqgan").replace(vocabulary_size=50), length=4)
    >>> ids = oracle.sample(100, seed=1)
    >>> ids.shape, bool(oracle.nll(ids) < np.log(50))
    ((100, 4), True)
    """

    def __init__(self, config: RecurrentConfig, length: int, seed: int = 0):
        self.length, self.marks = length, sampling.Marks()
        self.model = Recurrent(config, name="oracle")
        rng = np.random.default_rng(seed)
        for weight in sorted(self.model.weights, key=lambda weight: weight.path):
            weight.assign(rng.standard_normal(weight.shape))
        self._sample = tf.function(self._sampled, autograph=False)
        self._nats = tf.function(self._summed, autograph=False, reduce_retracing=True)

    def _sampled(self, seed: tf.Tensor) -> tf.Tensor:
        return sampling.sample(self.model, self.marks, _ROWS, self.length, seed)

    def _summed(self, ids: tf.Tensor) -> tf.Tensor:
        weights = tf.ones_like(ids, tf.float32)
        return sampling.weighted_nll(self.model, self.marks, ids, weights)

    def sample(self, n: int, seed: int = 0) -> np.ndarray:
        """Texts, int32 [n, length]; the same seed gives the same ones."""
        keys = (tf.constant([seed % 2**31, i]) for i in range(0, n, _ROWS))
        return np.concatenate([self._sample(key).numpy() for key in keys])[:n]

    def nll(self, ids: np.ndarray) -> float:
        """Nats per token of texts, int [n, length]: the mean over texts of the negative
        log-likelihood of a text, divided by its length, as in the paper's tables."""
        parts = np.array_split(ids, -(-len(ids) // _ROWS))
        total = sum(float(self._nats(tf.constant(x, tf.int32))) for x in parts)
        return total / ids.size
