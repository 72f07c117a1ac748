"""Two parallel texts to batches that teach an encoder-decoder."""

from __future__ import annotations

import dataclasses
import functools
import logging
from collections.abc import Iterable, Sequence

import numpy as np
import tensorflow as tf

from massivetext_keras.data.batching.buckets import BucketedRows
from massivetext_keras.data.objectives.base import Objective, objective
from massivetext_keras.text.framing import utf8

logger = logging.getLogger(__name__)

_TEXTS_AT_ONCE = 1024


@objective("pairs")
@dataclasses.dataclass(frozen=True)
class Pairs(Objective):
    """A text is to be written for another one (Sutskever et al., 2014).

    The task encodes its examples: see its `example_batches`.
    """

    reads = "examples"
    batches = "written texts"
    share_held_out = 0.0

    def training(self, task, items, how):
        return task.example_batches(items, *how.sizes).training(how.seed, how.start)

    def validation(self, task, items, how):
        return task.example_batches(items, *how.sizes, training=False).in_order()


def encode_pairs(
    tokenizer,
    sources: Sequence[str],
    targets: Sequence[str],
    max_length: int,
    cut: bool = False,
) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Ids of the pairs that can be learnt from, every text closed by its end.

    Pairs with an empty side, or one longer than `max_length` tokens, are left out.

    Args:
        tokenizer: strings to ids, with an `eos_id`; its `target_side()` reads
            the targets.
        sources, targets: texts, as many.
        max_length: tokens of a text.
        cut: a source that is longer keeps its beginning instead.

    Returns:
        Rows of ids of the sources, and of the targets.

    Raises:
        ValueError: no pair is left.

    >>> from massivetext_keras.tokenizers import ByteTokenizer
    >>> encode_pairs(ByteTokenizer(), ["a", ""], ["b", "c"], 8)
    ([array([100, 2], dtype=int32)], [array([101, 2], dtype=int32)])
    """
    first, shortened = _encoded(tokenizer, sources, max_length if cut else None)
    sides = [first, _encoded(tokenizer.target_side(), targets)[0]]
    kept, empty, long = [], 0, 0
    for i, texts in enumerate(zip(sources, targets, strict=True)):
        if not all(text.strip() for text in texts):
            empty += 1
        elif max(len(side[i]) for side in sides) > max_length:
            long += 1
        else:
            kept.append(i)
    counts = f"{empty:,} with an empty side, {long:,} longer than {max_length} tokens"
    if not kept:
        raise ValueError(f"of {len(sources):,} pairs none can be used: {counts}")
    if empty or long:
        logger.warning(
            "%s of %s pairs left out: %s", empty + long, len(sources), counts
        )
    if shortened:
        logger.warning(
            "%s of %s sources are longer than %s tokens: they keep their beginning",
            f"{shortened:,}",
            f"{len(sources):,}",
            max_length,
        )
    return [sides[0][i] for i in kept], [sides[1][i] for i in kept]


def _encoded(
    tokenizer, texts: Sequence[str], max_length: int | None = None
) -> tuple[list[np.ndarray], int]:
    """Rows of ids, and how many lost their ends."""
    rows, shortened = [], 0
    for i in range(0, len(texts), _TEXTS_AT_ONCE):
        ids = tokenizer.tokenize(
            tf.constant([utf8(text) for text in texts[i : i + _TEXTS_AT_ONCE]])
        )
        some = enclosed(tokenizer, ids, max_length)
        rows += np.split(some.flat_values.numpy(), some.row_splits.numpy()[1:-1])
        whole = ids.row_lengths() + 1 + tokenizer.add_bos
        shortened += np.count_nonzero(some.row_lengths() < whole)
    return rows, shortened


def enclosed(
    tokenizer, token_ids: tf.RaggedTensor, max_length: int | None = None
) -> tf.RaggedTensor:
    """What an encoder-decoder reads and writes of a text: its end belongs to it.

    Args:
        tokenizer: `eos_id` ends a text; `bos_id` opens it if it says `add_bos`, as
            BART's does.
        token_ids: int32 [batch, (length)].
        max_length: tokens of a row, these two included; a longer one keeps its
            beginning (None: all stay whole).

    >>> from massivetext_keras.tokenizers import ByteTokenizer
    >>> enclosed(ByteTokenizer(), tf.ragged.constant([[5, 6], []]), 2).to_list()
    [[5, 2], [2]]
    """
    rows, ends = token_ids.nrows(), 1 + tokenizer.add_bos
    if max_length is not None:
        token_ids = token_ids[:, : max_length - ends]
    parts = [token_ids, tf.fill([rows, 1], tf.constant(tokenizer.eos_id, tf.int32))]
    if tokenizer.add_bos:
        parts.insert(0, tf.fill([rows, 1], tf.constant(tokenizer.bos_id, tf.int32)))
    return tf.concat(parts, axis=1)


def start_id(tokenizer) -> int:
    """The token that a decoder reads first.

    Where texts open with a token of their own, it is `eos_id` (BART); else the padding
    (Marian, T5), or what there is.

    >>> from massivetext_keras.tokenizers import ByteTokenizer
    >>> start_id(ByteTokenizer())
    0
    """
    if tokenizer.add_bos or tokenizer.pad_id is None:
        return tokenizer.eos_id
    return tokenizer.pad_id


def pair_batches(
    sources: Iterable[Sequence[int]],
    targets: Iterable[Sequence[int]],
    batch_tokens: int,
    start_id: int,
    seed: int | None = 0,
    start: int = 0,
) -> tf.data.Dataset:
    """Batches of `(features, labels, loss weights)` for teacher forcing.

    The decoder reads `start_id` and the target without its last token; the labels are
    the target. Padding is 0, and has no weight.

    Args:
        sources, targets: rows of ids, as `encode_pairs` gives them.
        batch_tokens: tokens of a batch, both sides and padding together.
        start_id: what the decoder reads first.
        seed: of the endless shuffled batches of training (None: every pair once).
        start: number of the first training batch.

    >>> for features, labels, weights in pair_batches(
    ...     [[5, 1]], [[6, 7, 1]], 9, 0, None
    ... ):
    ...     print({name: x.numpy().tolist() for name, x in features.items()})
    {'encoder_token_ids': [[5, 1]], 'encoder_padding_mask': [[1, 1]],
     'decoder_token_ids': [[0, 6, 7]], 'decoder_padding_mask': [[1, 1, 1]]}
    >>> labels.numpy().tolist(), weights.numpy().tolist()
    ([[6, 7, 1]], [[1.0, 1.0, 1.0]])
    """
    pairs = BucketedRows([sources, targets], batch_tokens)
    example = functools.partial(pair_example, start_id)
    if seed is None:
        return pairs.validation(example)
    pairs.log("pairs")
    return pairs.training(example, seed, start)


def pair_example(
    start_id: int,
    source: tf.Tensor,
    source_mask: tf.Tensor,
    target: tf.Tensor,
    target_mask: tf.Tensor,
) -> tuple[dict[str, tf.Tensor], tf.Tensor, tf.Tensor]:
    """Rows of ids and their masks, int32 [batch, tokens], as a batch for `fit`."""
    starts = [[0, 0], [1, 0]]
    features = {
        "encoder_token_ids": source,
        "encoder_padding_mask": source_mask,
        "decoder_token_ids": tf.pad(target[:, :-1], starts, constant_values=start_id),
        "decoder_padding_mask": target_mask,
    }
    return features, target, tf.cast(target_mask, tf.float32)
