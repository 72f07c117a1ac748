"""A real browser: Debian's `chromium`, driven by what `chromium-driver` has."""

from __future__ import annotations

import contextlib
import json
import re
import shutil
import subprocess
import urllib.request
from collections.abc import Callable, Iterator
from typing import Any

import pytest

SECONDS = 90  # for an answer, on a busy machine


def ask(place: str, /, **data):
    """The JSON that a server answers; to a POST of `data`, if there are any."""
    body = json.dumps(data).encode() if data else None
    headers = {"Content-Type": "application/json"}
    request = urllib.request.Request(place, body, headers)
    with urllib.request.urlopen(request, timeout=SECONDS) as answer:
        return json.loads(answer.read())


@contextlib.contextmanager
def browser(size: str = "1400,1400") -> Iterator[Callable[..., Any]]:
    """A function: name of a WebDriver command, its values -> what it answers.

    Skips the test where there is no browser.
    """
    names = ("chromium", "chromium-browser", "google-chrome")
    program = next(filter(None, map(shutil.which, names)), None)
    driver = shutil.which("chromedriver")
    if program is None or driver is None:
        pytest.skip("needs a browser: apt-get install chromium chromium-driver")
    options = {"binary": program, "args": ["--headless", "--no-sandbox"]}
    options["args"] += ["--disable-gpu", "--disable-dev-shm-usage"]
    options["args"] += [f"--window-size={size}"]
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
                yield lambda command, **values: ask(f"{session}/{command}", **values)[
                    "value"
                ]
            finally:
                close = urllib.request.Request(session, method="DELETE")
                urllib.request.urlopen(close, timeout=SECONDS).close()
        finally:
            run.terminate()
