"""The page about a corpus: its numbers, its safety, and a browser that shows it."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser

import orjson
import pyarrow as pa
import pytest
import zstandard

from massivetext_keras.corpus.duplicates.deduplication import Cluster
from massivetext_keras.corpus.report.data import ReportData
from massivetext_keras.corpus.report.page import write_report
from massivetext_keras.pages.pictures import short_size
from tests.browser import browser
from tests.corpus.report.test_data import SCHEMA

NAUGHTY = [
    "<script>document.title = 'run'</script>",
    "</pre></details><img src=x onerror=alert(1)>",
    "\u202eright to left\u202c \x00\x07\x1b[31m red",
    "<!-- &amp; ]]> ${7*7} {{7*7}} %s \\",
    "中文 العربية עברית 🏳️‍🌈 Ä\u0308\u0323\u0331",
    "' onmouseover='alert(1)",
    "http://example.com/ <link rel=stylesheet href=//example.com/a.css>",
]
COUNTS = [("gopher_quality.words", 1200), ("gopher_quality.stop_words", 34)]
COUNTS += [("identify.score", 5), ("read.gzip", 2)]


def rows():
    number = 0
    for reason, count in [(None, 4000), *COUNTS]:
        for index in range(count):
            number += 1
            text = NAUGHTY[index % len(NAUGHTY)] if reason else "Der Hund und die Katze"
            yield {
                "id": number.to_bytes(16, "big"),
                "text": text,
                "subset": "<b>web</b>" if index % 3 else "书",
                "source": "a&b.jsonl",
                "position": index,
                "language": "de",
                "reason": reason,
                "bytes": len(text.encode()),
                "value": None if reason in (None, "read.gzip") else 1.5,
                "bounds": "cut off <here>" if reason == "read.gzip" else ">= 50",
                "columns": columns(reason) if index == 0 else "{}",
            }


def columns(reason) -> str:
    """Of the first document with a reason, or that was kept."""
    values = {"personal_data": {"email": 2}}
    if reason is None:
        values["license"] = "<CC-BY>"
        values["contamination"] = {"item": "quiz<1>.jsonl:7"}
    return json.dumps(values)


def write_shard(folder):
    """The manifest's entry of a shard with some documents."""
    texts = ["Zwei Frauen, ein Mann", "Frauen <b>!", "nichts", "nichts"]
    rows = [{"text": text, "language": "de"} for text in texts]
    with zstandard.open(folder / "train.jsonl.zst", "wb") as file:
        file.write(b"".join(orjson.dumps(row) + b"\n" for row in rows))
    size = sum(map(len, texts))
    return {"train.jsonl.zst": {"documents": len(texts), "bytes": size}}


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    folder = tmp_path_factory.mktemp("corpora") / "<i>mine"
    folder.mkdir()
    data = ReportData(["identify", "gopher_quality", "contamination"], {"书": 1.0})
    data.add(pa.Table.from_pylist(list(rows()), SCHEMA))
    data.add_cluster(Cluster("0a", 31, 20, 10, "书", "b.jsonl", 7, NAUGHTY[1]))
    data.write(folder)
    manifest = {"recipe": {"name": NAUGHTY[0]}, "versions": {"massivetext_keras": "9"}}
    manifest["shards"] = write_shard(folder)
    (folder / "<list>.txt").write_text("<b>\n")
    (folder / "manifest.json").write_text(json.dumps(manifest))
    return folder


@pytest.fixture(scope="module")
def page(corpus):
    return write_report(corpus, toxic={"<list>": str(corpus / "<list>.txt")})


class Elements(HTMLParser):
    """What a page consists of; every element is closed by its own end."""

    VOID = {"meta", "br", "wbr"}

    def __init__(self, text: str):
        super().__init__()
        self.open, self.found, self.texts = [], [], []
        self.feed(text)
        assert not self.open

    def handle_starttag(self, tag, attributes):
        self.found.append((tag, dict(attributes)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.found.append((tag, dict(attributes)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] not in ("style", "script"):
            self.texts.append(data)


def test_the_numbers_are_on_the_page(page):
    elements = Elements(page.read_text())
    text = re.sub(r"\s+", " ", " ".join(elements.texts))
    for expected in (
        "5,241 documents read",
        "4,000 documents kept 76.3 %, 88 kB",
        "20,000 words kept 5 in a document",
        # identify first, as it decides first, then the largest of two rules
        "identify. score 5 0.10 % 204 B 5,234",
        "gopher_ quality 1,234 23.5 %",
        "words 1,200 22.9 %",
        "stop_ words 34 0.65 %",
        "kept 76.3 % 88 kB 4,000",
        "Nothing was dropped by contamination.",
        "31 documents : 20 dropped as equal, 10 as nearly equal; kept: 书: b.jsonl, "
        "document 7",
        "20,000 words in kept documents; counts are exact.",
        "Der 4,000",
        "1.5 (kept: >= 50) ·",
        "email 5 10 1 2",
        "书: a&b. jsonl 10",
        "quiz<1>. jsonl 1 0 1",
        "women 2 50.0 % 2 250,000 frauen 2",
        "men 1 25.0 % 1 125,000 mann 1",
        "4 documents that were kept, 44 B, were looked through.",
        "<list> 1 25.0 % 1 125,000 <b> 1",
        "<CC-BY> 1 1 0.03 % 22 B",
        "(not said) 5,240 3,999 100.0 % 88 kB",
        "2 files or documents that were not read or not finished.",
        "cut off <here>",
        "Made by massivetext_keras 9",
    ):
        assert expected in text, expected


def test_nothing_is_loaded_run_or_interpreted(page):
    text = page.read_text()
    elements = Elements(text)
    tags = {tag for tag, _ in elements.found}
    assert tags.isdisjoint({"script", "img", "link", "iframe", "object", "base"})
    for tag, attributes in elements.found:
        assert not any(name.startswith("on") for name in attributes), tag
        for name in ("href", "src", "xlink:href", "action"):
            assert attributes.get(name, "#").startswith("#"), (tag, attributes)
    assert "@import" not in text and "url(http" not in text
    # Names of vocabularies are no addresses that are loaded.
    outside = set(re.findall(r"https?://[^\s\"<&]+", text))
    assert outside <= {"http://example.com/", "http://www.w3.org/1999/xlink"} | {
        "http://www.w3.org/2000/svg"
    }
    policy = [a["content"] for t, a in elements.found if "http-equiv" in a]
    assert policy == ["default-src 'none'; style-src 'unsafe-inline'"]
    samples = "".join(elements.texts)
    assert NAUGHTY[0] in samples and NAUGHTY[3] in samples and NAUGHTY[6] in samples
    assert "⟨U+202E⟩right to left⟨U+202C⟩ ⟨U+0000⟩⟨U+0007⟩⟨U+001B⟩[31m red" in samples


def test_links_lead_somewhere(page):
    found = Elements(page.read_text()).found
    ids = [attributes["id"] for _, attributes in found if "id" in attributes]
    assert len(ids) == len(set(ids))
    links = {a["href"][1:] for t, a in found if t == "a"}
    assert links <= set(ids) and {"funnel", "rule-identify-score"} <= links


def test_pictures_lie_beside_the_page(page):
    names = {path.name for path in page.parent.iterdir()}
    pictures = {"funnel", "languages", "bytes", "words_per_document", "zipf"}
    assert names == {"report.html", *(f"{name}.png" for name in pictures)}
    for name in pictures:
        data = (page.parent / f"{name}.png").read_bytes()
        assert data[:8] == b"\x89PNG\r\n\x1a\n" and len(data) > 3000
    assert page.read_text().count("<svg") == 3
    assert "#0b6e99" not in page.read_text().partition("</style>")[2]


def test_made_again_it_is_the_same_and_other_files_are_kept(corpus, page):
    before = page.read_bytes()
    lists = {"<list>": str(corpus / "<list>.txt")}
    assert write_report(corpus, toxic=lists).read_bytes() == before
    other = corpus / "mine"
    other.mkdir()
    (other / "notes.txt").write_text("mine")
    with pytest.raises(FileExistsError, match="not empty"):
        write_report(corpus, other)
    assert (other / "notes.txt").read_text() == "mine"


def test_a_corpus_of_which_nothing_was_kept(tmp_path):
    data = ReportData()
    dropped = [row for row in rows() if row["reason"] == "identify.score"]
    data.add(pa.Table.from_pylist(dropped, SCHEMA))
    data.write(tmp_path)
    (tmp_path / "manifest.json").write_text("{}")
    elements = Elements(write_report(tmp_path).read_text())
    assert "0.00 %" in "".join(elements.texts)
    ReportData().write(tmp_path)
    Elements(write_report(tmp_path).read_text())


def test_what_no_document_holds_of_an_evaluation_set(tmp_path):
    ReportData().write(tmp_path)
    recipe = {"steps": {"contamination": {"files": ["quiz.jsonl"]}}}
    (tmp_path / "manifest.json").write_text(json.dumps({"recipe": recipe}))
    text = " ".join(Elements(write_report(tmp_path).read_text()).texts)
    assert "None was found of quiz.jsonl." in text
    assert "Groups that are named" not in text and "Licences" not in text


def test_a_folder_that_is_no_corpus(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"report\.json"):
        write_report(tmp_path)


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (999_499, "999 kB"),
        (999_500, "1 MB"),
        (5e15, "5 PB"),
    ],
)
def test_sizes_for_people(size, text):
    assert short_size(size) == text


# Of the page as it is shown.
READ = """
const shown = (element) => element.getBoundingClientRect().width > 0;
return {
  title: document.title,
  scripts: document.scripts.length,
  loaded: performance.getEntriesByType("resource").map((entry) => entry.name),
  width: document.documentElement.scrollWidth - innerWidth,
  texts: [...document.querySelectorAll("pre")].map((pre) => pre.textContent),
  pictures: [...document.querySelectorAll("figure svg")].filter(shown).length,
  dark: getComputedStyle(document.body).backgroundColor,
  ink: getComputedStyle(document.querySelector("figure svg text")).fill,
  open: [...document.querySelectorAll("details[open] summary")].map(
    (element) => element.textContent),
};
"""


@pytest.mark.parametrize("size", ["1280,900", "500,900"])
def test_a_browser_shows_it(page, size):
    with browser(size) as do:
        do("url", url=page.as_uri())
        seen = do("execute/sync", script=READ, args=[])
        assert seen["title"] == "Corpus report: <i>mine"
        assert seen["scripts"] == 0 and seen["loaded"] == []
        assert seen["width"] <= 0  # no scrolling to the side, on a phone either
        assert seen["pictures"] == 3
        assert NAUGHTY[0] in seen["texts"] and NAUGHTY[4] in seen["texts"]
        assert seen["dark"] == "rgb(251, 250, 247)" and seen["ink"] == "rgb(29, 35, 39)"
        assert seen["open"] == []
        do("url", url=page.as_uri() + "#rule-identify-score")
        seen = do("execute/sync", script=READ, args=[])
        assert seen["open"] == ["identify.score 5 documents, 204 B"]
        media = {"features": [{"name": "prefers-color-scheme", "value": "dark"}]}
        do("goog/cdp/execute", cmd="Emulation.setEmulatedMedia", params=media)
        seen = do("execute/sync", script=READ, args=[])
        assert seen["dark"] == "rgb(20, 24, 27)" and seen["ink"] == "rgb(230, 232, 233)"
