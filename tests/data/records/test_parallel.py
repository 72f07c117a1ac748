"""Two files whose lines belong together."""

from __future__ import annotations

import pytest

from massivetext_keras.data import Problems, read_records
from massivetext_keras.tasks import Seq2SeqLM
from massivetext_keras.text.examples import TextPair


@pytest.fixture
def files(tmp_path) -> list:
    texts = {
        "a.en": "one\n\ntwo\n\nthree\u2028.\n",
        "a.de": "eins\n\n\nvier\ndrei\nfünf",
    }
    for name, text in texts.items():
        (tmp_path / name).write_text(text)
    return [tmp_path / name for name in texts]


def test_lines_with_one_side_are_counted(files):
    problems = Problems()
    how = {"format": "parallel", "problems": problems}
    found = list(read_records(files, Seq2SeqLM.fields, **how))
    assert [record.fields for record in found] == [
        {"source": "one", "target": "eins"},
        {"source": "three\u2028.", "target": "drei"},
    ]
    name = f"{files[0]},{files[1]}"
    assert found[1].where == f"{name}:5"
    assert problems.places == {
        "one side is empty": [f"{name}:3", f"{name}:4"],
        "the other file has no such line": [f"{name}:6"],
    }


def test_pairs_of_files(files):
    pairs = Seq2SeqLM.read_examples([*files, *files[::-1]], format="parallel")
    assert pairs[0] == TextPair("one", "eins") and pairs[2] == TextPair("eins", "one")
    with pytest.raises(ValueError, match="parallel files go in pairs, as .* got 3"):
        list(read_records([*files, files[0]], format="parallel"))
    with pytest.raises(ValueError, match=r"a.de:3: one side is empty"):
        Seq2SeqLM.read_examples(files, format="parallel", strict=True)


def test_patterns_of_files_go_in_pairs(tmp_path):
    for name in ("a.en", "a.de", "b.en", "b.de"):
        (tmp_path / name).write_text(f"{name}\n")
    both = [tmp_path / "*.en", tmp_path / "*.de"]
    pairs = Seq2SeqLM.read_examples(both, format="parallel")
    assert pairs == [TextPair("a.en", "a.de"), TextPair("b.en", "b.de")]
    (tmp_path / "b.de").unlink()
    with pytest.raises(ValueError, match=r"\*.en stands for 2, .*\*.de for 1"):
        Seq2SeqLM.read_examples(both, format="parallel")


def test_real_captions(data_dir):
    folder = data_dir / "mt/multi30k"
    pairs = Seq2SeqLM.read_examples(
        [folder / "val.en", folder / "val.de"], format="parallel"
    )
    assert len(pairs) == 1014
    assert (
        pairs[0].target == "Eine Gruppe von Männern lädt Baumwolle auf einen Lastwagen"
    )
