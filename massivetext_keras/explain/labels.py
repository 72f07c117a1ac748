"""Questions to tasks that label texts, words and answers."""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf

from massivetext_keras.explain.questions import (
    Question,
    between,
    choose_output,
    edges,
    encoder_features,
    tokens_of,
)
from massivetext_keras.support.values import choose
from massivetext_keras.tasks.classification.encoding import rows_graph
from massivetext_keras.tasks.tagging.encoding import tagged_rows
from massivetext_keras.text.framing import separator_ids, utf8
from massivetext_keras.text.passages import passages

_NO_SPAN = "no span was found in the text: give target=(start, end, label)"


def ask_classifier(task, text: str, target: str | None, output: str | None, beside):
    """A question about a class: `target` is its name (None: the best one)."""
    tokenizer = task.need_tokenizer()
    columns = [tf.constant([utf8(x)]) for x in (text, beside) if x is not None]
    row, segments, _ = rows_graph(tokenizer, task.config.max_length, *columns)
    row, segments = row[0].numpy(), segments[0].numpy()
    before, after = edges(tokenizer)
    if beside is None:
        kept = len(row) - before - after
    else:
        kept = int((segments == 0).sum()) - before - len(separator_ids(tokenizer))
    has_segments = beside is not None and task.segmented
    features = encoder_features(row, segments if has_segments else None)
    _, offsets = tokens_of(tokenizer, text)
    if task.problem == "regression":
        output, index, name = choose_output(output, ("number",)), 0, "number"
    else:
        output = choose_output(output, ("logit", "probability"))
        classes = {label: i for i, label in enumerate(task.labels)}
        if target is None:
            batch = {k: tf.constant(x[None]) for k, x in features.items()}
            target = task.labels[int(np.argmax(task(batch)[0]))]
        index, name = choose("target", target, classes), target
    first = task.head.startswith("pooled")
    return Question(
        text,
        features,
        np.arange(before, before + kept),
        offsets[:kept],
        output,
        {"picks": np.array([[index]], np.int32)},
        name,
        np.array([0]) if first else np.arange(len(row)),
    )


def ask_tagger(task, text: str, target: Any, output: str | None, beside):
    """A question about a span: `target` is (start, end, label), in characters, or a
    `Span` (None: the first one that the task finds)."""
    if task.predicate:
        raise ValueError("roles of a predicate are not explained: predicate=False")
    tokenizer, names = task.need_tokenizer(), task.tag_set.ids
    if target is None:
        found = task.tag(text)
        if not found:
            raise ValueError(_NO_SPAN)
        target = found[0]
    if hasattr(target, "label"):
        target = (target.start, target.end, target.label)
    start, end, label = target
    choose("label of the target", label, dict.fromkeys(task.labels))
    rows = tagged_rows(tokenizer, tf.constant([utf8(text)]), task.config.max_length)
    starts, ends = rows.starts[0].numpy(), rows.ends[0].numpy()
    words = np.flatnonzero((starts < end) & (ends > start))
    if not len(words):
        raise ValueError(f"target ({start}, {end}) has no word of the text in it")
    counts = rows.places.row_lengths().numpy()
    window = int(np.searchsorted(np.cumsum(counts), words[0], side="right"))
    first_word = int(counts[:window].sum())
    words = words[words < first_word + counts[window]]
    row, places = rows.token_ids[window].numpy(), rows.places[window].numpy()
    at = places[words - first_word]
    tags = [names[tag] for tag in _tags(len(words), label, task.scheme)]
    before, after = edges(tokenizer)
    _, offsets = tokens_of(tokenizer, text)
    first = int(np.searchsorted(offsets[:, 1], starts[first_word], side="right"))
    first -= int(places[0]) - before  # the window's first token
    kept = len(row) - before - after
    return Question(
        text,
        encoder_features(row),
        np.arange(before, before + kept),
        offsets[first : first + kept],
        choose_output(output, ("logit", "probability")),
        {"picks": np.stack([at, tags], axis=1).astype(np.int32)},
        f"{label} {text[start:end]!r}",
        at,
    )


def _tags(count: int, label: str, scheme: str) -> list[str]:
    """The tags of a span of so many words.

    >>> _tags(3, "X", "BIO"), _tags(1, "X", "BIOES")
    (['B-X', 'I-X', 'I-X'], ['S-X'])
    """
    places = ["B"] + ["I"] * (count - 1)
    if scheme == "BIOES":
        places[-1] = "E" if count > 1 else "S"
    return [f"{place}-{label}" for place in places]


def ask_answerer(task, text: str, target: Any, output: str | None, beside):
    """A question about an answer in the text, the context, to the question `beside`.

    `target` is "start" or "end", of the task's own answer, or (start, end) in
    characters (None: both ends of its own answer).
    """
    if beside is None:
        raise ValueError("an answer has a question: give it as beside=")
    tokenizer = task.need_tokenizer()
    ids, offsets = tokens_of(tokenizer, text)
    if target is None or isinstance(target, str):
        if target is not None:
            choose("target", target, {"start": 0, "end": 0})
        answer = task.answer(beside, text)
        span = (answer.start, answer.end)
    else:
        span, target = target, None
    if span[0] >= 0 and not 0 <= span[0] < span[1] <= len(text):
        raise ValueError(f"target {span} is not in a text of {len(text)} characters")
    first, last = between(offsets, *span) if span[0] >= 0 else (0, 0)
    length = task.window or task.config.max_length
    asked = tokenizer.tokenize(tf.constant([utf8(beside)]))
    contexts = tf.RaggedTensor.from_tensor(tf.constant(ids)[None])
    found = passages(tokenizer, asked, contexts, length, task.stride)
    begins, sizes = found.first.numpy(), found.sizes.numpy()
    inside = (begins <= first) & (last < begins + sizes)
    window = int(np.argmax(inside)) if span[0] >= 0 else 0
    row, before = found.rows[window].numpy(), int(found.before[window])
    begin, size = int(begins[window]), int(sizes[window])
    at = [first - begin + before, last - begin + before] if span[0] >= 0 else [0, 0]
    picks = [[at[0], 0], [at[1], 1]]
    if target is not None:
        picks = [picks[0 if target == "start" else 1]]
    name = repr(text[slice(*span)]) if span[0] >= 0 else "no answer"
    return Question(
        text,
        encoder_features(row, found.segments[window].numpy()),
        np.arange(before, before + size),
        offsets[begin : begin + size],
        choose_output(output, ("logit",)),
        {"picks": np.array(picks, np.int32)},
        name if target is None else f"{target} of {name}",
        np.unique([place for place, _ in picks]),
    )


def labels_output(task, features: dict, picks: tf.Tensor, kind: str) -> tf.Tensor:
    """The mean of the numbers that are picked of what a task says, float32 [batch].

    Args:
        task: that labels.
        features: of the batch.
        picks: int32 [batch, k, axes of the logits].
        kind: "logit", "number" or "probability", that of a class or a tag.
    """
    logits = task(features)
    if kind == "probability":
        multi = getattr(task, "problem", "") == "multi_label"
        logits /= getattr(task, "temperature", 1.0)
        logits = tf.sigmoid(logits) if multi else tf.nn.softmax(logits)
    return tf.reduce_mean(tf.gather_nd(logits, picks, batch_dims=1), axis=1)
