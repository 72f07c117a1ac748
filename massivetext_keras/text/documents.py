"""Documents to rows of ids, several at a time, in their order."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
import tensorflow as tf
from tqdm import tqdm

# Of a call to the tokenizer's graph: enough to make Python's part small.
_CHARACTERS_AT_ONCE = 1 << 18
_DOCUMENTS_AT_ONCE = 512


def encoded_documents(
    tokenizer, documents: Iterable[str], add_bos: bool | None = None
) -> Iterator[list[np.ndarray]]:
    """The ids of documents, each closed by the end-of-text id.

    The tokenizer's graph runs in a thread for each processor; no more documents are
    read than these work on.

    Args:
        tokenizer: strings to ids; `bos_id` opens a document if it says `add_bos`, and
            `eos_id` closes it if there is one.
        documents: texts.
        add_bos: instead of what the tokenizer says.

    Returns:
        An iterator over some documents at a time, int32 [tokens] of each, in order.

    >>> from massivetext_keras.tokenizers import ByteTokenizer
    >>> [
    ...     [row.tolist() for row in some]
    ...     for some in encoded_documents(ByteTokenizer(), iter(["ab", ""]))
    ... ]
    [[[100, 101, 2], [2]]]
    """
    add_bos = tokenizer.add_bos if add_bos is None else add_bos
    ends = [tokenizer.bos_id] * add_bos, [tokenizer.eos_id]
    before, after = ([i for i in some if i is not None] for some in ends)

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string)], autograph=False)
    def graph(texts):
        count = tf.shape(texts)[0]
        extra = [
            tf.tile(tf.constant([e], tf.int32), [count, 1]) for e in (before, after)
        ]
        return tf.concat([extra[0], tokenizer.tokenize(texts), extra[1]], axis=1)

    traced = graph.get_concrete_function()

    def encode(texts):
        rows = traced(tf.constant(texts))
        return np.split(rows.flat_values.numpy(), rows.row_splits.numpy()[1:-1])

    threads = os.cpu_count() or 1
    with ThreadPoolExecutor(threads) as pool:
        waiting: deque[Future] = deque()
        for texts in _some(documents):
            waiting.append(pool.submit(encode, texts))
            if len(waiting) > 2 * threads:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def encode_documents(
    tokenizer,
    documents: Sequence[str],
    progress: bool = False,
    add_bos: bool | None = None,
) -> np.ndarray:
    """All documents as one row of ids, each closed by the end-of-text id.

    Args:
        tokenizer: see `encoded_documents`.
        documents: texts.
        progress: show a bar.
        add_bos: instead of what the tokenizer says.

    Returns:
        int32 [tokens].

    >>> from massivetext_keras.tokenizers import ByteTokenizer
    >>> encode_documents(ByteTokenizer(), ["ab", "c"]).tolist()
    [100, 101, 2, 102, 2]
    """
    rows = [np.zeros(0, np.int32)]
    with tqdm(total=len(documents), unit="doc", disable=not progress) as bar:
        for some in encoded_documents(tokenizer, documents, add_bos):
            rows += some
            bar.update(len(some))
    return np.concatenate(rows)


def _some(documents: Iterable[str]) -> Iterator[list[str]]:
    """Documents in lists of about one size."""
    some, characters = [], 0
    for text in documents:
        some.append(text)
        characters += len(text)
        if characters >= _CHARACTERS_AT_ONCE or len(some) >= _DOCUMENTS_AT_ONCE:
            yield some
            some, characters = [], 0
    if some:
        yield some
