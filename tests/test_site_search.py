"""What the site needs where its pages are files: a worker without a server."""

from __future__ import annotations

import shutil

import pytest

from tests.browser import browser, until
from tests.processes import ROOT

PAGE = """<!doctype html>
<body><script src="iframe-worker.js"></script><script>
const worker = new Worker("worker.js");
worker.addEventListener("message", (event) => {
  document.body.dataset.answer = JSON.stringify(event.data);
});
worker.postMessage({ words: ["one", "two"] });
</script>
"""
# As the worker of search does it: scripts first, then an answer
WORKER = """
addEventListener("message", async (event) => {
  await importScripts("first.js", "second.js");
  postMessage({ count: count(event.data.words), isWindow: self === parent });
});
"""


def test_a_worker_answers_on_a_page_that_is_a_file(tmp_path):
    shutil.copy(ROOT / "docs/assets/iframe-worker.js", tmp_path)
    (tmp_path / "page.html").write_text(PAGE)
    (tmp_path / "worker.js").write_text(WORKER)
    (tmp_path / "first.js").write_text("var add = (x) => x + 1;")
    (tmp_path / "second.js").write_text("var count = (words) => add(words.length);")
    read = "return document.body.dataset.answer ?? null"
    with browser() as do:
        do("url", url=(tmp_path / "page.html").as_uri())
        found = until(lambda: do("execute/sync", script=read, args=[]), bool)
    assert found == '{"count":3,"isWindow":false}'


def test_search_finds_words_on_the_built_site():
    """After `make docs`: as a person types, without a network."""
    page = ROOT / "build/site/index.html"
    if not page.exists():
        pytest.skip("needs the site: make docs")
    ask = """
    document.querySelector("#__search").click();
    const field = document.querySelector(".md-search__input");
    field.focus();
    field.value = "perplexity";
    field.dispatchEvent(new Event("keyup"));
    field.dispatchEvent(new Event("input"));
    """
    read = """
    return [...document.querySelectorAll(".md-search-result__link")]
      .map((link) => link.textContent).join(" ");
    """
    with browser() as do:
        do("url", url=page.as_uri())
        do("execute/sync", script=ask, args=[])
        found = until(lambda: do("execute/sync", script=read, args=[]), bool)
    assert "perplexity" in found.lower()
