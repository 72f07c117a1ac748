"""Takes the pictures of the documentation: what a run leaves, as a browser shows it.

    make pictures

Runs what pictured.py has, looks at its pages, at a TensorBoard and at a server with a
browser of its own, and writes the PNG files of PICTURES into docs/. It takes two
minutes of a core of an AMD EPYC, most of it TensorFlow. It needs the packages of
`make setup` and `apt-get install chromium chromium-driver`; no data and no network.
"""

from __future__ import annotations

import base64
import contextlib
import io
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from PIL import Image

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from docs.pictured import (  # noqa: E402
    ASKED,
    PROMPT,
    classifier,
    corpus_page,
    evaluation_page,
    explanation_page,
    language_model_run,
)
from massivetext_keras.support.quiet import quiet_tensorflow  # noqa: E402
from tests.browser import Do, NoBrowser, open_browser, seen, until  # noqa: E402
from tests.tensorboard import tensorboard  # noqa: E402

DOCS = ROOT / "docs"
WIDTH = 1100
# name of the file -> its height; tests look whether a page shows it
PICTURES = {
    "tensorboard_curves.png": 760,
    "tensorboard_text.png": 520,
    "tensorboard_attention.png": 570,
    "corpus_report.png": 760,
    "evaluation_report.png": 900,
    "explanation.png": 690,
    "playground.png": 560,
}
_CURVES = "%5E(loss|bits_per_byte|learning_rate|gradient_norm)%24"
_ASK = """
const [text] = arguments;
document.getElementById("text").value = text;
document.getElementById("form").requestSubmit();
"""


def take(do: Do, name: str, folder: Path = DOCS) -> None:
    """Writes a picture of the upper part of the page that the browser shows.

    Args:
        do: a browser.
        name: of `PICTURES`.
        folder: for the file.
    """
    clip = {"x": 0, "y": 0, "width": WIDTH, "height": PICTURES[name], "scale": 1}
    how = {"format": "png", "clip": clip, "captureBeyondViewport": True}
    found = do("goog/cdp/execute", cmd="Page.captureScreenshot", params=how)
    write(base64.b64decode(found["data"]), folder / name)


def write(png: bytes, path: Path) -> None:
    """A picture with 256 colours, which take fewer bytes than all."""
    picture = Image.open(io.BytesIO(png)).convert("RGB")
    # The most different colours: those of small marks, too.
    found = picture.quantize(256, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE)
    found.save(path, optimize=True)
    print(f"{path.name}: {path.stat().st_size / 1000:.0f} kB", flush=True)


def take_page(do: Do, page: Path, name: str, folder: Path = DOCS) -> None:
    """`take` of a file that stands alone."""
    do("url", url=page.as_uri())
    until(lambda: seen(do), lambda found: found["text"])
    take(do, name, folder)


def take_tensorboard(do: Do, run: Path) -> None:
    """Its tabs of scalars, of texts and of images."""
    tabs = {
        "curves": (f"scalars&tagFilter={_CURVES}", lambda found: found["curves"] > 20),
        "text": ("text&tagFilter=sample", lambda found: PROMPT in found["text"]),
        "attention": ("images", lambda found: max(found["pictures"] or [0]) > 100),
    }
    with tensorboard(run, runs=3) as address:
        for name, (tab, is_shown) in tabs.items():
            # A change of what follows # alone would not load the page anew.
            do("url", url="about:blank")
            do("url", url=f"{address}/#{tab}")
            until(lambda: seen(do), is_shown)
            take(do, f"tensorboard_{name}.png")


@contextlib.contextmanager
def served(export: Path) -> Iterator[str]:
    """The address of a server over an export."""
    command = [sys.executable, "-m", "massivetext_keras", "serve", "--port=0"]
    with subprocess.Popen(
        [*command, f"--model={export}"],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        cwd=ROOT,
    ) as server:
        try:
            address = server.stdout.readline().strip()
            assert address, "massivetext serve did not start"
            yield address
        finally:
            server.terminate()


def take_playground(do: Do, address: str) -> None:
    """The page of a server, with an answer."""

    def count(query: str) -> int:
        read = "return document.querySelectorAll(arguments[0]).length"
        return do("execute/sync", script=read, args=[query])

    do("url", url=address)
    until(lambda: count("#model option"), bool)
    do("execute/sync", script=_ASK, args=[ASKED])
    until(lambda: count(".score"), bool)
    take(do, "playground.png")


def main() -> None:
    """All pictures."""
    quiet_tensorflow()
    size = f"{WIDTH},1000"
    try:
        with open_browser(size) as do, tempfile.TemporaryDirectory() as folder:
            take_all(do, Path(folder))
    except NoBrowser as error:
        raise SystemExit(str(error)) from None


def take_all(do: Do, folder: Path) -> None:
    """Runs, and pictures of what they leave in a folder."""
    take_page(do, corpus_page(folder), "corpus_report.png")
    task = classifier(folder)
    take_page(do, evaluation_page(folder), "evaluation_report.png")
    take_page(do, explanation_page(task, folder), "explanation.png")
    with served(folder / "served" / "functions") as address:
        run = language_model_run(folder)  # while it starts
        take_playground(do, address)
    take_tensorboard(do, run)


if __name__ == "__main__":
    main()
