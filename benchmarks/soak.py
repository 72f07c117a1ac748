"""Whether a server stands a long time: memory, and an answer for each request.

    python benchmarks/soak.py [MINUTES]

A server in its own process writes for 32 clients with stories260K, which
MASSIVETEXT_DATA has, as a preset and as a streaming export. Prompts have 1 to 60 words,
texts 1 to 96 tokens; a part of the clients cancels streams, goes away before an answer,
or sends nonsense. Each prompt begins with a mark, which the answer has to echo.

Each minute it prints the server's resident memory and the requests: sent, answered,
cancelled. It exits 1 if an answer is lost, comes twice or is another one's, if a
request fails, or if memory after minute 5 rises by more than 3 %.
"""

from __future__ import annotations

import json
import random
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path

import httpx
import psutil
from common import ROOT, data_folder

CLIENTS, MINUTES, SETTLED = 32, 30.0, 5.0
MOST_GROWTH = 0.03
WORDS = ("once", "upon", "time", "little", "girl", "had", "big", "red", "ball", "dog")


class Tally:
    """What was asked and what came back, for all clients."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.problems: list[str] = []
        self._lock = threading.Lock()

    def add(self, kind: str) -> None:
        """Counts one."""
        with self._lock:
            self.counts[kind] += 1

    def wrong(self, problem: str) -> None:
        """What may not happen."""
        with self._lock:
            self.problems.append(problem)


def request(draw: random.Random, mark: str, model: str) -> dict:
    """A request of random size whose answer begins with its mark."""
    words = " ".join(draw.choices(WORDS, k=draw.randint(1, 60)))
    return {
        "model": model,
        "prompt": f"{mark} {words}",
        "max_tokens": draw.randint(1, 96),
        "temperature": draw.choice([0.0, 0.8, 1.2]),
        "seed": draw.randrange(10**6),
        "stop": draw.choice([[], ["."], ["day", "\n"]]),
        "echo": True,
    }


def client(number: int, url: str, models: list[str], until: float, tally: Tally):
    """Asks one request after the other."""
    draw, count = random.Random(number), 0
    with httpx.Client(base_url=url, timeout=120) as http:
        while time.monotonic() < until:
            mark, count = f"#{number}-{count}#", count + 1
            body = request(draw, mark, draw.choice(models))
            ask = draw.choices([whole, streamed, left, nonsense], [6, 6, 2, 1])[0]
            tally.add("sent")
            try:
                ask(http, body, mark, draw, tally)
            except Exception as error:  # all of them are told at the end
                tally.add("failed")
                tally.wrong(f"{mark} {ask.__name__}: {type(error).__name__}: {error}")


def whole(http, body, mark, draw, tally) -> None:
    """An answer at once."""
    answer = http.post("/v1/completions", json=body)
    answer.raise_for_status()
    choices = answer.json()["choices"]
    check([choice["text"] for choice in choices], mark, tally)


def streamed(http, body, mark, draw, tally) -> None:
    """A stream, which one of four clients ends before its end."""
    most = draw.randint(1, 6) if draw.random() < 0.25 else None
    texts, ends = [], 0
    with http.stream(
        "POST", "/v1/completions", json={**body, "stream": True}
    ) as answer:
        answer.raise_for_status()
        for line in answer.iter_lines():
            if not line.startswith("data: {"):
                continue
            part = json.loads(line.removeprefix("data: "))
            if "error" in part:
                raise RuntimeError(part["error"]["message"])
            (choice,) = part["choices"]
            texts.append(choice["text"])
            ends += choice["finish_reason"] is not None
            if most is not None and len(texts) >= most:
                tally.add("cancelled")
                return
    if ends != 1:
        tally.wrong(f"{mark} has {ends} ends")
    check(["".join(texts)], mark, tally)


def left(http, body, mark, draw, tally) -> None:
    """A client that goes away before its answer, or is answered in time."""
    try:
        answer = http.post("/v1/completions", json=body, timeout=0.02)
    except httpx.TimeoutException:
        tally.add("cancelled")
        return
    answer.raise_for_status()
    check([choice["text"] for choice in answer.json()["choices"]], mark, tally)


def nonsense(http, body, mark, draw, tally) -> None:
    """What is refused, with the field that is wrong."""
    answer = http.post("/v1/completions", json={**body, "top_p": 7})
    if answer.status_code != 422 or answer.json()["error"]["param"] != "top_p":
        raise RuntimeError(f"{answer.status_code}: {answer.text[:200]}")
    tally.add("refused")


def check(texts: list[str], mark: str, tally: Tally) -> None:
    """Whether there is one answer, and that of this request."""
    if len(texts) != 1 or texts[0].count("#") < 2 or not texts[0].startswith(mark):
        tally.wrong(f"{mark} is answered with {texts}"[:300])
    tally.add("answered")


def serve(folder: Path) -> tuple[subprocess.Popen, str]:
    """A server of a preset and an export, and where it listens."""
    from massivetext_keras import tasks

    preset = f"hf:{data_folder()}/weights/stories260K"
    export = folder / "export"
    tasks.CausalLM.from_preset(preset).export(export, streaming=True)
    command = [sys.executable, "-m", "massivetext_keras", "serve", "--port=0"]
    command += [f"--preset=preset={preset}", f"--model=export={export}"]
    log = (folder / "log").open("w")
    process = subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=log, text=True
    )
    url = process.stdout.readline().strip()
    if not url.startswith("http"):
        raise SystemExit((folder / "log").read_text()[-2000:])
    return process, url


def wait_until_ready(url: str) -> None:
    """Returns once the models are warmed up."""
    begin = time.monotonic()
    while httpx.get(f"{url}/readyz").status_code != 200:
        time.sleep(0.5)
    print(f"ready after {time.monotonic() - begin:.0f} s", flush=True)


def watch(process: psutil.Process, begin: float, end: float, tally: Tally) -> list:
    """Minute and memory, each minute."""
    found, minute = [], 1
    while time.monotonic() < end:
        time.sleep(max(min(begin + 60 * minute, end) - time.monotonic(), 0))
        memory = process.memory_info().rss / 2**20
        found.append(((time.monotonic() - begin) / 60, memory))
        told = ", ".join(f"{k} {v:,}" for k, v in sorted(tally.counts.items()))
        print(f"minute {minute}: {memory:,.0f} MB; {told}", flush=True)
        minute += 1
    return found


def idle(url: str) -> bool:
    """Whether no text is written any more: who went away has freed the slot."""
    for _ in range(100):
        lines = httpx.get(f"{url}/metrics").text.splitlines()
        running = [x for x in lines if x.startswith("massivetext_engine_running{")]
        if running and all(float(x.split()[-1]) == 0 for x in running):
            return True
        time.sleep(0.1)
    return False


def main() -> None:
    minutes = float(sys.argv[1]) if sys.argv[1:] else MINUTES
    with tempfile.TemporaryDirectory() as place:
        process, url = serve(Path(place))
        try:
            wait_until_ready(url)
            tally, begin = Tally(), time.monotonic()
            end = begin + 60 * minutes
            threads = [
                threading.Thread(
                    target=client, args=[i, url, ["preset", "export"], end, tally]
                )
                for i in range(CLIENTS)
            ]
            for thread in threads:
                thread.start()
            memory = watch(psutil.Process(process.pid), begin, end, tally)
            for thread in threads:
                thread.join()
            if not idle(url):
                tally.wrong("texts are written that nobody waits for")
        finally:
            process.terminate()
            process.wait(60)
        log = (Path(place) / "log").read_text()
    raise SystemExit(judged(tally, memory, log, process.returncode))


def judged(tally: Tally, memory: list, log: str, code: int) -> int:
    """Prints what was found; 1 if something is wrong."""
    counts = tally.counts
    ends = "answered", "cancelled", "refused", "failed"
    if lost := counts["sent"] - sum(counts[end] for end in ends):
        tally.wrong(f"{lost} requests are neither answered nor cancelled")
    if code:
        tally.wrong(f"the server ended with {code}")
    if "Traceback" in log:
        tally.wrong(f"the server logged: …{log[log.rindex('Traceback') :][:500]}")
    settled = [size for minute, size in memory if minute >= SETTLED - 0.05]
    if len(settled) > 1:
        growth = max(settled) / settled[0] - 1
        print(f"memory after minute {SETTLED:g}: {growth:+.1%}")
        if growth > MOST_GROWTH:
            tally.wrong(f"memory rose by {growth:.1%}, at most {MOST_GROWTH:.0%}")
    for problem in tally.problems[:20]:
        print(f"wrong: {problem}")
    print(f"{len(tally.problems)} problems")
    return 1 if tally.problems else 0


if __name__ == "__main__":
    main()
