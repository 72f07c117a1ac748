"""What an exported causal language model answers, and how it is checked."""

from __future__ import annotations

from collections.abc import Callable

import tensorflow as tf

from massivetext_keras.export import Probe, signature
from massivetext_keras.generation.decoding import Decoder
from massivetext_keras.generation.sampling import Sampling
from massivetext_keras.tasks.text_generation import (
    TextGenerator,
    earlier_copies,
    end_ids,
    prompt_ids,
    sampling_spec,
)
from massivetext_keras.tasks.text_scoring import log_probabilities

# Checked on: an empty text, several scripts, several lengths.
_PROBES = ["", "Once upon a time", "Über", "中文 text\n\n", "a" * 50]
_PROBE_TOKENS = 8
_DEFAULT_NEW_TOKENS = 64


def signatures(task) -> dict[str, Callable]:
    """The signatures of a `CausalLM` by name."""
    prompt = tf.TensorSpec([None], tf.string, "prompt")
    tokens, spec = tf.TensorSpec([], tf.int32, "max_new_tokens"), sampling_spec()
    scalars = [tokens, spec.temperature, spec.top_k, spec.top_p, spec.seed]
    # A server fills in what a request leaves out.
    defaults = [tf.constant(x) for x in (_DEFAULT_NEW_TOKENS, 1.0, 0, 1.0, 0)]
    tokenizer, longest = task.need_tokenizer(), task.config.max_length - 1
    banned = task.banned_phrases()

    def sampled(compiled: bool):
        decoder = Decoder(
            task.backbone, end_ids(tokenizer), compiled=compiled, banned=banned
        )
        generator = TextGenerator(tokenizer, decoder)

        def generate(
            prompt,
            max_new_tokens=defaults[0],
            temperature=defaults[1],
            top_k=defaults[2],
            top_p=defaults[3],
            seed=defaults[4],
        ):
            sampling = Sampling(
                temperature, top_k, top_p, tf.constant(0.0), tf.constant(1.0), seed
            )
            max_new_tokens = tf.clip_by_value(max_new_tokens, 1, longest)
            ids, rows = prompt_ids(tokenizer, prompt), earlier_copies(prompt)
            new = generator.continuations(ids, rows, max_new_tokens, sampling)
            return {"text": tf.strings.join([prompt, new])}

        return signature(generate, prompt, *scalars)

    generate = sampled(compiled=False)

    def greedy(prompt):
        # Zero, but no constant: Grappler cannot sort a graph where it sees that a
        # branch with a loop in it is never taken, and says so on stderr.
        temperature = tf.cast(tf.size(prompt) < 0, tf.float32)
        return generate(prompt, defaults[0], temperature, *defaults[2:])

    def score(text):
        return {"log_probability": log_probabilities(task, text)}

    return {
        "serving_default": signature(greedy, prompt),
        "generate": generate,
        "generate_compiled": sampled(compiled=True),
        "score": signature(score, tf.TensorSpec([None], tf.string, "text")),
    }


def probes(task) -> list[Probe]:
    """Questions to the export of a `CausalLM`, with the model's own answers."""
    tokens = min(_PROBE_TOKENS, task.config.max_length - 1)
    greedy = {"max_new_tokens": tokens, "temperature": 0.0}
    texts = task.generate(_PROBES, **greedy)
    greedy |= {"top_k": 0, "top_p": 1.0, "seed": 0}
    return [
        *[
            Probe(name, {"prompt": _PROBES, **greedy}, {"text": texts})
            for name in ("generate", "generate_compiled")
        ],
        Probe("score", {"text": _PROBES}, {"log_probability": task.score(_PROBES)}),
    ]
