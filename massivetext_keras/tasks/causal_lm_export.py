"""The SavedModel of a causal language model: its signatures and how it is checked."""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from massivetext_keras.export import write_saved_model
from massivetext_keras.generation.decoding import Decoder
from massivetext_keras.generation.sampling import Sampling
from massivetext_keras.tasks.text_generation import TextGenerator, earlier_copies

# Checked on: an empty text, several scripts, several lengths.
_PROBES = ("", "Once upon a time", "Über", "中文 text\n\n", "a" * 50)
_PROBE_TOKENS = 8
_DEFAULT_NEW_TOKENS = 64


class TextModule(tf.Module):
    """Holds what the signatures of an exported `CausalLM` use.

    Args:
        task: a `CausalLM` with a tokenizer.
    """

    def __init__(self, task):
        super().__init__(name=task.name)
        self.tokenizer = task.need_tokenizer()
        self.weights = [variable.value for variable in task.backbone.weights]
        stop_ids = (self.tokenizer.eos_id,) if self.tokenizer.eos_id is not None else ()
        self._plain, self._compiled = (
            TextGenerator(
                self.tokenizer, Decoder(task.backbone, stop_ids, compiled=compiled)
            )
            for compiled in (False, True)
        )
        self._longest = task.config.max_length - 1

    def signatures(self, task) -> dict:
        """Functions by name; `task` is not kept, nor its training state."""
        prompt = tf.TensorSpec([None], tf.string, "prompt")
        scalars = [
            tf.TensorSpec([], tf.int32, "max_new_tokens"),
            tf.TensorSpec([], tf.float32, "temperature"),
            tf.TensorSpec([], tf.int32, "top_k"),
            tf.TensorSpec([], tf.float32, "top_p"),
            tf.TensorSpec([], tf.int32, "seed"),
        ]

        # A server fills in what a request leaves out.
        defaults = [tf.constant(x) for x in (_DEFAULT_NEW_TOKENS, 1.0, 0, 1.0, 0)]

        def sampled(generator):
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
                return self._continued(generator, prompt, max_new_tokens, sampling)

            return _signature(generate, [prompt, *scalars])

        generate = sampled(self._plain)

        def greedy(prompt):
            return generate(prompt, defaults[0], tf.constant(0.0), *defaults[2:])

        def score(text):
            return {"log_probability": task.score_graph(text)}

        return {
            "serving_default": _signature(greedy, [prompt]),
            "generate": generate,
            "generate_compiled": sampled(self._compiled),
            "score": _signature(score, [tf.TensorSpec([None], tf.string, "text")]),
        }

    def _continued(self, generator, prompt, max_new_tokens, sampling) -> dict:
        max_new_tokens = tf.clip_by_value(max_new_tokens, 1, self._longest)
        rows = earlier_copies(prompt)
        new = generator.continuations(prompt, rows, max_new_tokens, sampling)
        return {"text": tf.strings.join([prompt, new])}


def _signature(function, specs):
    return tf.function(function, autograph=False, input_signature=specs)


def export(task, path, overwrite: bool = False) -> None:
    """Writes a `CausalLM` as a SavedModel and compares what it gives with the task.

    Raises:
        RuntimeError: the loaded export gives another text or score.
        ValueError: the task has no tokenizer.
        FileExistsError: the folder is not empty and `overwrite` is false.
    """
    probes = list(_PROBES)
    tokens = min(_PROBE_TOKENS, task.config.max_length - 1)
    texts = task.generate(probes, max_new_tokens=tokens, temperature=0.0)
    scores = task.score(probes)

    def check(signatures):
        arguments = {
            "prompt": tf.constant(probes),
            "max_new_tokens": tf.constant(tokens),
            "temperature": tf.constant(0.0),
            "top_k": tf.constant(0),
            "top_p": tf.constant(1.0),
            "seed": tf.constant(0),
        }
        for name in ("generate", "generate_compiled"):
            given = signatures[name](**arguments)["text"].numpy()
            for probe, text, other in zip(probes, texts, given, strict=True):
                if text != other.decode():
                    raise RuntimeError(
                        f"the export's {name}({probe!r}) is {other.decode()!r}, the "
                        f"model's is {text!r}: nothing was written"
                    )
        given = signatures["score"](text=tf.constant(probes))["log_probability"].numpy()
        if not np.allclose(given, scores, rtol=1e-4, atol=1e-4):
            raise RuntimeError(
                f"the export's scores are {given.tolist()}, the model's {scores}: "
                f"nothing was written"
            )

    module = TextModule(task)
    metadata = {
        "format": "massivetext_keras export",
        "task": type(task).__name__,
        "model": task.config.to_dict(),
        "tokenizer": module.tokenizer.fingerprint,
    }
    write_saved_model(path, module, module.signatures(task), metadata, check, overwrite)
