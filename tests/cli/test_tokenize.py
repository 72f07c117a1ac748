"""`massivetext tokenize`, and training on what it writes."""

from __future__ import annotations

import json

import pytest

from massivetext_keras import cli
from tests.cli.tiny import SMALL, TEXT, contents

WRITE = ("--tokenizer=bytes", "--sequence_length=16", "--validation_fraction=0.2")


@pytest.fixture(scope="module")
def lines(place):
    """Forty documents."""
    path = place / "lines.jsonl"
    texts = [f"{i} {line}" for i, line in enumerate(TEXT.splitlines())]
    path.write_text("".join(json.dumps({"text": text}) + "\n" for text in texts))
    return path


@pytest.fixture(scope="module")
def shards(place, lines):
    folder = place / "shards"
    argv = (f"--input={lines}", f"--output={folder}", *WRITE)
    assert cli.run(["tokenize", *argv]) == 0
    return folder


def test_it_says_what_it_wrote(good, lines, tmp_path):
    argv = (f"--input={lines}", f"--output={tmp_path / 's'}", *WRITE, "--corpus=cats")
    first, second = good("tokenize", *argv).splitlines()
    manifest = json.loads((tmp_path / "s" / "manifest.json").read_text())
    assert manifest["corpus"] == "cats"
    for line, name in ((first, "train"), (second, "validation")):
        side = manifest[name]
        assert line == (
            f"{tmp_path / 's'}: {name}: {side['documents']} documents, "
            f"{side['tokens']:,} tokens in {side['examples']} rows of 16, "
            f"{side['padding']:.2%} padding"
        )


def test_a_run_on_a_mixture_of_shards(good, shards, tmp_path):
    data = f"--data={shards}=0.75,{shards}=0.25"
    argv = (data, "--tokenizer=bytes", f"--run_dir={tmp_path}", *SMALL)
    good("train", *argv, "--steps=2")
    assert (tmp_path / "validation").is_dir()
    assert (tmp_path / "model.safetensors").is_file()


@pytest.mark.parametrize(
    "change, code, complaint",
    [
        ("--input={}/empty.txt", 1, "there is no text in "),
        ("--input={}/lines.jsnl", 1, "/lines.jsonl'?"),
        ("--tokenizer={}/missing", 1, "no tokenizer was saved here"),
        ("--sequence_length=0", 2, "sequence_length=0 must be at least 1"),
        ("--validation_fraction=1", 2, "must be at least 0 and below 1"),
        ("--sequence_lenght=8", 2, "did you mean 'sequence_length'?"),
    ],
)
def test_bad_input_writes_nothing(bad, place, lines, tmp_path, change, code, complaint):
    (place / "empty.txt").write_text(" ")
    argv = [f"--input={lines}", f"--output={tmp_path / 's'}", *WRITE]
    found, line = bad("tokenize", *argv, change.format(place))
    assert found == code and complaint in line
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_not_empty_stays(bad, good, lines, tmp_path):
    (tmp_path / "s").mkdir()
    (tmp_path / "s" / "old.txt").write_text("mine")
    argv = (f"--input={lines}", f"--output={tmp_path / 's'}", *WRITE)
    code, line = bad("tokenize", *argv)
    assert code == 1 and line.startswith(f"{tmp_path / 's'} is not empty: ")
    assert contents(tmp_path / "s") == {"old.txt": b"mine"}
    good("tokenize", *argv, "--overwrite")
    assert "manifest.json" in contents(tmp_path / "s")
    assert "old.txt" not in contents(tmp_path / "s")


def test_shards_that_do_not_fit_stop_a_run_before_it_starts(bad, shards, tmp_path):
    run = tmp_path / "run"
    argv = (f"--data={shards}", f"--run_dir={run}", *SMALL, "--steps=2")
    code, line = bad("train", *argv, "--tokenizer=bytes", "--sequence_length=8")
    assert code == 1 and line == (
        f"{shards} has rows of 16 tokens: set sequence_length to that, it is 8"
    )
    path = shards / "train-00000.tfrecord"
    whole = path.read_bytes()
    path.write_bytes(whole[:-1])
    code, line = bad("train", *argv, "--tokenizer=bytes")
    path.write_bytes(whole)
    assert code == 1 and line.startswith(f"{path} has {len(whole) - 1:,} bytes where ")
    assert not run.exists()
