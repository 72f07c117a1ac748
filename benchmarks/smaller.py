"""A smaller MiniLM classifier: taught, of fewer heads and columns, or with zeros.

all-MiniLM-L6-v2 is fine-tuned on SST-2 (cls/sst2 of MASSIVETEXT_DATA: 6,918 sentences)
and measured on its dev part (870). `student`: three of its six blocks, taught by it and
by the labels, and trained by the labels alone. `structure`: half of the heads, half of
the feed-forward columns, or both taken out by importance, then fine-tuned. `zeros`: in
all matrices of blocks, by magnitude and by movement. Speed is that of 32 sentences at a
time, in turns with the whole model. Without a name all of them run.

The whole classifier, which is trained at first, is kept in the folder that `--keep=`
names.
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")

from common import data_folder
from compression import table, trained_classifier

EPOCHS, BATCH = 2, 32
HOW = {"batch_size": BATCH, "max_length": 64}
ZEROS = (
    (0.5, "magnitude"),
    ("2:4", "magnitude"),
    (0.7, "magnitude"),
    (0.9, "magnitude"),
    (0.7, "movement"),
    (0.9, "movement"),
)


class Whole:
    """The classifier that others are made of, and the examples.

    Args:
        folder: its preset.
    """

    def __init__(self, folder: Path):
        from massivetext_keras.tasks import TextClassifier

        read = TextClassifier.read_examples
        self.train = read(f"{data_folder()}/cls/sst2/train.tsv")
        self.dev = read(f"{data_folder()}/cls/sst2/dev.tsv")
        self.task = TextClassifier.from_preset(str(folder))
        self.folder = folder

    def again(self):
        return type(self.task).from_preset(str(self.folder))

    def learn(self, task, epochs: int = EPOCHS, rate: float = 5e-5) -> None:
        from massivetext_keras import training

        how = {"epochs": epochs, "learning_rate": rate, **HOW}
        training.fine_tune(task, self.train, **how)

    def row(self, name: str, task) -> tuple:
        """Size, accuracy, its share of the whole one's, and times as fast."""
        from massivetext_keras import compression

        found = compression.compare(self.task, task, self.dev)
        one, other = (x.measures["accuracy"] for x in (found.before, found.after))
        speeds = [[*side.speeds.values()][-1] for side in (found.before, found.after)]
        return name, found.share, other, other / one, speeds[1] / speeds[0]


HEADS = ("MiniLM on SST-2", "size", "accuracy", "of the whole", "times as fast")


def student(whole: Whole) -> None:
    from massivetext_keras.compression import Distiller, student_of

    rows = [whole.row("six blocks", whole.again())]
    alone = student_of(whole.task, [1, 3, 5])
    rows.append(whole.row("three blocks, untrained", alone))
    whole.learn(alone, epochs=4, rate=1e-4)
    rows.append(whole.row("three blocks, labels alone", alone))
    for name, how in (
        ("taught", {}),
        ("taught, hidden states", {"hidden": True}),
        ("taught, hidden states and attention", {"hidden": True, "attention": True}),
    ):
        taught = student_of(whole.task, [1, 3, 5])
        with Distiller(whole.task, taught, temperature=2.0, alpha=0.3, **how):
            whole.learn(taught, epochs=4, rate=1e-4)
        rows.append(whole.row(name, taught))
    table(HEADS, rows)


def structure(whole: Whole) -> None:
    from massivetext_keras.compression import importance, without

    batches, _ = whole.task.datasets(whole.train, batch_size=8)
    found, rows = importance(whole.task, batches), []
    for name, shares in (
        ("half of the heads", {"heads": 0.5}),
        ("half of the columns", {"columns": 0.5}),
        ("half of both", {"heads": 0.5, "columns": 0.5}),
    ):
        small = without(whole.task, found, **shares)
        rows.append(whole.row(f"{name}, untrained", small))
        whole.learn(small)
        rows.append(whole.row(name, small))
    table(HEADS, rows)


def zeros(whole: Whole) -> None:
    from massivetext_keras.compression import Pruner, zeros_in

    steps, rows = EPOCHS * (len(whole.train) // BATCH), []
    for sparsity, method in ZEROS:
        task = whole.again()
        how = {"updates": steps * 3 // 5, "begin": steps // 10}
        with Pruner(task, sparsity, method=method, **how):
            whole.learn(task)
        share = sum(zeros_in(task).values()) / len(zeros_in(task))
        name, size, accuracy, part, _ = whole.row(f"{sparsity}, {method}", task)
        rows.append((name, share, accuracy, part))
    table(("MiniLM on SST-2", "zeros", *HEADS[2:4]), rows)


PARTS = {"student": student, "structure": structure, "zeros": zeros}

if __name__ == "__main__":
    words = [word for word in sys.argv[1:] if not word.startswith("-")]
    kept = [word for word in sys.argv[1:] if word.startswith("--keep=")]
    with tempfile.TemporaryDirectory() as draft:
        folder = Path(kept[0].removeprefix("--keep=") if kept else f"{draft}/sst2")
        if not folder.exists():
            trained_classifier(folder)
        for part in words or PARTS:
            PARTS[part](Whole(folder))
