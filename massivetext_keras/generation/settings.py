"""How a task writes: frozen values of numbers, those of a caller and a task's own."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple, TypedDict

import numpy as np

from massivetext_keras.generation.beam import BeamRules
from massivetext_keras.generation.sampling import RANGES, SamplingTensors, check_numbers
from massivetext_keras.generation.stop_strings import checked_stop_strings
from massivetext_keras.support.arguments import (
    Amount,
    Count,
    Positive,
    PositiveAmount,
    PositiveShare,
    Share,
)
from massivetext_keras.support.values import Config, choose


@dataclasses.dataclass(frozen=True)
class Sampling(Config):
    """How the next token is chosen.

    Attributes:
        temperature: divides the logits; 0 always takes the most probable token.
        top_k: sample among the k most probable tokens (0: all). Fan et al., 2018.
        top_p: sample among the most probable tokens that have this probability.
            Holtzman et al., 2020.
        min_p: sample among tokens at least this share as probable as the best. Nguyen
            et al., 2024.
        repetition_penalty: above 1 makes tokens that occurred less likely. Keskar et
            al., 2019.
        min_new_tokens: tokens before one may end a text.
        seed: of the sampling (None: a new one each time).

    Raises:
        ValueError: a number is out of its range.

    >>> Sampling(temperature=0.7, top_p=0.9).top_p
    0.9
    >>> Sampling(top_p=2.0)
    Traceback (most recent call last):
    ValueError: top_p must be in (0, 1], got 2.0
    """

    temperature: Amount = 1.0
    top_k: Count = 0
    top_p: PositiveShare = 1.0
    min_p: Share = 0.0
    repetition_penalty: PositiveAmount = 1.0
    min_new_tokens: Count = 0
    seed: int | None = None

    def __post_init__(self):
        super().__post_init__()
        check_numbers(**{name: getattr(self, name) for name in RANGES})

    def tensors(self) -> SamplingTensors:
        """The same for a graph; a seed of None is a new one each time."""
        return SamplingTensors.make(**self.to_dict())

    @property
    def penalizes(self) -> bool:
        """Whether tokens that occurred are to be less likely."""
        return self.repetition_penalty != 1.0


@dataclasses.dataclass(frozen=True)
class Beams(Config):
    """How beam search finds texts, by the rules of transformers.

    Attributes:
        num_beams: texts that are followed at a time (1: there is no search).
        length_penalty: a text's log-probability is divided by its number of tokens to
            this power: above 0 favours long texts (Wu et al., 2016).
        early_stopping: a row is done when as many texts ended as there are beams
            (True); when, besides, no beam, were it to end now, beats the worst of them
            (False); or nor could it if it went on to the limit ("never").
        no_repeat_ngram_size: no sequence of so many tokens occurs twice (0: any).

    Raises:
        ValueError: a number is out of its range.
    """

    num_beams: Positive = 1
    length_penalty: float = 1.0
    early_stopping: bool | str = False
    no_repeat_ngram_size: Count = 0

    def __post_init__(self):
        super().__post_init__()
        if self.num_beams < 1:
            raise ValueError(f"num_beams must be positive, got {self.num_beams}")
        if (size := self.no_repeat_ngram_size) < 0:
            raise ValueError(f"no_repeat_ngram_size must be at least 0, got {size}")
        BeamRules.check(self.length_penalty, self.early_stopping)

    def rules(self, sampling: Sampling) -> BeamRules:
        """The same for a graph, with what of `sampling` beams obey."""
        return BeamRules.make(
            self.length_penalty,
            self.early_stopping,
            sampling.min_new_tokens,
            sampling.repetition_penalty,
        )


class NumbersOfBeams(TypedDict, total=False):
    """Those of `Numbers` where a verb has `num_beams` as an argument of its own."""

    temperature: float
    top_k: int
    top_p: float
    min_p: float
    repetition_penalty: float
    min_new_tokens: int
    seed: int | None
    length_penalty: float
    early_stopping: bool | str
    no_repeat_ngram_size: int


class Numbers(NumbersOfBeams, total=False):
    """The fields of `Sampling` and `Beams` as arguments of a verb."""

    num_beams: int


class Settings(NamedTuple):
    """All that a verb has to know of how to write.

    Attributes:
        max_new_tokens: tokens at the most.
        stop: strings that end a text.
        sampling: how tokens are chosen.
        beams: how texts are searched for.
    """

    max_new_tokens: int
    stop: Any
    sampling: Sampling
    beams: Beams


SAMPLING = tuple(field.name for field in dataclasses.fields(Sampling))
BEAMS = tuple(field.name for field in dataclasses.fields(Beams))


def settle(
    given: Mapping[str, Any],
    own: Mapping[str, Any],
    taken: Iterable[str],
    usual: Mapping[str, Any],
    context: int,
    sampling: Sampling | None = None,
    beams: Beams | None = None,
    unsampled: float = 1.0,
) -> Settings:
    """What a caller chose, then what the task does by itself, then what is usual.

    Args:
        given: arguments of the verb; None is as nothing.
        own: the task's own, its `generation`.
        taken: names that the verb takes.
        usual: what the verb does where neither says anything; of `max_new_tokens` it
            has to say it.
        context: tokens that a text of the model can have.
        sampling, beams: values of the caller's, all of whose fields are chosen.
        unsampled: a temperature, beside 0, that says nothing against beams.

    Raises:
        TypeError: an argument is unknown; names the nearest right one.
        ValueError: a number is out of its range, or beams are to be sampled.

    >>> own = {"top_k": 5, "num_beams": 4}
    >>> usual = {"max_new_tokens": 8}
    >>> found = settle({"temperature": 0.5}, own, SAMPLING + BEAMS, usual, 64)
    >>> found.sampling.top_k, found.beams.num_beams
    (5, 1)
    """
    taken = {*taken, "max_new_tokens"}
    chosen: dict[str, Any] = {}
    for value in (sampling, beams):
        chosen |= {} if value is None else value.to_dict()
    chosen |= {
        name: value if name == "stop" else _plain(value)
        for name, value in given.items()
        if value is not None
    }
    for name in chosen:
        if name not in taken and (name in given or chosen[name] != _DEFAULTS[name]):
            try:
                choose("argument", name, dict.fromkeys(taken))
            except ValueError as error:
                raise TypeError(str(error)) from None
    own = {k: v for k, v in own.items() if k in taken}
    values = {**usual, **merged(chosen, own, context)}
    most, stop = values["max_new_tokens"], values.get("stop", ())
    settings = Settings(most, stop, *values_of(values))
    _check_beams(settings, unsampled)
    return settings


def merged(
    given: Mapping[str, Any], own: Mapping[str, Any], context: int
) -> dict[str, Any]:
    """What a caller gives, and for the rest what is a task's own.

    Beams take no temperature, so that one that is given turns off the task's own beams,
    and beams its temperature. Of the task's own `max_new_tokens` so many are taken as
    the context has room for.
    """
    own = {k: v for k, v in own.items() if v is not None and k not in given}
    if given.get("temperature"):
        own.pop("num_beams", None)
    if given.get("num_beams", 1) > 1:
        own.pop("temperature", None)
    if "max_new_tokens" in own:
        own["max_new_tokens"] = min(own["max_new_tokens"], context - 1)
    return {**own, **given}


def values_of(numbers: Mapping[str, Any]) -> tuple[Sampling, Beams]:
    """The values that have these fields; None, and other names, are passed over.

    >>> values_of({"top_k": 5, "num_beams": 4, "stop": "."})[1].num_beams
    4
    """
    given = {name: value for name, value in numbers.items() if value is not None}
    return (
        Sampling(**{k: v for k, v in given.items() if k in SAMPLING}),
        Beams(**{k: v for k, v in given.items() if k in BEAMS}),
    )


_DEFAULTS = {**Sampling().to_dict(), **Beams().to_dict()}


def _check_beams(settings: Settings, unsampled: float) -> None:
    sampling = settings.sampling
    if settings.beams.num_beams == 1:
        return
    asked = {
        "temperature": sampling.temperature not in (0.0, unsampled),
        "top_k": sampling.top_k != 0,
        "top_p": sampling.top_p != 1.0,
        "min_p": sampling.min_p != 0.0,
    }
    for name, is_asked in asked.items():
        if is_asked:
            raise ValueError(f"beams take no {name}: give one or the other")


def checked_own(own: Mapping[str, Any] | None, taken: Iterable[str]) -> dict[str, Any]:
    """A task's own arguments of its verb, as they can be kept.

    Raises:
        ValueError: one is none that the verb takes, or out of its range.
    """
    own = dict(own or {})
    for name in own:
        choose("generation", name, dict.fromkeys(taken))
    given = {name: value for name, value in own.items() if value is not None}
    try:
        values_of(given)
        if "stop" in given:
            own["stop"] = checked_stop_strings(given["stop"])
        if given.get("max_new_tokens", 0) < 0:
            least = f"must be at least 0, got {given['max_new_tokens']}"
            raise ValueError(f"max_new_tokens {least}")
    except (ValueError, TypeError) as error:
        raise ValueError(f"generation: {error}") from None
    return own


def _plain(value: Any) -> Any:
    """A number of NumPy or TensorFlow as Python's."""
    if hasattr(value, "numpy"):
        value = value.numpy()
    return value.item() if isinstance(value, np.generic | np.ndarray) else value
