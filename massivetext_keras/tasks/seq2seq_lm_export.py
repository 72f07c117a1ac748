"""What an exported encoder-decoder answers, and how it is checked."""

from __future__ import annotations

import functools
from collections.abc import Callable

import tensorflow as tf

from massivetext_keras.export import Probe, signature
from massivetext_keras.generation.beam import BeamRules
from massivetext_keras.generation.sampling import Sampling
from massivetext_keras.tasks.text_generation import earlier_copies, sampling_spec

# Checked on several scripts and lengths.
_PROBES = ["Once upon a time", "Über", "中文 text\n\n", "a" * 50]
_PROBE_TOKENS = 8
_MOST_NEW_TOKENS = 128
_BEAMS = 4
_SAMPLING = (
    "temperature",
    "top_k",
    "top_p",
    "min_p",
    "repetition_penalty",
    "min_new_tokens",
)
_RANKING = ("early_stopping", "min_new_tokens", "repetition_penalty")


def signatures(task) -> dict[str, Callable]:
    """The signatures of a `Seq2SeqLM` by name."""
    text = tf.TensorSpec([None], tf.string, "text")
    tokens, spec = tf.TensorSpec([], tf.int32, "max_new_tokens"), sampling_spec()
    longest = task.config.max_length
    # A server fills in what a request leaves out.
    own = task.generation
    room = tf.constant(min(own.get("max_new_tokens", _MOST_NEW_TOKENS), longest))
    length_penalty = tf.constant(own.get("length_penalty", 1.0), tf.float32)
    choice = Sampling.make(**{k: own[k] for k in _SAMPLING if k in own}, seed=0)
    if "temperature" not in own:
        choice = choice._replace(temperature=tf.constant(0.0))
    graphs = functools.partial(
        task.text_graphs,
        no_repeat_ngram_size=own.get("no_repeat_ngram_size", 0),
        penalize="repetition_penalty" in own,
    )

    def asked(text):
        return tf.strings.join([task.prefix, text])

    def answered(text, answers):
        """The answers; a blank text has a blank one."""
        blank = tf.strings.length(tf.strings.strip(text)) == 0
        return tf.where(blank, "", answers)

    def searched(compiled: bool):
        graph = graphs(own.get("num_beams", _BEAMS), search=True, compiled=compiled)
        rest = BeamRules.make(**{k: own[k] for k in _RANKING if k in own})

        def translate(text, max_new_tokens=room, length_penalty=length_penalty):
            rules = rest._replace(length_penalty=length_penalty)
            limit = tf.clip_by_value(max_new_tokens, 1, longest)
            texts, scores = graph.searched(asked(text), limit, rules)
            return {"text": answered(text, texts[:, 0]), "score": scores[:, 0]}

        penalty = tf.TensorSpec([], tf.float32, "length_penalty")
        return signature(translate, text, tokens, penalty)

    def sampled(compiled: bool):
        graph = graphs(compiled=compiled)

        def generate(
            text,
            max_new_tokens=room,
            temperature=choice.temperature,
            top_k=choice.top_k,
            top_p=choice.top_p,
            seed=choice.seed,
        ):
            asked_for = {"top_k": top_k, "top_p": top_p, "seed": seed}
            sampling = choice._replace(temperature=temperature, **asked_for)
            limit, texts = tf.clip_by_value(max_new_tokens, 1, longest), asked(text)
            answers = graph.sampled(texts, earlier_copies(texts), limit, sampling)
            return {"text": answered(text, answers)}

        scalars = tokens, spec.temperature, spec.top_k, spec.top_p, spec.seed
        return signature(generate, text, *scalars)

    translate = searched(compiled=False)

    def best(text):
        return {"text": translate(text, room, length_penalty)["text"]}

    return {
        "serving_default": signature(best, text),
        "translate": translate,
        "summarize": translate,
        "translate_compiled": searched(compiled=True),
        "generate": sampled(compiled=False),
        "generate_compiled": sampled(compiled=True),
    }


def probes(task) -> list[Probe]:
    """Questions to the export of a `Seq2SeqLM`, with the model's own answers."""
    tokens = min(_PROBE_TOKENS, task.config.max_length)
    question = {"text": _PROBES, "max_new_tokens": tokens}
    beams = task.generation.get("num_beams", _BEAMS)
    best = [
        found[0] for found in task.n_best(_PROBES, 1, tokens, beams, length_penalty=1.0)
    ]
    greedy = {"temperature": 0.0, "top_k": 0, "top_p": 1.0, "seed": 0}
    searched = {"text": [t for t, _ in best], "score": [s for _, s in best]}
    written = {"text": task.generate(_PROBES, tokens, num_beams=1, temperature=0.0)}
    return [
        probe
        for suffix in ("", "_compiled")
        for probe in (
            Probe(f"translate{suffix}", {**question, "length_penalty": 1.0}, searched),
            Probe(f"generate{suffix}", {**question, **greedy}, written),
        )
    ]
