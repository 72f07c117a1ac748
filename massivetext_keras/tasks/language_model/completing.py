"""Texts with all that is known of them, for any stop strings and banned phrases."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from massivetext_keras.generation.checks import checked
from massivetext_keras.generation.phrases import BannedPhrases
from massivetext_keras.generation.sampling import SamplingTensors
from massivetext_keras.generation.stop_strings import StopStrings
from massivetext_keras.tasks.language_model.moderation import FILTERED, Moderation
from massivetext_keras.tasks.served import INTEGER

# What such a request says beside its texts, once for all of them: strings that end a
# text, tokens at the most, how they are chosen, and the tables of `BannedPhrases`.
ASKED = {
    "stop": tf.TensorSpec([None], tf.string),
    "max_new_tokens": INTEGER,
    **{
        x: tf.TensorSpec(s.shape, s.dtype)
        for x, s in SamplingTensors.spec()._asdict().items()
    },
    "banned_table": tf.TensorSpec([None, None], tf.int32),
    "banned_kinds": tf.TensorSpec([None], tf.int32),
}
# No phrases beside the task's own.
_OWN_PHRASES = {
    "banned_table": np.zeros([0, 0], np.int32),
    "banned_kinds": np.zeros([0], np.int32),
}


def asked_defaults(task: Any, stop: Sequence[str] | None = None) -> dict[str, Any]:
    """What a request leaves out: as the task's `generation` says, and its phrases."""
    stop = task.generation.get("stop", ()) if stop is None else stop
    strings = np.array([string.encode() for string in stop], object)
    return {"stop": strings, **task.served_defaults(), **_OWN_PHRASES}


def asked_check(task: Any) -> dict[str, Any]:
    """A request that an export is compared on."""
    usual = {"min_p": 0.0, "repetition_penalty": 1.0, "min_new_tokens": 0}
    return {"stop": ["e"], **task.few(), **usual, **_OWN_PHRASES}


def completed(
    task: Any,
    token_ids: tf.RaggedTensor,
    copies: tf.Tensor,
    asked: Sequence[tf.Tensor],
    stop: Sequence[str] = (),
    stop_ids: Sequence[int] = (),
) -> dict[str, tf.Tensor]:
    """What follows prompts, inside a graph that is one for all requests.

    Args:
        task: a `CausalLM`.
        token_ids, copies: see `TextGenerator.continued`.
        asked: tensors in the order of `ASKED`.
        stop: strings that end a text beside those that are asked for.
        stop_ids: ids that end a text beside the task's own.

    Returns:
        `text` without the prompt; `finish_reason`, "stop" or "length"; `prompt_tokens`
        and `new_tokens`; `token_ids` and `log_probabilities` [batch, new tokens], -1
        and 0 behind a text's last. What they are, `Completion` says.
    """
    given = dict(zip(ASKED, asked, strict=True))
    limit = task.checked_limit(given["max_new_tokens"])
    sampling = SamplingTensors(*(given[name] for name in SamplingTensors._fields))
    strings = tf.concat([given["stop"], tf.constant([*stop], tf.string)], axis=0)
    writer = task.writers.plain_text_generator((), stop_ids)
    tables = given["banned_table"], given["banned_kinds"]
    writer = writer._replace(
        stop=StopStrings.given(strings), banned=_phrases(writer.banned, *tables)
    )
    found = writer.continued(token_ids, copies, limit, sampling.checked(), scored=True)
    return {
        "text": found.text,
        "finish_reason": tf.where(found.stopped, "stop", "length"),
        "prompt_tokens": found.prompt_tokens,
        "new_tokens": found.new_tokens,
        "token_ids": found.token_ids.to_tensor(-1),
        "log_probabilities": found.log_probabilities.to_tensor(0.0),
        "_lead": found.lead,
    }


def filtered(
    moderation: Moderation | None, asked: tf.Tensor, found: dict[str, tf.Tensor]
) -> dict[str, tf.Tensor]:
    """What `completed` gives, with the refusal in place of what may not pass.

    Args:
        moderation: None lets all pass.
        asked: string [batch] or [batch, turns].
        found: outputs.
    """
    if moderation is None:
        return found
    refused = moderation.refused_in_graph(asked, found["text"])
    instead = {
        "text": moderation.refusal,
        "finish_reason": FILTERED,
        "new_tokens": 0,
        "token_ids": -1,
        "log_probabilities": 0.0,
    }
    return {
        name: tf.where(refused if x.shape.rank == 1 else refused[:, None], y, x)
        for name, x in found.items()
        for y in [instead.get(name, x)]
    }


def _phrases(own: BannedPhrases, table: tf.Tensor, kinds: tf.Tensor) -> BannedPhrases:
    """The tables of a request, or those of the task's own phrases."""
    size = own.kinds.shape[0]
    right = (tf.size(kinds) == 0) | (tf.size(kinds) == size)
    kinds = checked(kinds, right, f"banned_kinds must be of {size} tokens or of none")
    return BannedPhrases(
        *tf.cond(tf.size(kinds) > 0, lambda: (table, kinds), lambda: tuple(own))
    )
