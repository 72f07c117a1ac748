"""Pictures of a corpus, however small it is: what is written at their axes."""

from __future__ import annotations

import re
from collections import Counter
from itertools import combinations
from random import Random

import pytest
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from massivetext_keras.corpus.report import pictures as report_pictures
from massivetext_keras.corpus.report.data import ReportData
from massivetext_keras.pages.pictures import HEIGHT, WIDTH

NAMES = ("funnel", "languages", "bytes", "words_per_document", "zipf")


def data_of(documents: int, words: float, spread: float) -> ReportData:
    """Documents of about so many words, every third of which is dropped."""
    random, data, languages = Random(0), ReportData(), ("en", "de", "zh")
    for number in range(documents):
        count = max(1, round(random.lognormvariate(0, spread) * words))
        outcome = "dropped" if number % 3 == 2 else "kept"
        numbers = {"documents": 1, "bytes": 6 * count, "words": count}
        for table, key in (
            (data.subsets, "web"),
            (data.languages, languages[number % 3]),
        ):
            empty = {"kept": Counter(), "dropped": Counter()}
            table.setdefault(key, empty)[outcome].update(numbers)
        data.bytes[outcome][(6 * count).bit_length() * 2] += 1
        if outcome == "kept":
            data.words_per_document[count.bit_length() * 2] += 1
        else:
            reason = ("gopher_quality.words", "identify.score")[number % 2]
            empty = {"documents": 0, "bytes": 0, "samples": []}
            data.reasons.setdefault(reason, empty)["documents"] += 1
    for rank in range(1, min(documents * 20, 2000)):
        data.words["counts"][str(rank)] = max(documents * 9 // rank, 1)
    return data


CASES = {
    "one": data_of(1, 50, 0.1),
    "two": data_of(2, 900, 0.1),
    "three": data_of(3, 3, 0.1),
    "fifteen": data_of(15, 120, 1.0),
    "fifteen of one length": data_of(15, 120, 0.01),
    "a hundred thousand": data_of(100_000, 400, 1.2),
}


def drawn(name: str, data: ReportData) -> Axes:
    """The axes of a picture, as large as on the page."""
    with rc_context({"text.parse_math": False, "font.size": 10}):
        figure = Figure(figsize=(WIDTH, HEIGHT), layout="constrained")
        axes = figure.subplots()
        getattr(report_pictures, f"_{name}")(axes, data=data)
        FigureCanvasAgg(figure).draw()
    return axes


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("case", CASES)
def test_axes_are_marked_with_few_round_values_apart(case, name):
    data = CASES[case]
    if name == "funnel" and not data.reasons:
        return
    axes = drawn(name, data)
    for axis in (axes.xaxis, axes.yaxis):
        low, high = sorted(axis.get_view_interval())
        marks = [
            mark
            for minor in (False, True)
            for mark in axis.get_ticklabels(minor=minor)
            if mark.get_text() and mark.get_visible()
        ]
        shown = [
            mark
            for mark in marks
            if low <= mark.get_position()[axis is axes.yaxis] <= high
        ]
        texts = [mark.get_text() for mark in shown]
        assert 1 <= len(texts) <= 12 and len(set(texts)) == len(texts)
        assert not any("$" in text or "\\" in text for text in texts)
        if name in ("bytes", "words_per_document") and axis is axes.yaxis:
            assert all(re.fullmatch(r"\d+|[\d.]+[kM]", text) for text in texts)
        places = [mark.get_window_extent() for mark in shown]
        assert not any(one.overlaps(other) for one, other in combinations(places, 2))
    legend = axes.get_legend()
    if name in ("languages", "bytes"):  # beside what is drawn
        assert not legend.get_window_extent().overlaps(axes.get_window_extent())


def test_a_single_bar_is_no_wall():
    axes = drawn("languages", CASES["one"])
    bar = axes.patches[0].get_window_extent()
    assert bar.height < 0.4 * axes.get_window_extent().height


def test_svg_has_no_letters_of_formulas(tmp_path):
    for svg in report_pictures.draw(CASES["fifteen of one length"], tmp_path).values():
        assert "mathdefault" not in svg and "$" not in svg
