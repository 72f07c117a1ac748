"""Exports that take no time to make: signatures as tasks have them, over strings."""

from __future__ import annotations

from pathlib import Path

import tensorflow as tf

from massivetext_keras.saving.export import write_saved_model
from massivetext_keras.tasks.language_model.streaming import Streaming

STRINGS = tf.TensorSpec([None], tf.string)


def graph(*specs: tf.TensorSpec, **named: tf.TensorSpec):
    """A signature with these inputs."""
    specs = [tf.TensorSpec(x.shape, x.dtype, name) for name, x in named.items()]
    return lambda f: tf.function(f, autograph=False, input_signature=specs)


@graph(text=STRINGS)
def classify(text):
    """ "good" where that is written, else "bad"."""
    good = tf.strings.regex_full_match(text, ".*good.*")
    scores = tf.stack([tf.cast(~good, tf.float32), tf.cast(good, tf.float32)], 1)
    classes = tf.tile([["bad", "good"]], [tf.size(text), 1])
    return {
        "labels": tf.where(good, "good", "bad"),
        "scores": scores,
        "classes": classes,
    }


@graph(text=STRINGS)
def tag(text):
    """Each word is a span."""
    found = tf.strings.split(text)
    words = found.to_tensor()
    sizes = tf.strings.length(words, "UTF8_CHAR")
    starts = tf.cumsum(sizes + 1, axis=1, exclusive=True)
    there = words != ""
    return {
        "texts": words,
        "labels": tf.where(there, tf.where(sizes > 3, "LONG", "SHORT"), ""),
        "starts": tf.where(there, starts, -1),
        "ends": tf.where(there, starts + sizes, -1),
        "scores": tf.cast(there, tf.float32),
        "counts": tf.cast(found.row_lengths(), tf.int32),
    }


@graph(question=STRINGS, context=STRINGS)
def answer(question, context):
    """The first word of the context."""
    text = tf.strings.split(context)[:, :1].to_tensor(shape=[None, 1])[:, 0]
    size = tf.strings.length(text)
    return {
        "text": text,
        "start": tf.zeros_like(size),
        "end": size,
        "score": tf.ones_like(size, tf.float32) * 0.5,
    }


@graph(text=STRINGS)
def embed(text):
    """The length, and three numbers that a float32 cannot have exactly."""
    size = tf.cast(tf.strings.length(text), tf.float32)[:, None]
    return {"embedding": tf.concat([size, size * 0 + [[0.1, 0.2, 0.3]]], axis=1)}


@graph(x=tf.TensorSpec([None], tf.float32))
def half_plus_three(x):
    """Serving's own example."""
    return {"y": x / 2 + 3}


@graph(
    text=STRINGS,
    times=tf.TensorSpec([], tf.int32),
    max_new_tokens=tf.TensorSpec([], tf.int32),
)
def repeat(text, times, max_new_tokens):
    """A scalar beside rows, and bytes for an output."""
    with tf.control_dependencies([tf.debugging.assert_positive(times, "times")]):
        text = tf.identity(text)
    both = tf.strings.reduce_join(tf.tile(text[:, None], [1, times]), axis=1)
    return {"text": both, "raw_bytes": both}


@graph(slots=tf.TensorSpec([], tf.int32))
def slots_open(slots):
    """Stands for what only one caller may ask."""
    return {"slots": slots}


def write(path: Path, default, **signatures) -> None:
    """An export of these signatures."""
    module = tf.Module()
    module.kept = list(signatures.values())
    signatures["serving_default"] = default
    tf.saved_model.save(module, str(path), signatures=signatures)


def write_all(folder: Path) -> dict[str, str]:
    """Exports of each kind, by name."""
    write(folder / "classify" / "1", classify, classify=classify)
    write(folder / "tag", tag, tag=tag)
    write(folder / "answer", answer, answer=answer)
    write(folder / "embed", embed, embed=embed)
    write(
        folder / "half" / "123", half_plus_three, repeat=repeat, slots_open=slots_open
    )
    names = ("classify", "tag", "answer", "embed", "half")
    return {name: str(folder / name) for name in names}


def write_texts(lm, path: Path, *names: str, streaming: bool = False) -> str:
    """An export of a language model with some of its signatures: all of them, and what
    XLA compiles, take long to make."""
    module, graphs = tf.Module(), lm.signatures(xla=False)
    module.tokenizer = lm.tokenizer
    module.weights = [weight.value for weight in lm.named_weights().values()]
    module.beside = lm.held_by_export()
    some = {name: graphs[name] for name in names}
    if streaming:
        stream = Streaming(lm, xla=False)
        module.stream, some = stream.variables, some | stream.signatures()
    about = {"options": lm.chosen(), "model": lm.config.to_dict()}
    write_saved_model(path, module, some, about, check=lambda signatures: None)
    return str(path)
