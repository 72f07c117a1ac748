"""Asks an export, in a process that knows only tensorflow and tensorflow_text.

`python examples/serve.py runs/quickstart/served "class " "Return a copy of the string"`
prints each text with what the model writes after it, after some seconds of loading.
"""

import sys

import tensorflow as tf
import tensorflow_text  # noqa: F401  brings the operations of the tokenizer

folder, *prompts = sys.argv[1:]
served = tf.saved_model.load(folder)
answers = served.signatures["serving_default"](prompt=tf.constant(prompts))
for text in answers["text"].numpy():
    print("-" * 72, text.decode(), sep="\n")
