"""What a `QuestionAnswerer` learns from: questions about contexts, and answers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from massivetext_keras import data
from massivetext_keras.data.records.squad import as_question
from massivetext_keras.evaluation.answers import answer_scores
from massivetext_keras.evaluation.words import language_of
from massivetext_keras.tasks.answering.encoding import question_batches
from massivetext_keras.tasks.examples import EMPTY, Examples
from massivetext_keras.text.examples import Answer, Question


class Questions(Examples):
    """Questions about a context each, and the parts of it that answer them."""

    fields = ("context", "question", "answer", "answer_start", "answers", "id")

    @classmethod
    def example(cls, fields: Mapping[str, Any]) -> Question:
        """The `Question` that a record is; see `data.records.squad.as_question`."""
        return as_question(fields)

    @classmethod
    def noted_example(
        cls, fields: Mapping[str, Any], note: Callable[[str], None]
    ) -> Question:
        question = as_question(fields, note)
        if not (question.context.strip() and question.question.strip()):
            note(EMPTY)
        return question

    @classmethod
    def options_for(cls, examples: Sequence[Question]) -> dict[str, Any]:
        """Whether some have no answer, and the language of the contexts."""
        contexts = sorted({example.context for example in examples})
        return {
            "unanswerable": any(example.answers == () for example in examples),
            "language": language_of(contexts[:1000]),
        }

    def batches(
        self,
        examples: Sequence[Question],
        how: data.Batching,
        training: bool = True,
    ) -> data.Batches:
        """Windows of contexts to learn from; see `encoding.question_batches`.

        Raises:
            ValueError: there are none, or none that can be learnt from.
        """
        task = self.task
        return question_batches(
            task.need_tokenizer(),
            examples,
            task.within_context("max_length", how.length or task.window),
            task.stride,
            how.batch_size,
            how.batch_tokens,
            training,
        )

    def is_answered(self, example: Question) -> bool:
        return example.answers is not None

    def predictions(
        self, examples: Sequence[Question], progress: bool = False
    ) -> list[dict[str, Any]]:
        """`id`, `text`, `start`, `end` and `score` of the answer to each question."""
        rows = self.task.ranked(*questions_and_contexts(examples), 1, progress)
        return [
            {"id": example.id, **answer._asdict()}
            for example, (answer,) in zip(examples, rows, strict=True)
        ]

    def scores(
        self,
        examples: Sequence[Question],
        predictions: Sequence[Mapping[str, Any]],
    ) -> dict[str, float]:
        """`exact_match` and `f1`, see `evaluation.answers.answer_scores`.

        Raises:
            ValueError: nobody knows the answer to a question.
        """
        right = [[answer.text for answer in known_answers(x)] for x in examples]
        texts = [prediction["text"] for prediction in predictions]
        return answer_scores(texts, right, self.task.language)

    def check_measured(self, examples: Sequence[Question]) -> None:
        for question in examples:
            known_answers(question)


def questions_and_contexts(
    examples: Sequence[Question],
) -> tuple[list[str], list[str]]:
    """Both texts of each example, as `QuestionAnswerer.answer` takes them."""
    return [x.question for x in examples], [x.context for x in examples]


def known_answers(example: Question) -> tuple[Answer, ...]:
    """The answers to a question.

    Raises:
        ValueError: nobody knows them.
    """
    if example.answers is None:
        raise ValueError("questions without known answers cannot be measured")
    return example.answers
