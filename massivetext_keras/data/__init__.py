"""Texts to batches of features, labels and loss weights."""

from massivetext_keras.data.contrast import contrastive_batches
from massivetext_keras.data.denoising import (
    Infilling,
    SpanCorruption,
    denoising_batches,
)
from massivetext_keras.data.encoding import frame, framed, padded, room, text_ids
from massivetext_keras.data.masking import Masking, masked_batches, put
from massivetext_keras.data.pairs import (
    enclosed,
    encode_pairs,
    pair_batches,
    read_pairs,
    read_tsv,
    split_pairs,
    start_id,
)
from massivetext_keras.data.windows import (
    encode_documents,
    training_batches,
    validation_batches,
)

__all__ = [
    "Infilling",
    "Masking",
    "SpanCorruption",
    "contrastive_batches",
    "denoising_batches",
    "enclosed",
    "encode_documents",
    "encode_pairs",
    "frame",
    "framed",
    "masked_batches",
    "padded",
    "pair_batches",
    "put",
    "read_pairs",
    "read_tsv",
    "room",
    "split_pairs",
    "start_id",
    "text_ids",
    "training_batches",
    "validation_batches",
]
