"""Texts to batches of features, labels and loss weights."""

from massivetext_keras.data.windows import (
    encode_documents,
    training_batches,
    validation_batches,
)

__all__ = ["encode_documents", "training_batches", "validation_batches"]
