"""What 1, 8, 32 and 128 clients get of a server over HTTP: ours, and a plain one.

    python benchmarks/serving_clients.py

The plain one is what many teams write: FastAPI around `generate` of transformers, on
torch, one request at a time, in the environment of `make parity`. Both write with
stories260K, which MASSIVETEXT_DATA has, and never stop before the number of tokens that
was asked. Prompts have 2 to 24 words, texts 16 to 128 tokens; a client asks again when
it has its text. The first text of a plain server is the whole one.
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

PLAIN = """
import sys, threading
import fastapi, pydantic, torch, transformers, uvicorn

folder, port = sys.argv[1], int(sys.argv[2])
model = transformers.AutoModelForCausalLM.from_pretrained(folder).eval()
words = transformers.LlamaTokenizer.from_pretrained(folder)
app, lock = fastapi.FastAPI(), threading.Lock()

class Body(pydantic.BaseModel):
    prompt: str
    max_tokens: int
    seed: int

@app.get("/readyz")
def ready():
    return {}

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


def crowd(url: str, ask: Callable, clients: int, texts: list[Asked]) -> dict:
    """What so many clients see who ask for texts together."""
    todo, lock, found = iter(texts), threading.Lock(), []

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
    seconds = time.perf_counter() - begin
    wrong = [one for one, count, _ in found if count != one.max_new_tokens]
    if wrong or len(found) != len(texts):
        raise SystemExit(
            f"{len(found)} of {len(texts)} answers, {len(wrong)} too short"
        )
    return {
        f"{clients} clients, tokens/s": sum(x for _, x, _ in found) / seconds,
        f"{clients} clients, texts/s": len(found) / seconds,
        f"{clients} clients, first text, ms": 1000
        * statistics.median(first for *_, first in found),
    }


def main() -> None:
    begin, folder = time.perf_counter(), data_folder() / "weights/stories260K"
    ours = [sys.executable, "-m", "massivetext_keras", "serve", "--port=8511"]
    ours += [f"--preset=writer=hf:{folder}"]
    contestants = {
        "ours": (ours, 8511, streamed, 8),
        "FastAPI, transformers": (
            [str(PARITY), "-c", PLAIN, str(folder), "8512"],
            8512,
            whole,
            1,
        ),
    }
    results: dict[str, dict[str, float]] = {}
    for name, (command, port, ask, share) in contestants.items():
        with served(command, port) as url:
            time.sleep(20 if name == "ours" else 0)  # programs are still compiled
            crowd(url, ask, 8, asked(64 if name == "ours" else 4))
            results[name] = {}
            for clients in CLIENTS:
                found = crowd(url, ask, clients, asked(max(8, share * clients)))
                results[name] |= found
                print(name, {k: round(v, 1) for k, v in found.items()}, flush=True)
    keep_all("serving_clients", results, begin)


if __name__ == "__main__":
    main()
