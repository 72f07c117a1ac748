"""The pictures of docs/take_pictures.py: where they stand, and how they are made."""

from __future__ import annotations

import io
import re

import pytest
from PIL import Image

from docs import take_pictures
from docs.pictured import KINDS, labeled_texts
from tests.browser import browser
from tests.processes import ROOT

PAGE = "<body style='margin:0;background:#c05621'><p style='height:4000px'>words"


@pytest.mark.parametrize("name", take_pictures.PICTURES)
def test_a_page_shows_it_and_says_what_it_shows(name):
    pages = (page.read_text() for page in ROOT.glob("docs/*.md"))
    (shown,) = re.findall(rf"!\[([^\]]+)\]\({name}\)", "\n".join(pages))
    assert len(shown.split()) > 5
    path = ROOT / "docs" / name
    assert path.stat().st_size < 150_000
    with Image.open(path) as picture:
        assert picture.size == (take_pictures.WIDTH, take_pictures.PICTURES[name])


def test_a_picture_keeps_its_marks_and_takes_few_bytes(tmp_path):
    grey = [(x * 7 % 256,) * 3 for x in range(300)]
    picture = Image.new("RGB", (300, 100))
    picture.putdata(grey * 100)
    picture.paste((192, 86, 33), (290, 90, 300, 100))
    png = io.BytesIO()
    picture.save(png, "PNG")
    take_pictures.write(png.getvalue(), tmp_path / "a.png")
    with Image.open(tmp_path / "a.png") as found:
        assert found.mode == "P"
        assert found.convert("RGB").getpixel((295, 95)) == (192, 86, 33)


def test_a_browser_takes_the_upper_part_of_a_page(tmp_path):
    page, name = tmp_path / "page.html", "explanation.png"
    page.write_text(PAGE)
    with browser(f"{take_pictures.WIDTH},400") as do:
        take_pictures.take_page(do, page, name, tmp_path)
    with Image.open(tmp_path / name) as found:
        assert found.size == (take_pictures.WIDTH, take_pictures.PICTURES[name])
        assert found.convert("RGB").getpixel((900, 600)) == (192, 86, 33)


def test_python_has_texts_of_each_kind():
    found = labeled_texts()
    assert {x.label for x in found} == set(KINDS)
    assert len(found) == len({x.text for x in found}) > 300
