"""A translator of fewer bits, or of half its blocks: BLEU, size and speed.

Begins with what `examples/translate.py --data=mt/multi30k --run_dir=FOLDER` has made, 4
+ 4 blocks that translate Multi30k's captions into German:

    python benchmarks/translators.py --teacher=FOLDER [bits] [student]

`bits`: stored in each form, int4 also as it is calibrated on 128 pairs. `student`: 2 +
2 blocks that learn what the teacher's four beams write for the 29,000 sentences (Kim &
Rush, 2016), from the teacher's blocks 1 and 3 on, and the same trained alone: from
random weights, on the pairs themselves. Both have as many updates. Without a name both
parts run. BLEU is of test_2016_flickr, with one beam and with four; speed is that of
64 of its sentences with four beams, as a multiple of the teacher's, in turns.
"""

from __future__ import annotations

import functools
import json
import os
import sys
import time
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")

from common import data_folder
from compression import METHODS, table

UPDATES, BATCH_TOKENS, RATE = 3000, 4096, 4e-3
ROWS, NEW = 64, 64
HEADS = ("Multi30k, English to German", "size", "BLEU, 1 beam", "4 beams", "speed")


def pairs_of(part: str) -> list[tuple[str, str]]:
    from massivetext_keras.tasks import Seq2SeqLM

    path = f"{data_folder()}/mt/multi30k/{part}"
    found = Seq2SeqLM.read_examples([f"{path}.en", f"{path}.de"], "parallel")
    return [(pair.source, pair.target) for pair in found]


class Translator:
    """The whole one, and how others are measured beside it.

    Args:
        folder: its preset.
    """

    def __init__(self, folder: Path):
        self.folder = folder
        self.sources, self.targets = zip(*pairs_of("test_2016_flickr"), strict=True)
        self.task = self.again()

    def again(self):
        from massivetext_keras.tasks import Seq2SeqLM

        return Seq2SeqLM.from_preset(str(self.folder))

    def row(self, name: str, task) -> tuple:
        """Size as a share, BLEU with one beam and with four, and times as fast."""
        from massivetext_keras.compression.comparison import weight_bytes
        from massivetext_keras.evaluation import bleu

        sizes = [weight_bytes(x) for x in (task, self.task)]
        found = [
            task.translate(self.sources, max_new_tokens=NEW, num_beams=beams)
            for beams in (1, 4)
        ]
        scores = [bleu(texts, self.targets) for texts in found]
        return name, sizes[0] / sizes[1], *scores, self.times_as_fast(task)

    def times_as_fast(self, task) -> float:
        from massivetext_keras.compression.comparison import best_in_turns

        some, how = self.sources[:ROWS], {"max_new_tokens": NEW, "num_beams": 4}
        pair = (self.task, task)
        runs = [functools.partial(one.translate, some, **how) for one in pair]
        whole, own = best_in_turns(runs)
        return whole / own


def bits(whole: Translator) -> None:
    some = pairs_of("train")[:128]
    rows = [whole.row("float32", whole.again())]
    for form, how in (
        ("bfloat16", {}),
        ("int8", {}),
        ("int4", {}),
        *(("int4", {"texts": some, "method": method}) for method in METHODS),
    ):
        task = whole.again()
        task.quantize(form, **how)
        rows.append(whole.row(" ".join([form, how.get("method", "")]).strip(), task))
        print(rows[-1], flush=True)
    table(HEADS, rows)


def student(whole: Translator) -> None:
    import keras

    import massivetext_keras as mtk

    pairs, half = pairs_of("train"), [1, 3]
    beams = written(whole, [source for source, _ in pairs])
    taught = mtk.compression.student_of(whole.task, half)
    keras.utils.set_random_seed(0)
    alone = type(taught)(taught.config, taught.tokenizer)
    rows = [
        whole.row("4 + 4 blocks", whole.again()),
        whole.row("2 + 2 of them, untrained", taught),
    ]
    for name, task, examples in (
        ("2 + 2, by the teacher's beams", taught, beams),
        ("2 + 2, alone", alone, pairs),
    ):
        learn(task, examples)
        rows.append(whole.row(name, task))
        print(rows[-1], flush=True)
    table(HEADS, rows)


def written(whole: Translator, sources: list[str]) -> list[tuple[str, str]]:
    """Sources with what four beams of the teacher write, which is kept beside it."""
    file = whole.folder / "beams.json"
    if not file.exists():
        begin = time.perf_counter()
        texts = whole.task.translate(sources, max_new_tokens=NEW, num_beams=4)
        print(f"teacher's beams: {time.perf_counter() - begin:.0f} s", flush=True)
        file.write_text(json.dumps([*zip(sources, texts, strict=True)]))
    return [(source, text) for source, text in json.loads(file.read_text())]


def learn(task, pairs: list[tuple[str, str]]) -> None:
    """As `examples/translate.py` trains the teacher."""
    import massivetext_keras as mtk

    end = {"warmup_steps": UPDATES // 10, "total_steps": UPDATES}
    how = {"schedule": "cosine", "final_fraction": 0.01, "weight_decay": 0.0}
    optimizer = mtk.training.make_optimizer("adamw", RATE, beta_2=0.98, **end, **how)
    task.compile(optimizer, label_smoothing=0.1)
    batches = task.datasets(pairs, batch_tokens=BATCH_TOKENS)[0]
    begin = time.perf_counter()
    task.fit(batches, steps_per_epoch=UPDATES, verbose=0)
    print(f"{UPDATES} updates: {time.perf_counter() - begin:.0f} s", flush=True)


PARTS = {"bits": bits, "student": student}

if __name__ == "__main__":
    words = [word for word in sys.argv[1:] if not word.startswith("-")]
    folders = [x for x in sys.argv[1:] if x.startswith("--teacher=")]
    if not folders:
        sys.exit("--teacher= is missing: the --run_dir of examples/translate.py")
    for part in words or PARTS:
        PARTS[part](Translator(Path(folders[0].removeprefix("--teacher="))))
