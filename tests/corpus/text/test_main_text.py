"""The main text of pages: the same as trafilatura alone finds, but sooner."""

from __future__ import annotations

import json
import subprocess
import sys

from massivetext_keras.corpus.text import main_text

SENTENCES = "".join(
    f"<p>This is sentence number {number} of an article that goes on.</p>"
    for number in range(8)
)
PAGES = [
    f"<html><body><div class='{name}'>{SENTENCES}</div>"
    f"<div id='{name}'><p>And this is said beside it, in words enough.</p></div>"
    "<form><label>Search</label><input name='q'></form></body></html>"
    for name in ("post-body", "Sidebar", "fullText", "comments-list", "hidden", "x")
]
ALONE = """
import json, logging, sys, trafilatura
logging.disable()
found = [trafilatura.bare_extraction(page, fast=True, include_comments=False)
         for page in json.load(sys.stdin)]
print(json.dumps([one.text if one else "" for one in found]))
"""


def alone(pages):
    """What trafilatura finds in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-c", ALONE],
        input=json.dumps(pages),
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return json.loads(done.stdout)


def test_classes_and_ids_decide_as_they_do_alone():
    expected = alone(PAGES)
    assert len(set(expected)) > 2
    assert [main_text.by_trafilatura(page) for page in PAGES] == expected


def test_texts_of_real_pages_are_those_found_alone(data_dir):
    paths = sorted((data_dir / "clean/readability").glob("*/source.html"))
    pages = [path.read_text("utf-8") for path in paths]
    assert [main_text.by_trafilatura(page) for page in pages] == alone(pages)
