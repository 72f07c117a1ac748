"""A real browser: Debian's `chromium`, driven by what `chromium-driver` has."""

from __future__ import annotations

import contextlib
import json
import re
import shutil
import subprocess
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from typing import Any

import pytest

SECONDS = 90  # for an answer, on a busy machine
Do = Callable[..., Any]  # name of a WebDriver command, its values -> what it answers
# Nothing is asked of the network but what a page asks.
_FLAGS = ("headless", "no-sandbox", "disable-gpu", "disable-dev-shm-usage")
_FLAGS += ("disable-background-networking", "disable-component-update")
_FLAGS += ("disable-sync", "no-first-run")
# The text of a page, the widths of its loaded pictures, and the curves of TensorBoard,
# inside web components too.
_READ = r"""
const texts = [], pictures = [], curves = [];
const walk = (node) => {
  if (node.nodeType === Node.TEXT_NODE) texts.push(node.textContent);
  if (node.tagName === "IMG") pictures.push(node.naturalWidth);
  if (node.tagName === "path" && node.classList.contains("line")) curves.push(node);
  if (["SCRIPT", "STYLE", "TEMPLATE"].includes(node.tagName)) return;
  for (const child of node.shadowRoot?.childNodes ?? []) walk(child);
  for (const child of node.childNodes) walk(child);
};
walk(document.body);
const text = texts.join(" ").replace(/\s+/g, " ");
return {text: text, pictures: pictures, curves: curves.length};
"""


class NoBrowser(RuntimeError):
    """There is none on this machine."""


def ask(place: str, /, **data):
    """The JSON that a server answers; to a POST of `data`, if there are any."""
    body = json.dumps(data).encode() if data else None
    headers = {"Content-Type": "application/json"}
    request = urllib.request.Request(place, body, headers)
    with urllib.request.urlopen(request, timeout=SECONDS) as answer:
        return json.loads(answer.read())


def until(read: Callable[[], Any], holds: Callable[[Any], Any]):
    """What is read, as soon as something holds for it."""
    end = time.monotonic() + SECONDS
    while not holds(value := read()):
        assert time.monotonic() < end, str(value)[:2000]
        time.sleep(0.3)
    return value


def seen(do: Do) -> dict[str, Any]:
    """`text` of the page, widths of its `pictures`, how many `curves` are drawn."""
    return do("execute/sync", script=_READ, args=[])


@contextlib.contextmanager
def browser(size: str = "1400,1400") -> Iterator[Do]:
    """A browser; skips the test where there is none."""
    with contextlib.ExitStack() as stack:
        try:
            do = stack.enter_context(open_browser(size))
        except NoBrowser as error:
            pytest.skip(str(error))
        yield do


@contextlib.contextmanager
def open_browser(size: str = "1400,1400") -> Iterator[Do]:
    """A browser that nobody used before, with a window of this size.

    Raises:
        NoBrowser: there is none.
    """
    names = ("chromium", "chromium-browser", "google-chrome")
    program = next(filter(None, map(shutil.which, names)), None)
    driver = shutil.which("chromedriver")
    if program is None or driver is None:
        raise NoBrowser("needs a browser: apt-get install chromium chromium-driver")
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        arguments = [f"--{flag}" for flag in _FLAGS]
        arguments += [f"--window-size={size}", f"--user-data-dir={profile}"]
        options = {"binary": program, "args": arguments}
        with _session(driver, options) as session:
            yield lambda command, **values: ask(f"{session}/{command}", **values)[
                "value"
            ]


@contextlib.contextmanager
def _session(driver: str, options: dict[str, Any]) -> Iterator[str]:
    """The address of a session of chromedriver."""
    wanted = {"alwaysMatch": {"goog:chromeOptions": options}}
    with subprocess.Popen(
        [driver, "--port=0"], stdout=subprocess.PIPE, text=True
    ) as run:
        try:
            for line in run.stdout:
                if found := re.search(r"started successfully on port (\d+)", line):
                    break
            sessions = f"http://127.0.0.1:{found[1]}/session"
            opened = ask(sessions, capabilities=wanted)["value"]["sessionId"]
            session = f"{sessions}/{opened}"
            try:
                yield session
            finally:
                close = urllib.request.Request(session, method="DELETE")
                urllib.request.urlopen(close, timeout=SECONDS).close()
        finally:
            run.terminate()
