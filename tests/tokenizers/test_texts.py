"""The lines that tokenizers are trained on."""

from __future__ import annotations

import pytest

from massivetext_keras.tokenizers.texts import read_lines


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "sub").mkdir()
    (tmp_path / "a.txt").write_bytes(b"one\ntwo\r\n\nthr\xffee")
    (tmp_path / "sub" / "b.txt").write_bytes(b"x\n" * 10)
    return tmp_path


def test_lines_of_files(folder):
    assert list(read_lines(folder / "a.txt")) == ["one", "two", "", "thr\ufffdee"]


def test_files_are_read_as_a_corpus(folder):
    (folder / "c.jsonl").write_text('{"text": "y\\nz"}\n{"text": ""}\n{"text": "w"}\n')
    (folder / "empty.txt").write_text("\n")
    expected = ["one", "two", "", "thr\ufffdee", "y", "z", "w", *["x"] * 10]
    assert list(read_lines(folder)) == expected
    assert list(read_lines([f"{folder}/**/*.*", folder / "a.txt"])) == expected


def test_each_file_gives_its_share(folder):
    # 16 and 20 bytes: half of each
    for limit in (17, 18):
        lines = list(read_lines(f"{folder}/**/*.txt", max_bytes=limit))
        assert lines == ["one", "two"] + ["x"] * 5
    lines = list(read_lines(f"{folder}/**/*.txt", max_bytes=36))
    assert lines == list(read_lines(folder))


def test_a_share_of_lines_of_json(folder):
    path = folder / "c.jsonl"
    path.write_text('{"text": "abc"}\n' * 10)
    assert list(read_lines(path, max_bytes=48)) == ["abc"] * 3
    assert list(read_lines(path, max_bytes=49)) == ["abc"] * 4


def test_texts_stop_at_the_limit():
    assert list(read_lines(texts=["a\nb", "c", "d"], max_bytes=5)) == ["a", "b", "c"]


def test_wrong_sources(folder):
    with pytest.raises(FileNotFoundError, match=r"no text file matches .*none"):
        read_lines([f"{folder}/none*.txt"])
    (folder / "bare").mkdir()
    with pytest.raises(ValueError, match="bare' holds no text files"):
        read_lines(folder / "bare")
    for files, texts in ((None, None), (folder / "a.txt", ["a"])):
        with pytest.raises(ValueError, match="either files or texts"):
            read_lines(files, texts)
    with pytest.raises(ValueError, match="not one string"):
        read_lines(texts="abc")
