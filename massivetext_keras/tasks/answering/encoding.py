"""Questions and windows of their contexts, to learn where answers are."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from massivetext_keras.data.batching.buckets import Batches, BucketedRows
from massivetext_keras.data.records import Problems
from massivetext_keras.text.examples import Question
from massivetext_keras.text.framing import utf8
from massivetext_keras.text.passages import passages

# Windows without the answer that a question has in training.
MOST_WITHOUT = 3
_AT_ONCE = 256


def question_batches(
    tokenizer,
    questions: Sequence[Question],
    max_length: int,
    overlap: int,
    batch_size: int | None = 32,
    batch_tokens: int | None = None,
    training: bool = True,
) -> Batches:
    """Windows as features of an encoder, with the first and last token of the answer.

    A window that does not hold the whole answer has none, and place 0, that of [CLS],
    for its labels. The windows of a question with the answer weigh 1 together, and so
    do those without it, lest many of these drown the others; of several answers the
    first counts.

    Args:
        tokenizer: with `tokenize_with_offsets`.
        questions: with answers, or with () where nothing answers.
        max_length: tokens of a row.
        overlap: tokens that two windows share, see `passages`.
        batch_size: rows of a batch.
        batch_tokens: tokens of a batch, instead.
        training: take at most `MOST_WITHOUT` windows of a question that are without the
            answer, drawn once.

    Returns:
        Batches of features, int32 [batch, length]; labels, int32 [batch, 2]; and
        weights, float32 [batch].

    Raises:
        ValueError: there are none, or none that can be learnt from.
    """
    random, rows, problems = np.random.default_rng(0), [], Problems()
    for at in range(0, len(questions), _AT_ONCE):
        some = []
        for question in questions[at : at + _AT_ONCE]:
            if question.answers is None:
                problems.add(None, "nobody knows the answer")
            else:
                some.append(question)
        if some:
            most = MOST_WITHOUT if training else None
            rows += _rows(tokenizer, some, max_length, overlap, most, random, problems)
    problems.log()
    if not rows:
        raise ValueError("there are no questions to learn from")
    ids, segments, labels, weights = zip(*rows, strict=True)
    buckets = BucketedRows(
        [ids],
        batch_tokens,
        batch_size,
        aligned=[segments],
        fixed=[np.array(labels, np.int32), np.array(weights, np.float32)],
    )
    buckets.log("windows")

    def example(token_ids, padding_mask, segment_ids, labels, weights):
        features = {
            "token_ids": token_ids,
            "padding_mask": padding_mask,
            "segment_ids": segment_ids,
        }
        return features, labels, weights

    return Batches(buckets, example)


def _rows(tokenizer, questions, max_length, overlap, most, random, problems) -> list:
    """(ids, segments, labels, weight) of the windows of some questions."""
    contexts = [utf8(x.context) for x in questions]
    asked = [utf8(x.question) for x in questions]
    ids, starts, ends = tokenizer.tokenize_with_offsets(contexts)
    found = passages(tokenizer, tokenizer.tokenize(asked), ids, max_length, overlap)
    starts, ends = (list(x.to_list()) for x in (starts, ends))
    rows, segments = found.rows.to_list(), found.segments.to_list()
    owners, first, sizes, before = (
        x.numpy() for x in (found.owners, found.first, found.sizes, found.before)
    )
    made = []
    for i, question in enumerate(questions):
        windows = np.flatnonzero(owners == i)
        labels = np.zeros([len(windows), 2], np.int32)
        if question.answers:
            tokens = _tokens(starts[i], ends[i], *question.answers[0][1:3])
            if tokens[1] < tokens[0]:
                problems.add(None, "the tokenizer drops the answer")
                continue
            places = np.array(tokens)[None] - first[windows][:, None]
            inside = (places[:, 0] >= 0) & (places[:, 1] < sizes[windows])
            if not inside.any():
                problems.add(None, "the answer is longer than what two windows share")
                continue
            labels[inside] = (places + before[windows][:, None])[inside]
        without = np.flatnonzero(labels[:, 0] == 0)
        if most is not None and len(without) > most:
            without = np.sort(random.choice(without, most, replace=False))
        for part in (np.flatnonzero(labels[:, 0] > 0), without):
            for j in part:
                row = windows[j]
                made.append((rows[row], segments[row], labels[j], 1.0 / len(part)))
    return made


def _tokens(starts: list, ends: list, start: int, end: int) -> tuple[int, int]:
    """The first and the last token that characters from start to end are in."""
    first = np.searchsorted(ends, start, side="right")
    return int(first), int(np.searchsorted(starts, end, side="left")) - 1
