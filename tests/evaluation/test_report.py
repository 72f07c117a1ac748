"""The page about an evaluation: its numbers, its safety, a browser that shows it."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser

import pytest

from massivetext_keras.evaluation import (
    Comparison,
    CrossValidation,
    Interval,
    Report,
    Search,
    write_report,
)
from massivetext_keras.evaluation.report import worst
from massivetext_keras.evaluation.tuning import Trial
from tests.browser import browser

NAUGHTY = [
    "<script>document.title = 'run'</script>",
    "</td></table><img src=x onerror=alert(1)>",
    "\u202eright to left\u202c \x00\x07\x1b[31m red",
    "中文 العربية עברית 🏳️‍🌈 Ä\u0308\u0323\u0331",
]


ERRORS = (("right", 0.0), ("far", 9.0), ("near", 0.5))


def line(text, label, said, score, **more):
    return {
        "text": text,
        "label": label,
        "prediction": {"label": said, "score": score},
        "scores": {"accuracy": float(label == said)},
        **more,
    }


LINES = [line(NAUGHTY[i % 4], "ham", "spam", 0.5 + i / 100) for i in range(25)]
LINES += [line("a", "ham", "ham", 0.9)] * 60
TRIALS = (
    Trial(0, {"optimizer.rate": 1e-4, "head": "mean"}, 1, 0.8, {"f1": 0.8}, None, 3.0),
    Trial(1, {"optimizer.rate": 1e-2, "head": "lstm"}, 3, 0.9, {"f1": 0.9}, None, 9.0),
    Trial(
        2, {"optimizer.rate": 1e-3, "head": "mean"}, 3, None, {}, "ValueError: <b>", 0
    ),
)
REPORT = Report(
    title="Evaluation: <i>mine",
    measures={
        "accuracy": Interval(0.75, 0.7, 0.8),
        "f1_macro": Interval(0.6, 0.55, 0.65),
        "bleu": 31.415,
        "f1/ham": 0.9,
        "recall/ham": 0.95,
        "f1/<b>spam</b>": 0.3,
    },
    about={"preset": "hf:model", "examples": 85},
    confusion=(["ham", "<b>spam</b>", "other"], [[60, 25, 0], [3, 7, 1], [0, 0, 0]]),
    lines=LINES,
    folds=CrossValidation(({"accuracy": 0.7}, {"accuracy": 0.8}), (43, 42)),
    search=Search(TRIALS, TRIALS[1], {}),
    comparisons={"accuracy": Comparison(0.7, 0.75, 0.05, 0.03, (0.01, 0.09), 0.98, 99)},
)


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    return write_report(REPORT, tmp_path_factory.mktemp("report") / "new")


class Cells(HTMLParser):
    """Texts of the cells of every table, by section and row."""

    def __init__(self, text: str):
        super().__init__()
        self.rows: dict[str, list[list[str]]] = {}
        self.section, self.inside = "", False
        self.tags: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.tags.add(tag)
        if tag == "section":
            self.section = dict(attributes)["id"]
        elif tag == "tr":
            self.rows.setdefault(self.section, []).append([])
        elif tag in ("td", "th"):
            self.inside = True
            self.rows[self.section][-1].append("")

    def handle_endtag(self, tag):
        self.inside = self.inside and tag not in ("td", "th")

    def handle_data(self, data):
        if self.inside:
            self.rows[self.section][-1][-1] += data


def test_every_number_is_in_its_table(page):
    rows = Cells(page.read_text()).rows
    assert rows["measures"] == [
        ["measure", "value", "from", "to"],
        ["accuracy", "0.7500", "0.7000", "0.8000"],
        ["f1_macro", "0.6000", "0.5500", "0.6500"],
        ["bleu", "31.41", "", ""],
    ]
    assert rows["classes"] == [
        ["class", "f1", "recall", ""],
        ["ham", "0.9000", "0.9500", ""],
        ["<b>spam</b>", "0.3000", "", ""],
    ]
    assert rows["confusion"][:3] == [
        ["", "ham", "<b>spam</b>", "other"],
        ["ham", "60", "25", "0"],
        ["<b>spam</b>", "3", "7", "1"],
    ]
    assert rows["confusion"][5:] == [
        ["ham", "<b>spam</b>", "25"],
        ["<b>spam</b>", "ham", "3"],
        ["<b>spam</b>", "other", "1"],
    ]
    assert rows["comparison"][1] == [
        *("accuracy", "0.7000", "0.7500", "0.0500", "0.0100", "0.0900", "0.0300")
    ]
    assert rows["folds"] == [
        ["fold", "held out", "accuracy"],
        ["1", "43", "0.7000"],
        ["2", "42", "0.8000"],
        ["mean", "85", "0.7500"],
        ["spread", "", "0.0707"],
    ]
    assert rows["search"][1:] == [
        ["0", "0.0001", "mean", "1", "0.8000", "3 s"],
        ["1", "0.01", "lstm", "3", "0.9000", "9 s"],
        ["2", "0.001", "mean", "3", "ValueError: <b>", "0 s"],
    ]
    assert rows["made"][1:] == [["preset", "hf:model"], ["examples", "85"]]


def test_the_surest_of_the_wrong_answers_come_first(page):
    scores = re.findall(r"said score: ([\d.]+)\n", page.read_text())
    assert scores == [f"{0.5 + i / 100:.4g}" for i in range(24, 4, -1)]
    assert worst([line("a", "x", "x", 0.9)] * 3) == []
    assert len(worst([line("a", "x", "y", 0.9)] * 3)) == 3
    assert worst([{"text": "a", "prediction": "b"}]) == []
    errors = [{"text": x, "scores": {"mean_squared_error": e}} for x, e in ERRORS]
    assert [line["text"] for line in worst(errors)] == ["far", "near"]


def test_what_is_said_comes_before_a_long_text_and_scales_are_kept_apart(tmp_path):
    said = [{"source": "long", "target": "t", "prediction": "p", "scores": {"bleu": 3}}]
    measures = {"bleu": Interval(31.0, 30.0, 32.0), "rouge1": Interval(0.4, 0.3, 0.5)}
    report = Report("A", measures, lines=[*said, {**said[0], "scores": {"bleu": 9}}])
    page = write_report(report, tmp_path).read_text()
    assert "<pre>said it: p\ntarget: t\nsource: long</pre>" in page
    assert page.count("<svg") == 2


def test_json_has_the_same(page):
    data = json.loads((page.parent / "report.json").read_text())
    assert data["measures"]["accuracy"] == {"value": 0.75, "low": 0.7, "high": 0.8}
    assert data["measures"]["bleu"] == {"value": 31.415}
    assert data["confusion"]["counts"][0] == [60, 25, 0]
    assert data["folds"]["mean"] == {"accuracy": 0.75}
    assert data["best"]["number"] == 1 and len(data["trials"]) == 3
    assert data["comparisons"]["accuracy"]["p_value"] == 0.03
    assert data["examples"] == 85 and len(data["worst"]) == 20


def test_nothing_is_loaded_and_nothing_runs(page):
    text = page.read_text()
    assert not {"script", "img", "link", "iframe", "b>"} & Cells(text).tags
    assert re.findall(r"(?:src|href)=\"(?!#)[^\"]*\"|url\((?!#)", text) == []
    assert "default-src 'none'" in text and "\x1b" not in text
    write_report(REPORT, page.parent)
    assert page.read_text() == text  # the same bytes each time


def test_what_is_not_known_has_no_place(tmp_path):
    text = write_report(Report("Empty"), tmp_path).read_text()
    assert "<section" not in text
    text = write_report(Report("One", {"bleu": 30.0}), tmp_path).read_text()
    assert list(Cells(text).rows.values()) == [
        [["measure", "value"], ["bleu", "30.00"]]
    ]
    many = [str(i) for i in range(41)]
    counts = [[int(i == 2 and j == 3) for j in range(41)] for i in range(41)]
    text = write_report(Report("Many", confusion=(many, counts)), tmp_path).read_text()
    assert Cells(text).rows["confusion"] == [
        ["true", "said", "examples"],
        ["2", "3", "1"],
    ]


READ = """
const shown = (element) => element.getBoundingClientRect().width > 100;
return {
  title: document.title,
  loaded: performance.getEntriesByType("resource").map((entry) => entry.name),
  width: document.documentElement.scrollWidth - innerWidth,
  pictures: [...document.querySelectorAll("figure svg")].filter(shown).length,
  page: getComputedStyle(document.body).backgroundColor,
  ink: getComputedStyle(document.querySelector("figure svg text")).fill,
};
"""


@pytest.mark.slow
@pytest.mark.parametrize("size", ["1280,900", "500,900"])
def test_a_browser_shows_it(page, size):
    with browser(size) as do:
        do("url", url=page.as_uri())
        seen = do("execute/sync", script=READ, args=[])
        assert seen["title"] == "Evaluation: <i>mine" and seen["loaded"] == []
        assert seen["width"] <= 0  # no scrolling to the side, on a phone either
        assert seen["pictures"] == 4
        assert seen["page"] == "rgb(251, 250, 247)" and seen["ink"] == "rgb(29, 35, 39)"
        media = {"features": [{"name": "prefers-color-scheme", "value": "dark"}]}
        do("goog/cdp/execute", cmd="Emulation.setEmulatedMedia", params=media)
        seen = do("execute/sync", script=READ, args=[])
        assert seen["page"] == "rgb(20, 24, 27)" and seen["ink"] == "rgb(230, 232, 233)"
