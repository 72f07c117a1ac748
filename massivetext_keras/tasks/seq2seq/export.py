"""What an exported encoder-decoder answers, and how it is checked."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable

import tensorflow as tf

from massivetext_keras.generation.beam import BeamRules
from massivetext_keras.generation.checks import checked
from massivetext_keras.generation.sampling import Sampling
from massivetext_keras.generation.text_to_text import is_blank
from massivetext_keras.generation.texts import earlier_copies
from massivetext_keras.saving.export import Probe, signature
from massivetext_keras.support.rounding import ROUNDING
from massivetext_keras.tasks.own_defaults import made_of

# Checked on several scripts and lengths.
_PROBES = ["Once upon a time", "Über", "中文 text\n\n", "a" * 50]
_PROBE_TOKENS = 8
_MOST_NEW_TOKENS = 128
_BEAMS = 4


def signatures(task, xla: bool) -> dict[str, Callable]:
    """The signatures of a `Seq2SeqLM` by name.

    Args:
        task: a `Seq2SeqLM`.
        xla: whether the loop of `serving_default` is an XLA program.
    """
    text = tf.TensorSpec([None], tf.string, "text")
    tokens, spec = tf.TensorSpec([], tf.int32, "max_new_tokens"), Sampling.spec()
    longest = task.config.max_length
    # A server fills in what a request leaves out.
    own = task.generation
    room = tf.constant(min(own.get("max_new_tokens", _MOST_NEW_TOKENS), longest))
    length_penalty = tf.constant(own.get("length_penalty", 1.0), tf.float32)
    choice = made_of(own, Sampling.make, seed=0)
    if "temperature" not in own:
        choice = choice._replace(temperature=tf.constant(0.0))
    graphs = functools.partial(
        task.text_graphs,
        no_repeat_ngram_size=own.get("no_repeat_ngram_size", 0),
        penalize="repetition_penalty" in own,
    )

    def asked(text):
        return tf.strings.join([task.prefix, text])

    def limited(count) -> tf.Tensor:
        wanted = f"max_new_tokens must be from 1 to the context of {longest} tokens"
        return checked(count, (count >= 1) & (count <= longest), wanted)

    def searched(compiled: bool):
        graph = graphs(own.get("num_beams", _BEAMS), search=True, compiled=compiled)
        rest = made_of(own, BeamRules.make)

        def translate(text, max_new_tokens=room, length_penalty=length_penalty):
            rules = rest._replace(length_penalty=length_penalty).checked()
            limit = limited(max_new_tokens)
            texts, scores = graph.searched(asked(text), limit, rules)
            blank = is_blank(text)
            return {
                "text": tf.where(blank, "", texts[:, 0]),
                "score": tf.where(blank, 0.0, scores[:, 0]),
            }

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
            sampling = choice._replace(temperature=temperature, **asked_for).checked()
            limit, texts = limited(max_new_tokens), asked(text)
            answers, _ = graph.sampled(texts, earlier_copies(texts), limit, sampling)
            return {"text": tf.where(is_blank(text), "", answers)}

        scalars = tokens, spec.temperature, spec.top_k, spec.top_p, spec.seed
        return signature(generate, text, *scalars)

    plain, compiled = searched(compiled=False), searched(compiled=True)

    def best(text):
        chosen = compiled if xla else plain
        return {"text": chosen(text, room, length_penalty)["text"]}

    return {
        "serving_default": signature(best, text),
        "translate": plain,
        "summarize": plain,
        "translate_compiled": compiled,
        "generate": sampled(compiled=False),
        "generate_compiled": sampled(compiled=True),
    }


def probes(task) -> list[Probe]:
    """Questions to the export of a `Seq2SeqLM`, with the model's own answers.

    Where two tokens are equally probable but for rounding, any text may follow: such
    sources are not answered token by token.
    """
    tokens = min(_PROBE_TOKENS, task.config.max_length)
    limit, own = {"max_new_tokens": tokens}, task.generation
    beams = own.get("num_beams", _BEAMS)
    ranked = task.n_best(_PROBES, beams, tokens, beams, length_penalty=1.0)
    searched = {
        "text": [
            frozenset(t for t, s in row if _close(s, row[0][1])) for row in ranked
        ],
        "score": [row[0][1] for row in ranked],
    }
    found = [
        Probe(name, {"text": _PROBES, **limit, "length_penalty": 1.0}, searched)
        for name in ("translate", "translate_compiled")
    ]
    greedy = {"temperature": 0.0, "top_k": 0, "top_p": 1.0, "seed": 0}
    sampling = made_of(own, Sampling.make, **greedy)
    how = own.get("no_repeat_ngram_size", 0), "repetition_penalty" in own
    answers, lead = task.sure_answers(_PROBES, tokens, sampling, *how)
    sure = [i for i in range(len(_PROBES)) if lead[i] > 3 * ROUNDING]
    if sure:
        question = {"text": [_PROBES[i] for i in sure], **limit, **greedy}
        written = {"text": [answers[i] for i in sure]}
        names = "generate", "generate_compiled"
        found += [Probe(name, question, written) for name in names]
    return found


def _close(score: float, best: float) -> bool:
    return math.isclose(score, best, rel_tol=3 * ROUNDING, abs_tol=3 * ROUNDING)
