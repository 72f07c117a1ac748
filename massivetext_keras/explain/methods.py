"""The methods by name, and `explain`, which asks one of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, overload

from massivetext_keras.explain import attention, gradients
from massivetext_keras.explain.explanation import Explanation
from massivetext_keras.explain.hiding import Units, game_of, occlusion, units_of
from massivetext_keras.explain.labels import ask_answerer, ask_classifier, ask_tagger
from massivetext_keras.explain.lime import lime
from massivetext_keras.explain.questions import Question, base_token
from massivetext_keras.explain.shapley import partition_values, shapley_values
from massivetext_keras.explain.texts import (
    ask_embedder,
    ask_language_model,
    ask_translator,
)
from massivetext_keras.support.values import choose
from massivetext_keras.tasks import (
    CausalLM,
    QuestionAnswerer,
    Seq2SeqLM,
    TextClassifier,
    TextEmbedder,
    TokenClassifier,
)
from massivetext_keras.text.strings import Texts, as_texts

_ASKS: dict[type, Callable[..., Question]] = {
    TextClassifier: ask_classifier,
    TokenClassifier: ask_tagger,
    QuestionAnswerer: ask_answerer,
    CausalLM: ask_language_model,
    Seq2SeqLM: ask_translator,
    TextEmbedder: ask_embedder,
}
_PAIRS = (TextClassifier, QuestionAnswerer)


class Method(NamedTuple):
    """A way to score tokens.

    Attributes:
        about: what the scores are, in a few words.
        scores: of a task, questions, their units, the id that hides tokens, and
            options, what is found for each question.
        hides: whether it hides units, which may be words then.
        options: that it takes.
    """

    about: str
    scores: Callable[..., list[gradients.Found]]
    hides: bool = False
    options: tuple[str, ...] = ()


def _of_games(values: Callable) -> Callable:
    """A method that asks one text after another, all its rows at once."""

    def scores(task, questions, units: Sequence[Units], base_id, **options):
        return [
            values(game_of(task, question, some, base_id), some.count, **options)
            for question, some in zip(questions, units, strict=True)
        ]

    return scores


METHODS = {
    "gradient_x_input": Method(
        "gradient by each token's vector, times the vector",
        lambda task, asked, units, base: gradients.gradient_times_input(task, asked),
    ),
    "integrated_gradients": Method(
        "gradients from hidden tokens to the text, integrated; sums to the difference",
        lambda task, asked, units, base, **how: gradients.integrated_gradients(
            task, asked, base, **how
        ),
        options=("tolerance",),
    ),
    "occlusion": Method("what is lost with each part hidden", occlusion, True),
    "lime": Method(
        "coefficients of a linear model near the text",
        _of_games(lime),
        True,
        ("samples", "ridge", "seed"),
    ),
    "shapley": Method(
        "what each part adds on average over all orders; sums to the difference",
        _of_games(shapley_values),
        True,
        ("samples", "seed"),
    ),
    "partition": Method(
        "Owen values by the package shap; sums to the difference",
        _of_games(partition_values),
        True,
        ("evaluations",),
    ),
    "attention": Method(
        "where the last layer looks: no measure of influence",
        lambda task, asked, units, base: attention.attention_weights(task, asked),
    ),
    "attention_rollout": Method(
        "where all layers look together: no measure of influence",
        lambda task, asked, units, base: attention.attention_rollout(task, asked),
    ),
}
"""How pieces of a text get their scores, by name."""


@overload
def explain(
    task: Any,
    text: str,
    method: str = "integrated_gradients",
    target: Any = None,
    *,
    output: str | None = None,
    beside: str | None = None,
    unit: str = "token",
    baseline: str | None = None,
    **options: Any,
) -> Explanation: ...
@overload
def explain(
    task: Any,
    text: Texts,
    method: str = "integrated_gradients",
    target: Any = None,
    *,
    output: str | None = None,
    beside: str | None = None,
    unit: str = "token",
    baseline: str | None = None,
    **options: Any,
) -> list[Explanation]: ...
def explain(
    task: Any,
    text: Texts,
    method: str = "integrated_gradients",
    target: Any = None,
    *,
    output: str | None = None,
    beside: str | None = None,
    unit: str = "token",
    baseline: str | None = None,
    **options: Any,
) -> Explanation | list[Explanation]:
    """Says which parts of a text an output of a task depends on.

    Args:
        task: a `TextClassifier`, `TokenClassifier`, `QuestionAnswerer`, `CausalLM`,
            `Seq2SeqLM` or `TextEmbedder` with a tokenizer.
        text: one text or several; what the task does not read of a long one has no
            tokens here. Of an answerer it is the context.
        method: one of `METHODS`.
        target: what of the task's answer is explained, for all texts. Of a classifier a
            label; of a tagger (start, end, label) or a `Span`; of an answerer "start",
            "end" or (start, end); of a language model a continuation; of a translator
            the text that is written; of an embedder another text, which it has to have.
            None: what the task says itself.
        output: "logit" or "probability" of a classifier or tagger (None: the logit);
            the others have one.
        beside: the second text of a pair, or the question; it stays as it is.
        unit: "token", or "word" to hide the tokens of a word together.
        baseline: the token that stands for hidden ones (None: see `base_token`).
        **options: of the method: `tolerance` of integrated gradients; `samples`,
            `seed` and `ridge` of LIME; `samples` and `seed` of more than 12 units'
            Shapley values; `evaluations` of "partition".

    Returns:
        An `Explanation` for a text, a list for a list.

    Raises:
        ValueError: a name is unknown, the task cannot be explained, or an argument does
            not fit it.

    >>> from massivetext_keras.tasks import TextClassifier
    >>> from massivetext_keras.tokenizers import ByteTokenizer
    >>> classifier = TextClassifier.from_preset(
    ...     "bert_tiny", tokenizer=ByteTokenizer(), labels=["ham", "spam"]
    ... )
    >>> found = explain(classifier, "You won!", "occlusion", target="spam")
    >>> found.words().tokens
    ('You', ' ', 'won', '!')
    """
    how = choose("method", method, METHODS)
    for name in options:
        if name not in how.options:
            known = ", ".join(how.options) or "none"
            raise ValueError(f"{method} has no option {name!r}; known: {known}")
    if unit != "token" and not how.hides:
        hiding = ", ".join(name for name, x in METHODS.items() if x.hides)
        raise ValueError(
            f"unit={unit!r} is for {hiding}; sum up the tokens of others by .words()"
        )
    base_id = base_token(task.need_tokenizer(), baseline)
    texts, one = as_texts("text", text)
    questions = [
        question_of(task, x, target, output=output, beside=beside) for x in texts
    ]
    units = [units_of(question, unit) for question in questions]
    found = how.scores(task, questions, units, base_id, **options) if texts else []
    explained = [
        Explanation(
            question.text,
            method,
            question.target,
            question.output,
            tuple(question.text[start:end] for start, end in some.offsets),
            some.offsets,
            *values,
        )
        for question, some, values in zip(questions, units, found, strict=True)
    ]
    return explained[0] if one else explained


def question_of(
    task,
    text: str,
    target: Any = None,
    *,
    output: str | None = None,
    beside: str | None = None,
) -> Question:
    """What `explain` asks of a task about a text; arguments and errors are its own."""
    if beside is not None and not isinstance(task, _PAIRS):
        raise ValueError(f"a {type(task).__name__} reads no second text: beside=None")
    for cls, ask in _ASKS.items():
        if isinstance(task, cls):
            return ask(task, text, target, output, beside)
    known = ", ".join(cls.__name__ for cls in _ASKS)
    raise ValueError(f"a {type(task).__name__} is not explained, but {known}")
