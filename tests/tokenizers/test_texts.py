"""The lines that tokenizers are trained on."""

from __future__ import annotations

import pytest

from massivetext_keras.tokenizers.texts import find_files, read_lines


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "sub").mkdir()
    (tmp_path / "a.txt").write_bytes(b"one\ntwo\r\n\nthr\xffee")
    (tmp_path / "sub" / "b.txt").write_bytes(b"x\n" * 10)
    return tmp_path


def test_files_are_sorted_and_found_once(folder):
    both = [str(folder / "a.txt"), str(folder / "sub" / "b.txt")]
    assert find_files([folder / "sub" / "b.txt", f"{folder}/*.txt"]) == both
    assert find_files([f"{folder}/**/*.txt", folder / "a.txt"]) == both


def test_lines_of_files(folder):
    assert list(read_lines(folder / "a.txt")) == ["one", "two\r", "", "thr\ufffdee"]


def test_each_file_gives_its_share(folder):
    # 14 and 20 bytes: half of each
    lines = list(read_lines(f"{folder}/**/*.txt", max_bytes=17))
    assert lines == ["one", "two\r"] + ["x"] * 5


def test_texts_stop_at_the_limit():
    assert list(read_lines(texts=["a\nb", "c", "d"], max_bytes=5)) == ["a", "b", "c"]


def test_wrong_sources(folder):
    with pytest.raises(FileNotFoundError, match=r"none\*.txt: no file to train"):
        read_lines([f"{folder}/none*.txt"])
    with pytest.raises(FileNotFoundError, match="sub: no file to train"):
        read_lines(folder / "sub")
    for files, texts in ((None, None), (folder / "a.txt", ["a"])):
        with pytest.raises(ValueError, match="either files or texts"):
            read_lines(files, texts)
    with pytest.raises(ValueError, match="not one string"):
        read_lines(texts="abc")
