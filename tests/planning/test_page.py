"""Plans as tables and as a page."""

from __future__ import annotations

import re

import pytest

from massivetext_keras.architecture.shapes import preset
from massivetext_keras.planning import Choice, Cluster, Job, plans
from massivetext_keras.planning.page import write_page
from massivetext_keras.planning.tables import tables


@pytest.fixture(scope="module")
def found():
    job = Job(preset("gpt2_small"), rows=64, length=1024)
    return plans(job, Cluster(8), Choice(micro_batch=4))


def test_tables_have_a_row_for_each_plan(found):
    for table in tables(found):
        assert [row[:3] for row in table.rows] == [
            tuple(str(x) for x in (p.split.data, p.split.tensor, p.split.pipeline))
            for p in found
        ]
        lines = list(table.lines())
        assert lines[0] == table.name and len({*map(len, lines[1:])}) == 1


def test_the_page_stands_alone(found, tmp_path):
    path = tmp_path / "new" / "plan.html"
    write_page(found, "<gpt>", path)
    text = path.read_text()
    assert "<title>&lt;gpt&gt; on 8 devices</title>" in text
    assert text.count("<svg") == 2 and "<script" not in text
    assert not re.search(r"""(src|href)=["'](?!#)""", text)
    best = found[0]
    assert f"<b>{best.seconds.total:.3g} s</b>" in text
    for title in ("Meshes", "Seconds", "Memory", "Traffic"):
        assert f"<h2>{title}</h2>" in text
