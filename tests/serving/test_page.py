"""The page to try the models on, in a real browser."""

from __future__ import annotations

import re
import time

import pytest

from tests.browser import browser

CHOOSE = """
const [model, verb, fields] = arguments;
const choose = (id, value) => {
  const field = document.getElementById(id);
  field.value = value;
  field.dispatchEvent(new Event("change"));
};
choose("model", model);
choose("verb", verb);
for (const [name, text] of Object.entries(fields))
  document.getElementById(name).value = text;
document.getElementById("form").requestSubmit();
"""
READ = """
const texts = (query) =>
  [...document.querySelectorAll(query)].map((x) => x.textContent);
return {
  models: texts("#model option"),
  scores: texts(".score span"),
  marks: texts("#answer mark"),
  answer: document.getElementById("answer").textContent,
  said: texts(".said"),
  busy: document.getElementById("go").disabled,
  wide: document.documentElement.scrollWidth - innerWidth,
  low: Math.min(...[...document.querySelectorAll("button")]
    .filter((x) => x.offsetParent).map((x) => x.offsetHeight)),
  loaded: performance.getEntriesByType("resource").map((x) => new URL(x.name).origin),
};
"""


def wait(do, done):
    deadline = time.monotonic() + 60
    while not done(seen := do("execute/sync", script=READ, args=[])):
        assert time.monotonic() < deadline, seen
        time.sleep(0.05)
    return seen


@pytest.mark.parametrize("size", ["1280,900", "500,900"])
def test_a_person_tries_the_models(server, size):
    with browser(size) as do:

        def ask(model, verb, done, **fields):
            do("execute/sync", script=CHOOSE, args=[model, verb, fields])
            return wait(do, lambda seen: not seen["busy"] and done(seen))

        do("url", url=server.url)
        seen = wait(do, lambda seen: seen["models"])
        assert seen["models"] == ["classify", "tag", "answer", "writer"]
        seen = ask("classify", "classify", lambda x: x["scores"], text="a good <b>one")
        assert seen["scores"] == ["good", "1.000", "bad", "0.000"]
        seen = ask("tag", "tag", lambda x: x["marks"], text="an <i>🙂 word")
        assert seen["marks"] == ["anSHORT", "<i>🙂LONG", "wordLONG"]
        asked = {"question": "Who?", "context": "Ada wrote it."}
        seen = ask("answer", "answer", lambda x: x["marks"], **asked)
        assert seen["marks"] == ["Ada"] and "Ada wrote it." in seen["answer"]
        seen = ask("writer", "chat", lambda x: len(x["said"]) == 2, text="Hi <u>#you")
        assert seen["said"][0] == "Hi <u>#you"
        assert re.fullmatch(r"\d+ characters #you, seed \d+\.", seen["said"][1])
        seen = ask(
            "writer", "complete", lambda x: "memory" in x["answer"], text="crash"
        )
        assert "out of memory" in seen["answer"]
        assert seen["wide"] <= 0  # no scrolling to the side, on a phone either
        assert seen["low"] >= 44  # large enough for a thumb
        assert set(seen["loaded"]) == {server.url}


def test_the_page_is_one_file(client):
    found = client.get("/")
    assert not re.search(r"(src|href)=", found.text)
    security = found.headers["content-security-policy"]
    assert "default-src 'none'" in security and "connect-src 'self'" in security
