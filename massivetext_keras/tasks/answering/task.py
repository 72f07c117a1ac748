"""Extractive question answering: which part of a context answers a question."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any, overload

import numpy as np
import tensorflow as tf
from tqdm import tqdm

from massivetext_keras.architecture.config import TransformerConfig
from massivetext_keras.evaluation.answers import best_cut, known_language
from massivetext_keras.kernels.cross_entropy import token_losses
from massivetext_keras.layers.dense import Dense
from massivetext_keras.models.bert import BERT
from massivetext_keras.optimization.trackers import mean
from massivetext_keras.runtimes.portable import Head
from massivetext_keras.saving.export import ROUNDING, signature
from massivetext_keras.support.threads import made_once
from massivetext_keras.tasks.answering.examples import (
    Questions,
    known_answers,
    questions_and_contexts,
)
from massivetext_keras.tasks.answering.span_search import (
    IMPOSSIBLE,
    best_spans,
    is_answer,
)
from massivetext_keras.tasks.base import Task
from massivetext_keras.tasks.served import STRING, Check, served
from massivetext_keras.text.batches import in_batches
from massivetext_keras.text.examples import Answer
from massivetext_keras.text.strings import Texts, as_texts
from massivetext_keras.tokenizers.base import valid_utf8

NO_ANSWER = Answer("")
_MOST_TIES = 20


class QuestionAnswerer(Task):
    """An encoder that marks where an answer starts and ends (Devlin et al., 2019).

    It reads [CLS] question [SEP] context [SEP]; a context that is too long is read in
    overlapping windows. A window without the answer is taught to point at [CLS], so the
    odds of a span against [CLS] can be compared between windows, and the best span of
    all windows is the answer.

    Args:
        config: shape of the model; its `stack` is "encoder".
        tokenizer: strings to ids, with `bos_id` and `eos_id`; None for a task on ids
            alone.
        window: tokens of a row, question and all (None: the model's `max_length`).
        stride: tokens that a window shares with the next, half of it at most.
        max_answer_length: tokens of an answer.
        unanswerable: whether "" may be the answer (Rajpurkar et al., 2018).
        null_threshold: log-odds against [CLS], start and end together, below which a
            span is no answer.
        language: of the contexts, one of `evaluation.answers.LANGUAGES`, also with a
            country; measures depend on it.

    Raises:
        ValueError: an option or the config does not fit.

    >>> from massivetext_keras.tokenizers import ByteTokenizer
    >>> answerer = QuestionAnswerer.from_preset("bert_tiny", tokenizer=ByteTokenizer())
    >>> context = "A cat sat on a mat."
    >>> text, start, end, score = answerer.answer("Where?", context)
    >>> context[start:end] == text
    True
    """

    backbone_class = BERT
    data_class = Questions
    hugging_face_heads = ("question_answering",)
    predicts_tokens = False
    weighs_rows = True
    options = (
        "window",
        "stride",
        "max_answer_length",
        "unanswerable",
        "null_threshold",
        "language",
    )

    def __init__(
        self,
        config: TransformerConfig,
        tokenizer=None,
        window: int | None = None,
        stride: int = 128,
        max_answer_length: int = 30,
        unanswerable: bool = False,
        null_threshold: float = 0.0,
        language: str = "en",
        **kwargs,
    ):
        super().__init__(config, tokenizer, **kwargs)
        if tokenizer is not None and None in (tokenizer.bos_id, tokenizer.eos_id):
            raise ValueError(
                "questions and contexts need a bos and an eos token around them"
            )
        if stride < 0 or max_answer_length < 1:
            raise ValueError(
                f"stride must not be negative and max_answer_length positive, got "
                f"{stride} and {max_answer_length}"
            )
        known_language(language)
        self.window = window
        self.within_context("window", window)
        self.stride, self.max_answer_length = stride, max_answer_length
        self.unanswerable, self.null_threshold = unanswerable, float(null_threshold)
        self.language = language
        self.head = Dense(2, dtype=self.dtype_policy, name="spans")
        self.head.build((None, None, config.hidden_size))
        # the share of rows whose start and end are right
        self.tally_trackers = [mean("exact_span", "up")]

    def heads(self):
        return {"head/spans": self.head}

    def portable_head(self):
        return Head("spans")

    def call(self, inputs, training: bool | None = None) -> tf.Tensor:
        """Features of `BERT` -> float32 logits [batch, length, 2] of being the first
        token of the answer, and the last."""
        if isinstance(inputs, dict) and self.config.segment_types < 2:
            inputs = {k: x for k, x in inputs.items() if k != "segment_ids"}
        hidden = self.backbone(inputs, training=training)
        return tf.cast(self.head(hidden), tf.float32)

    def summed_loss(self, features, labels, weights, training):
        """Mean cross-entropy of start and end, int32 [batch, 2], over the tokens of the
        window and [CLS]."""
        output = self(features, training=training)
        return self.losses_of(output, features, labels, weights)

    def choices(self, output, features):
        """Start and end, of the tokens that may be either: [batch, 2, length]."""
        logits = tf.where(_choices(features)[..., None], output, IMPOSSIBLE)
        return tf.transpose(logits, [0, 2, 1])

    def losses_of(self, output, features, labels, weights):
        logits = self.choices(output, features)
        rows = tf.reduce_mean(token_losses(logits, labels), axis=1) * weights
        found = tf.argmax(logits, axis=-1, output_type=tf.int32)
        exact = tf.cast(tf.reduce_all(found == labels, axis=1), tf.float32)
        tally = tf.stack([tf.reduce_sum(exact * weights), tf.reduce_sum(weights)])
        return [tf.reduce_sum(rows)], rows, tf.expand_dims(tally, 0)

    @overload
    def answer(self, questions: str, contexts: str, n_best: None = None) -> Answer: ...
    @overload
    def answer(self, questions: str, contexts: str, n_best: int) -> list[Answer]: ...
    @overload
    def answer(
        self, questions: Texts, contexts: Texts, n_best: None = None
    ) -> list[Answer]: ...
    @overload
    def answer(
        self, questions: Texts, contexts: Texts, n_best: int
    ) -> list[list[Answer]]: ...
    def answer(
        self, questions: Texts, contexts: Texts, n_best: int | None = None
    ) -> Answer | list[Answer] | list[list[Answer]]:
        """The part of a context that answers a question.

        Of parts whose scores are equal but for rounding, the earliest is taken.

        Args:
            questions: one question or several.
            contexts: what each is about; one context may be for all questions.
            n_best: how many answers to each (None: one, not in a list); fewer if the
                context has no more. No answer is among them if that may be one.

        Returns:
            An `Answer` for one question, whose offsets are in characters of the
            context; a list of them for several. Without an answer its text is "" and
            its start and end are -1. With `n_best` a list of that many for each, the
            best first.

        Raises:
            ValueError: `n_best` is not positive, there are not as many contexts as
                questions, or there is no tokenizer.
        """
        questions, one = as_texts("question", questions)
        rows = self.ranked(questions, contexts, 1 if n_best is None else n_best)
        found = [row[0] for row in rows] if n_best is None else rows
        return found[0] if one else found

    def n_best(
        self,
        questions: Texts,
        contexts: Texts,
        count: int = 5,
    ) -> list[Answer] | list[list[Answer]]:
        """The best answers to a question, the first of them that of `answer`.

        Args:
            questions, contexts: as `answer` takes them.
            count: how many at the most, no answer among them if that may be one.

        Returns:
            A list for one question, a list of such for several.
        """
        return self.answer(questions, contexts, count)

    def choose_null_threshold(self, examples: Any) -> float:
        """Sets `null_threshold` to where the mean F1 is best (Rajpurkar et al., 2018).

        Args:
            examples: held out from training, with and without answers; or files.

        Returns:
            The threshold.

        Raises:
            ValueError: nobody knows the answer to a question, or there are none.
        """
        examples = self.examples_of(examples)
        right = [[answer.text for answer in known_answers(x)] for x in examples]
        best = [
            max(spans, key=lambda span: span[0], default=(IMPOSSIBLE, NO_ANSWER))
            for spans, _ in self._found(*questions_and_contexts(examples), 1)
        ]
        odds, answers = zip(*best, strict=True)
        texts = [answer.text for answer in answers]
        count, _ = best_cut(texts, right, odds, language=self.language)
        ranked = sorted(odds, reverse=True)
        bounds = [ranked[0] + 2.0, *ranked, ranked[-1] - 2.0]
        self.null_threshold = float(np.mean(bounds[count : count + 2]))
        return self.null_threshold

    def ranked(
        self, questions: Sequence[str], contexts: Texts, count: int, progress=False
    ) -> list[list[Answer]]:
        """The best answers to each question, no answer among them if that may be."""
        if count < 1:
            raise ValueError(f"count must be positive, got {count}")
        rows = []
        for spans, no_answer in self._found(questions, contexts, count, progress):
            answers = [answer for _, answer in spans]
            if self.unanswerable or not spans:
                likely = [is_answer(odds, self.null_threshold) for odds, _ in spans]
                answers.insert(sum(likely), no_answer)
            rows.append(answers[:count])
        return rows

    def _found(self, questions, contexts, count, progress=False) -> list[tuple]:
        """To each question its best spans as (log-odds, `Answer`), and no answer."""
        self.need_tokenizer()
        contexts, shared = as_texts("context", contexts)
        contexts = contexts * len(questions) if shared else contexts
        if len(questions) != len(contexts):
            raise ValueError(
                f"{len(questions)} questions and {len(contexts)} contexts: there must "
                "be as many, or one context for all"
            )
        if not questions:
            return []
        with tqdm(total=len(questions), unit="question", disable=not progress) as bar:

            def ask(contexts, questions):
                bar.update(len(contexts))
                return self._searcher(questions, contexts, tf.constant(count))

            columns = in_batches(ask, contexts, questions)
        found = []
        for context, *row, nothing in zip(contexts, *columns, strict=True):
            spans = [
                (float(odds), Answer(context[a:b], int(a), int(b), float(score)))
                for a, b, odds, score in zip(*row, strict=True)
                if a >= 0
            ]
            found.append((spans, Answer("", score=float(nothing))))
        return found

    @property
    @made_once
    def _searcher(self):
        text = tf.TensorSpec([None], tf.string)
        search = functools.partial(best_spans, self)
        return signature(search, text, text, tf.TensorSpec([], tf.int32))

    @served(
        "answer",
        "serving_default",
        question=STRING,
        context=STRING,
        checks=lambda task: task._checks(),
    )
    def answer_graph(self, questions: tf.Tensor, contexts: tf.Tensor) -> dict:
        """`answer` (question, context -> text, start, end, score); without an answer
        the text is "" and the places are -1."""
        contexts = valid_utf8(contexts)
        *best, no_answer = best_spans(self, questions, contexts, tf.constant(1))
        starts, ends, odds, scores = (x[:, 0] for x in best)
        there = starts >= 0
        if self.unanswerable:
            there &= is_answer(odds, self.null_threshold)
        size = tf.where(there, ends - starts, 0)
        text = tf.strings.substr(contexts, tf.maximum(starts, 0), size, "UTF8_CHAR")
        return {
            "text": text,
            "start": tf.where(there, starts, -1),
            "end": tf.where(there, ends, -1),
            "score": tf.where(there, scores, no_answer),
        }

    def _checks(self) -> list[Check]:
        """Questions in which several answers may be as good but for rounding."""
        question, context = (
            "Who sat on the mat?",
            "The cat sat on the mat. Über 中文 🙂.",
        )
        contexts = [
            context,
            "",
            "é" * 30,
            context * 40,
            " \t\n",
            "株洲北站的前身是田心车站。",
        ]
        questions = [question, question, "", question * 40, "?", "前身是什么？"]
        found = self._found(questions, contexts, _MOST_TIES)
        best = [self._as_good_as_the_best(*row) for row in found]
        outputs = {
            name: [frozenset(getattr(x, name) for x in row) for row in best]
            for name in Answer._fields
        }
        return [({"question": questions, "context": contexts}, outputs)]

    def _as_good_as_the_best(self, spans, no_answer: Answer) -> list[Answer]:
        """Which answers could be the first of `ranked` where floats are rounded in
        another way."""
        if self.unanswerable or not spans:
            spans = [*spans, (self.null_threshold, no_answer)]
        best = max(odds for odds, _ in spans)
        least = best - 3 * ROUNDING * max(abs(best), 1.0)
        return [answer for odds, answer in spans if odds >= least]


def _choices(features: dict[str, tf.Tensor]) -> tf.Tensor:
    """Where an answer may start or end, bool [batch, length]: in the window, between
    two [SEP], and at [CLS], which stands for no answer."""
    second = features["segment_ids"] * features["padding_mask"]
    window = second * tf.pad(second, [[0, 0], [0, 1]])[:, 1:]  # without the last [SEP]
    return tf.concat([tf.ones_like(window[:, :1]), window[:, 1:]], axis=1) > 0
