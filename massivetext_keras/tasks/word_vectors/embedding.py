"""Word vectors as the first embedding of a task."""

from __future__ import annotations

import logging
from typing import Any

import numpy as np

logger = logging.getLogger(__name__)


def from_vectors(task: Any, vectors: Any, trainable: bool = True) -> int:
    """Gives each token of a task the vector of the word that it spells.

    Tokens that are no known word keep what they have. The vectors are scaled so that
    their numbers have the standard deviation that the embedding had.

    Args:
        task: a task with a tokenizer; `hidden_size` (or `embedding_size`) is the size
            of the vectors.
        vectors: `WordVectors`.
        trainable: whether the embedding is trained.

    Returns:
        How many tokens got a vector.

    Raises:
        ValueError: sizes differ, or no token is a known word.
    """
    tokenizer, tokens = task.need_tokenizer(), task.backbone.tokens
    table, known = np.array(tokens.embeddings), vectors.neighbours.ids
    size = vectors.config.size
    if table.shape[1] != size:
        raise ValueError(
            f"the vectors have {size} numbers, the embedding {table.shape[1]}: make "
            f"the task with hidden_size={size}"
        )
    special = set(tokenizer.special_ids)
    surfaces = tokenizer.token_texts()
    rows, words = [], []
    for index in range(tokenizer.vocabulary_size):
        if index not in special:
            name = tokenizer.id_to_token(index)
            if surfaces is not None:
                name = surfaces[index].decode(errors="replace").strip()
            name = name.removeprefix("▁")
            found = name if name in known else name.lower()
            if found in known:
                rows.append(index)
                words.append(known[found])
    if not rows:
        raise ValueError(
            "no token of the tokenizer is a word that has a vector: a tokenizer of "
            "whole words is wanted, such as WordPieceTokenizer"
        )
    chosen = vectors.vectors[words]
    table[rows] = chosen * (table.std() / max(chosen.std(), 1e-12))
    tokens.embeddings.assign(table)
    tokens.trainable = trainable
    logger.info("%d of %d tokens have vectors", len(rows), tokenizer.vocabulary_size)
    return len(rows)
