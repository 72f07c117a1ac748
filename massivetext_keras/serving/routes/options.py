"""How OpenAI's fields say what is to be written."""

from __future__ import annotations

import dataclasses
import secrets
from collections.abc import Mapping, Sequence
from typing import Any

from massivetext_keras.serving.fields import Fields, as_text
from massivetext_keras.serving.limits import Limits
from massivetext_keras.serving.models.model import Model
from massivetext_keras.serving.refusals import Refusal
from massivetext_keras.serving.requests import GenerationRequest
from massivetext_keras.support.values import Range
from massivetext_keras.text.examples import Conversation

_SEEDS = 2**31 - 1
_STOPS = 16  # strings that end a text, at the most
_BOTH = (
    *("model", "stream", "stream_options", "temperature", "top_p", "n", "stop"),
    *("seed", "max_tokens", "logprobs"),
    # not OpenAI's, but of others with its interface
    *("top_k", "repetition_penalty", "ignore_eos"),
)
COMPLETION_FIELDS = (*_BOTH, "prompt", "echo")
CHAT_FIELDS = (*_BOTH, "messages", "max_completion_tokens", "top_logprobs")
# What changes no answer, or only who pays for it
IGNORED = (
    *("user", "metadata", "store", "service_tier", "safety_identifier"),
    *("prompt_cache_key", "parallel_tool_calls"),
)
# What there is nothing behind, with the values that ask for nothing
ONLY: Mapping[str, Sequence[Any]] = {
    "presence_penalty": [0],
    "frequency_penalty": [0],
    "logit_bias": [{}],
    "best_of": [1],
    "suffix": [""],
    "tools": [[]],
    "tool_choice": ["none", "auto"],
    "response_format": [{"type": "text"}],
    "modalities": [["text"]],
    "top_logprobs": [0],
}


@dataclasses.dataclass(frozen=True)
class Options:
    """What a request asks for, beside its prompts.

    Attributes:
        choices: texts for each prompt.
        stream: whether they are to come piece by piece.
        usage: whether a stream ends with counts.
        logprobs: whether tokens come with their log-probabilities.
        request: all of a `GenerationRequest` but its prompt.
    """

    choices: int
    stream: bool
    usage: bool
    logprobs: bool
    request: GenerationRequest

    def requests(
        self, prompts: Sequence[str | tuple[int, ...] | Conversation]
    ) -> list[GenerationRequest]:
        """The requests of all choices, those of a prompt beside one another, each with
        a seed of its own."""
        return [
            dataclasses.replace(
                self.request, prompt=prompt, seed=(self.request.seed + i) % (_SEEDS + 1)
            )
            for prompt in prompts
            for i in range(self.choices)
        ]


def read_options(
    fields: Fields, model: Model, limits: Limits, new_tokens: int, is_chat: bool
) -> Options:
    """The options of a request; what it leaves out is as the model's preset has it.

    Args:
        fields: of the request.
        model: that is asked.
        limits: of the server.
        new_tokens: where neither the request nor the preset says how many.
        is_chat: whether `logprobs` says yes or no, and not of how many.

    Raises:
        Refusal: a field is wrong.
    """
    own = model.generation
    name = "max_tokens"
    if is_chat and fields.get("max_completion_tokens") is not None:
        name = "max_completion_tokens"
    usual = min(own.get("max_new_tokens", new_tokens), limits.max_new_tokens)
    temperature = own.get("temperature", 1.0)
    request = GenerationRequest(
        "",
        fields.integer(name, usual, least=1, most=limits.max_new_tokens),
        fields.number("temperature", temperature, Range(least=0, most=100)),
        fields.integer("top_k", own.get("top_k", 0), least=0),
        fields.number("top_p", own.get("top_p", 1.0), Range(above=0, most=1)),
        fields.number(
            "repetition_penalty",
            own.get("repetition_penalty", 1.0),
            Range(above=0, most=100),
        ),
        fields.integer("seed", secrets.randbelow(_SEEDS), -(2**63), 2**63) % _SEEDS,
        _stops(fields, own),
        logprobs=_logprobs(fields, is_chat),
        ignore_end=fields.flag("ignore_eos"),
    )
    choices = fields.integer("n", 1, least=1, most=limits.max_rows)
    stream = fields.flag("stream")
    return Options(choices, stream, _usage(fields), request.logprobs, request)


def prompts_of(fields: Fields, limits: Limits) -> list[str | tuple[int, ...]]:
    """The prompts of a completion: a text, ids, or several of either.

    Raises:
        Refusal: it is something else.
    """
    value = fields.get("prompt")
    if value is None:
        raise Refusal(422, "prompt is missing", "prompt")
    one = isinstance(value, str) or (isinstance(value, list) and _are_ids(value))
    prompts = [value] if one else value
    if not isinstance(prompts, list) or not prompts:
        raise Refusal(422, "prompt must be a text, ids, or a list of them", "prompt")
    if len(prompts) > limits.max_rows:
        why = (
            f"prompt has {len(prompts)} texts, of which there may be {limits.max_rows}"
        )
        raise Refusal(422, why, "prompt")
    return [_prompt(value, i) for i, value in enumerate(prompts)]


def _prompt(value: Any, i: int) -> str | tuple[int, ...]:
    if isinstance(value, list) and _are_ids(value):
        return tuple(value)
    return as_text(value, f"prompt[{i}]")


def _are_ids(value: list) -> bool:
    """Whether a list is one of ids; an empty one is none."""
    return bool(value) and all(
        isinstance(x, int) and not isinstance(x, bool) and 0 <= x < 2**31 for x in value
    )


def _stops(fields: Fields, own: Mapping[str, Any]) -> tuple[str, ...]:
    if fields.get("stop") is not None:
        return fields.strings("stop", _STOPS)
    stop = own.get("stop", ())
    return (stop,) if isinstance(stop, str) else tuple(stop)


def _logprobs(fields: Fields, is_chat: bool) -> bool:
    if is_chat:
        return fields.flag("logprobs")
    if fields.get("logprobs") is None:
        return False
    fields.integer("logprobs", 0, least=0, most=1)
    return True


def _usage(fields: Fields) -> bool:
    options = fields.get("stream_options")
    if options is None:
        return False
    if not isinstance(options, dict):
        raise Refusal(422, "stream_options must be an object", "stream_options")
    known = ("include_usage", "include_obfuscation")
    return Fields(options, known).flag("include_usage")
