"""Classifies sentences with the classic readers of words, from random vectors.

Ten-fold cross-validation on the movie reviews (MR; Pang & Lee, 2005) and on
subjectivity (Subj; Pang & Lee, 2004), and the test of TREC's questions (Li & Roth,
2002), as Kim, 2014, has them: a tenth of what is learnt from is held out, and the
weights of the best epoch on it are measured. Without flags it measures all three with
four readers and prints one table beside Kim's CNN-rand; with `--results=FILE` a run
that was stopped goes on. What it found is in docs/classics.md.
"""

import json
import random
import statistics
import time
from pathlib import Path

import keras
from absl import app, flags

import massivetext_keras as mtk
from massivetext_keras.tasks import TextClassifier
from massivetext_keras.text.examples import LabeledText

# reader -> shape, and the peak of the rate that it learns with
READERS = {
    "cnn": ("cnn_rand", 2e-3),
    "lstm": ("bilstm_rand", 2e-3),
    "gru": ("bigru_rand", 2e-3),
    "mean": ("mean_rand", 5e-3),
}
# Kim, 2014: CNN-rand.
PUBLISHED = {"mr": 76.1, "subj": 89.6, "trec": 91.2}
# Half as many texts need more epochs for as many updates; Kim keeps the case of
# questions, too.
SETTINGS = {
    "mr": {"epochs": 4, "dropout": 0.5, "min_frequency": 2, "lowercase": True},
    "subj": {"epochs": 4, "dropout": 0.5, "min_frequency": 2, "lowercase": True},
    "trec": {"epochs": 10, "dropout": 0.25, "min_frequency": 1, "lowercase": False},
}

flags.DEFINE_string("data", None, "folder with mr, subj and trec", required=True)
flags.DEFINE_multi_enum("task", [*PUBLISHED], [*PUBLISHED], "what is classified")
flags.DEFINE_multi_enum("reader", [*READERS], [*READERS], "of the words")
flags.DEFINE_integer("folds", 10, "how many of the ten are measured; of TREC, seeds")
flags.DEFINE_float("epochs", None, "how often all that is seen (default: the task's)")
flags.DEFINE_float("learning_rate", None, "its peak (default: the reader's)")
flags.DEFINE_float("weight_decay", 0.01, "of matrices")
flags.DEFINE_integer("batch_size", 64, "texts of an update")
flags.DEFINE_float("dropout", None, "rate on the vectors (default: the task's)")
flags.DEFINE_string("results", None, "file of JSON lines; what is in it is not run")
flags.DEFINE_float("ema", None, "share of a running mean of the weights that is kept")
FLAGS = flags.FLAGS


def questions(path):
    """Examples of TREC's file, of the six coarse classes."""
    with open(path, encoding="latin-1") as lines:
        pairs = (line.split(" ", 1) for line in lines)
        return [LabeledText(x.strip(), y.partition(":")[0]) for y, x in pairs]


def sides(name):
    """What is learnt from and what is measured, for each fold."""
    folder = f"{FLAGS.data}/{name}"
    if name == "trec":
        parts = [questions(f"{folder}/{part}.txt") for part in ("train", "test")]
        return [parts] * FLAGS.folds
    examples = TextClassifier.read_examples(f"{folder}/all.tsv")
    folds = mtk.evaluation.split_folds(examples, 10, lambda x: x.label)
    return [
        [[examples[i] for i in places] for places in fold]
        for fold in folds[: FLAGS.folds]
    ]


def accuracy(name, reader, train, test, seed):
    """Of a reader that has learnt, in percent."""
    keras.utils.set_random_seed(seed)
    (shape, rate), how = READERS[reader], SETTINGS[name]
    tokenizer = mtk.tokenizers.WordTokenizer.train(
        texts=[x.text for x in train],
        min_frequency=how["min_frequency"],
        lowercase=how["lowercase"],
    )
    task = TextClassifier.from_preset(
        shape,
        tokenizer,
        dropout=how["dropout"] if FLAGS.dropout is None else FLAGS.dropout,
        **TextClassifier.options_for(train),
    )
    train = random.Random(seed).sample(train, len(train))
    held_out = len(train) // 10
    mtk.training.fine_tune(
        task,
        train[held_out:],
        train[:held_out],
        FLAGS.epochs or how["epochs"],
        FLAGS.learning_rate or rate,
        FLAGS.batch_size,
        weight_decay=FLAGS.weight_decay,
        ema=FLAGS.ema,
        seed=seed,
        keep_best="accuracy",
    )
    return 100 * task.measure(test)["accuracy"]


def measured(name, reader):
    """The accuracies of the folds, and the minutes that they took; each is written as
    soon as it is there, so that a run that was stopped goes on."""
    path, known = FLAGS.results and Path(FLAGS.results), {}
    if path and path.exists():
        for line in path.read_text().splitlines():
            row = json.loads(line)
            known[row["task"], row["reader"], row["fold"]] = row
    rows = []
    for fold, (train, test) in enumerate(sides(name)):
        row = known.get((name, reader, fold))
        if row is None:
            begin = time.time()
            found = accuracy(name, reader, train, test, seed=fold)
            minutes = (time.time() - begin) / 60
            row = {"task": name, "reader": reader, "fold": fold}
            row |= {"accuracy": found, "minutes": minutes}
            print(f"{name} {reader} {fold}: {found:.1f}", flush=True)
            if path:
                with path.open("a") as lines:
                    lines.write(json.dumps(row) + "\n")
        rows.append(row)
    return [row["accuracy"] for row in rows], sum(row["minutes"] for row in rows)


def main(_):
    mtk.training.set_precision("auto")
    table = ["task   reader accuracy   published  minutes"]
    for name in FLAGS.task:
        for reader in FLAGS.reader:
            found, minutes = measured(name, reader)
            mean = statistics.mean(found)
            spread = statistics.stdev(found) if len(found) > 1 else 0.0
            row = f"{mean:>5.1f} ± {spread:.1f} {PUBLISHED[name]:>9} {minutes:>8.1f}"
            table.append(f"{name:<6} {reader:<6} {row}")
    print(*table, sep="\n")


if __name__ == "__main__":
    app.run(main)
