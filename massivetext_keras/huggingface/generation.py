"""How a model writes, as Hugging Face stores it beside the model."""

from __future__ import annotations

import logging
import math
import os
from collections.abc import Container, Mapping
from pathlib import Path
from typing import Any

from massivetext_keras.huggingface.chat_templates import read_chat_template
from massivetext_keras.huggingface.families.family import unsupported
from massivetext_keras.huggingface.folder import CONFIG
from massivetext_keras.huggingface.labels import label_options
from massivetext_keras.huggingface.sentence_transformers import read_embedding_options
from massivetext_keras.support.files import read_json

logger = logging.getLogger(__name__)

GENERATION = "generation_config.json"
# Our option of a task -> their value.
_OPTIONS = {
    "start_id": "decoder_start_token_id",
    "first_id": "forced_bos_token_id",
    "last_id": "forced_eos_token_id",
}
_END = "eos_token_id"
_NEVER, _SUPPRESSED = "bad_words_ids", "suppress_tokens"
# Arguments of `generate` that have the same name and meaning there, with the value that
# does nothing.
_NOTHING: dict[str, Any] = {
    "max_new_tokens": None,
    "min_new_tokens": 0,
    "num_beams": 1,
    "length_penalty": 1.0,
    "early_stopping": False,
    "no_repeat_ngram_size": 0,
    "repetition_penalty": 1.0,
    "top_k": 0,
    "top_p": 1.0,
    "min_p": 0.0,
}
# What they do to texts and we do not, with the value that does nothing.
_OTHERS: dict[str, Any] = {
    "begin_suppress_tokens": [],
    "diversity_penalty": 0.0,
    "encoder_no_repeat_ngram_size": 0,
    "encoder_repetition_penalty": 1.0,
    "epsilon_cutoff": 0.0,
    "eta_cutoff": 0.0,
    "exponential_decay_length_penalty": None,
    "force_words_ids": [],
    "forced_decoder_ids": [],
    "guidance_scale": 1.0,
    "num_beam_groups": 1,
    "num_return_sequences": 1,
    "penalty_alpha": 0.0,
    "renormalize_logits": False,
    "sequence_bias": None,
    "top_h": None,
    "typical_p": 1.0,
    "watermarking_config": None,
}
_COUNTS = (
    "max_new_tokens",
    "min_new_tokens",
    "max_length",
    "min_length",
    "num_beams",
    "no_repeat_ngram_size",
    "top_k",
)
_SAMPLED_TOP_K = 50  # theirs, where a model samples and says nothing


def read_options(
    folder: str | os.PathLike,
    head: str | None = None,
    accepted: Container[str] = (),
    encoder_decoder: bool = False,
    prefix: str | None = None,
    classes: int | None = None,
) -> dict[str, Any]:
    """The options of a task: of one that writes texts start_id, first_id, last_id,
    end_ids, never_ids, prefix, generation and chat_template, of one with a head that
    tells classes those of `label_options`, of one that makes vectors those of
    `read_embedding_options`. What is said about writing and cannot be taken is logged.

    Args:
        folder: a local folder with `generation_config.json`, or `config.json` alone, as
            older models have it.
        head: that is read with the model.
        accepted: options of the task and arguments of its `generate`.
        encoder_decoder: whether the model is one.
        prefix: of the sources, which tells several `task_specific_params` apart; the
            only ones there are tell their own.
        classes: that the head tells.

    Raises:
        ValueError: a file is damaged, or a value is none.
    """
    folder = Path(folder)
    config = values = read_json(folder / CONFIG)
    if "classification" in (head or ""):
        try:
            return label_options(values, classes)
        except ValueError as error:
            raise ValueError(f"{folder / CONFIG}: {error}") from None
    if "pooling" in accepted:
        return read_embedding_options(folder)
    if "generation" not in accepted:
        return {}
    file = folder / CONFIG
    if (folder / GENERATION).is_file():
        file = folder / GENERATION
        start = {k: v for k, v in values.items() if k == _OPTIONS["start_id"]}
        values = {**start, **read_json(file)}
    try:
        special = _of_one_task(config.get("task_specific_params"), prefix)
        values = {**values, **special}
        options: dict[str, Any] = {
            ours: values.get(theirs) for ours, theirs in _OPTIONS.items()
        }
        options["prefix"] = special.get("prefix")
        options["never_ids"] = _never_ids(values)
        options["generation"] = _arguments(values, encoder_decoder)
    except (ValueError, TypeError) as error:
        raise ValueError(f"{file}: {error}") from None
    lost = [
        f"{name}={values[name]!r}"
        for name, nothing in _OTHERS.items()
        if values.get(name) not in (None, nothing, [])
    ]
    options["end_ids"] = end_ids(folder)
    if "chat_template" in accepted:
        options["chat_template"] = read_chat_template(folder)
    arguments = options["generation"]
    if values.get("do_sample") and "num_beams" in arguments:
        lost.append("do_sample with num_beams")
    if values.get("max_length") is not None and not encoder_decoder:
        lost.append(f"max_length={values['max_length']!r}, which counts the prompt")
    for found in (options, arguments):
        for name in [name for name in found if name not in accepted]:
            if (value := found.pop(name)) not in (None, ()):
                lost.append(f"{_OPTIONS.get(name, name)}={value!r}")
    if lost:
        logger.warning("%s: not taken from it: %s", file, "; ".join(lost))
    return {k: v for k, v in options.items() if v is not None and v not in ((), {})}


def end_ids(folder: str | os.PathLike) -> tuple[int, ...]:
    """The ids that end a text: of `generation_config.json`, or else of `config.json`.

    Ids that the model does not have are left out.

    Raises:
        ValueError: a value is no id, nor a list of ids.
    """
    size = read_json(Path(folder) / CONFIG).get("vocab_size", math.inf)
    for name in (GENERATION, CONFIG):
        file = Path(folder) / name
        value = read_json(file).get(_END) if file.is_file() else None
        if value is None:
            continue
        ids = value if isinstance(value, list) else [value]
        if not all(type(index) is int for index in ids):
            raise ValueError(f"{file}: {_END}={value!r} is no id, nor a list of ids")
        return tuple(index for index in ids if 0 <= index < size)
    return ()


def generation_values(options: Mapping[str, Any]) -> dict[str, Any]:
    """The inverse of `read_options`: values of `generation_config.json`.

    >>> generation_values({"start_id": 2, "never_ids": (5, (6, 7))})
    {'decoder_start_token_id': 2, 'bad_words_ids': [[5], [6, 7]]}
    >>> generation_values({"generation": {"temperature": 0.7, "top_p": 0.9}})
    {'top_p': 0.9, 'do_sample': True, 'temperature': 0.7, 'top_k': 0}
    """
    values = {
        theirs: options[ours]
        for ours, theirs in _OPTIONS.items()
        if options.get(ours) is not None
    }
    if ends := options.get("end_ids"):
        values[_END] = ends[0] if len(ends) == 1 else list(ends)
    if never := options.get("never_ids"):
        values[_NEVER] = [[x] if isinstance(x, int) else list(x) for x in never]
    arguments = options.get("generation") or {}
    values |= {name: arguments[name] for name in _NOTHING if name in arguments}
    if "stop" in arguments:
        values["stop_strings"] = arguments["stop"]
    if temperature := arguments.get("temperature"):
        values |= {"do_sample": True, "temperature": temperature}
        values.setdefault("top_k", 0)  # theirs would be 50
    elif temperature is not None:
        values["do_sample"] = False
    return values


def _of_one_task(tasks: Any, prefix: str | None) -> dict[str, Any]:
    """The `task_specific_params` of the only task, or of the one with a prefix."""
    tasks = tasks or {}
    if not isinstance(tasks, dict) or not all(
        isinstance(values, dict) for values in tasks.values()
    ):
        raise unsupported("task_specific_params", tasks, "objects by name")
    fitting = [
        values
        for values in tasks.values()
        if prefix is None or values.get("prefix", "") == prefix
    ]
    if len(fitting) > 1 and prefix is None:
        known = {name: values.get("prefix") for name, values in tasks.items()}
        logger.warning(
            "task_specific_params: prefix=… says which are to be taken: %s", known
        )
    return fitting[0] if len(fitting) == 1 else {}


def _never_ids(values: Mapping[str, Any]) -> tuple[int | tuple[int, ...], ...]:
    """Tokens, and sequences of them, that are not written; a text may always end."""
    words, ends = values.get(_NEVER) or [], values.get("eos_token_id")
    ends = ends if isinstance(ends, list) else [ends]
    suppressed = values.get(_SUPPRESSED) or []
    for name, ids in [(_NEVER, word) for word in words] + [(_SUPPRESSED, suppressed)]:
        if not isinstance(ids, list) or any(type(i) is not int for i in ids):
            raise unsupported(name, values[name], "lists of ids")
    singles = [word[0] for word in words if len(word) == 1 and word[0] not in ends]
    sequences = [tuple(word) for word in words if len(word) > 1]
    return (*dict.fromkeys((*singles, *suppressed)), *sequences)


def _arguments(values: Mapping[str, Any], encoder_decoder: bool) -> dict[str, Any]:
    """What `generate` does where nobody says otherwise."""
    found = {}
    for name in (*_NOTHING, "temperature", "max_length", "min_length"):
        value = values.get(name)
        if name == "early_stopping":
            if value not in (None, True, False, "never"):
                raise unsupported(name, value, True, False, "never")
        elif value is not None and type(value) not in (int, float):
            raise unsupported(name, value, "a number")
        elif name in _COUNTS and value is not None:
            if not float(value).is_integer():
                raise unsupported(name, value, "a whole number")
            value = int(value)
        if value not in (None, _NOTHING.get(name)):
            found[name] = value
    longest, least = found.pop("max_length", None), found.pop("min_length", 0)
    if encoder_decoder:  # theirs count the token that the decoder begins with
        if longest is not None:
            found.setdefault("max_new_tokens", max(longest - 1, 1))
        if (least := max(least - 1, found.get("min_new_tokens", 0))) > 0:
            found["min_new_tokens"] = least
    if strings := values.get("stop_strings"):
        found["stop"] = [strings] if isinstance(strings, str) else strings
    sampled, beams = values.get("do_sample"), "num_beams" in found
    if sampled not in (None, True, False):
        raise unsupported("do_sample", sampled, True, False)
    if sampled and not beams:
        found.setdefault("temperature", 1.0)
        if values.get("top_k") is None:
            found["top_k"] = _SAMPLED_TOP_K
    elif sampled is False or encoder_decoder or beams:
        for name in ("temperature", "top_k", "top_p", "min_p"):
            found.pop(name, None)
        if sampled is False and not beams:
            found["temperature"] = 0.0
    return found
