"""Stores a fine-tuned classifier in 8 and in 4 bits, and says what that costs.

`--preset=FOLDER --train=cls/sst2/train.tsv --dev=cls/sst2/dev.tsv`, the folder being
that of `massivetext finetune`. Each table has the size, the speed and the measures
before and after, and how many answers are others.
"""

from absl import app, flags

import massivetext_keras as mtk
from massivetext_keras.tasks import TextClassifier

flags.DEFINE_string("preset", None, "folder of a classifier", required=True)
flags.DEFINE_string("train", None, "examples to calibrate on", required=True)
flags.DEFINE_string("dev", None, "examples to measure with", required=True)
flags.DEFINE_integer("texts", 128, "texts to calibrate on")
FLAGS = flags.FLAGS


def main(_):
    examples = TextClassifier.read_examples(FLAGS.train)
    every = max(len(examples) // FLAGS.texts, 1)
    texts = [example.text for example in examples[::every]][: FLAGS.texts]
    dev = TextClassifier.read_examples(FLAGS.dev)
    before = TextClassifier.from_preset(FLAGS.preset)
    for form, given in (("int8", None), ("int4", None), ("int4", texts)):
        after = TextClassifier.from_preset(FLAGS.preset)
        after.quantize(form, given)
        found = mtk.compression.compare(before, after, dev)
        print(f"\n{form}, {'calibrated' if given else 'to the nearest'}")
        for row in found.rows():
            print("{:22} {:>10} {:>10} {:>8}".format(*row))
        print(f"{found.changed} of {found.count} answers changed")


if __name__ == "__main__":
    app.run(main)
