"""The verbs of `massivetext corpus`."""

from __future__ import annotations

import contextlib
import io
import json

import pytest

from massivetext_keras import cli
from tests.corpus.small_corpus import write_raw


@pytest.fixture(scope="module")
def raw(tmp_path_factory):
    return write_raw(tmp_path_factory.mktemp("raw"))


@pytest.fixture(scope="module")
def built(raw, tmp_path_factory):
    folder, out = tmp_path_factory.mktemp("built") / "corpus", io.StringIO()
    argv = [f"--input={raw}", f"--output={folder}", "--workers=1", "--recipe=curated"]
    with contextlib.redirect_stdout(out):
        assert cli.run(["corpus", "build", *argv, "--test_fraction=0.2"]) == 0
    assert out.getvalue() == (f"{folder}: kept 62 of 67 documents, 0.2 of 0.2 MB\n")
    return folder


def test_stats_and_report(built, good):
    lines = good("corpus", "stats", str(built)).splitlines()
    assert [line.split()[:2] for line in lines[1:3]] == [["read", "67"], ["kept", "62"]]
    out = good("corpus", "report", str(built)).strip()
    assert out == f"{built}/report/report.html"
    page = (built / "report/report.html").read_text()
    assert "deduplication" in page and "exact" in page


def test_a_report_of_words_of_lists(built, tmp_path, good):
    (tmp_path / "strings.txt").write_text("string\nstrings\n")
    (tmp_path / "bad.txt").write_text("deprecated\n")
    lists = [f"--terms=text={tmp_path}/strings.txt", f"--toxic={tmp_path}/bad.txt"]
    good("corpus", "report", str(built), *lists, "--term_bytes=20KB")
    page = (built / "report/report.html").read_text()
    assert "a random sample" in page and "Words of lists" in page
    assert "<td>text</td>" in page and "<td>bad</td>" in page and "women" not in page


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--terms=a=1.txt", "--terms=a=2.txt"], "the list a was given before"),
        (["--terms=women="], "--terms=women=: give NAME=FILE"),
        (["--term_bytes=much"], "--term_bytes"),
    ],
)
def test_lists_that_are_not_given_right(built, bad, flags, message):
    code, line = bad("corpus", "report", str(built), *flags)
    assert code == 2 and message in line


def test_a_corpus_is_what_other_verbs_read(built, tmp_path, good):
    good(
        *("tokenizer", "train", f"--input={built}", f"--output={tmp_path}/tok"),
        "--vocabulary_size=400",
    )
    out = good(
        *("tokenize", f"--input={built}", f"--tokenizer={tmp_path}/tok"),
        *(f"--output={tmp_path}/shards", "--sequence_length=32"),
    )
    documents = json.loads((built / "manifest.json").read_text())["subsets"][""]
    assert "train" in documents
    assert f"{tmp_path}/shards: train: " in out


def test_explain_one_document(tmp_path, good):
    path = tmp_path / "a.txt"
    path.write_text("Few words. Write to ada@example.org.")
    lines = good("corpus", "explain", str(path)).splitlines()
    [words] = [line.split() for line in lines if line.startswith("gopher_quality ")]
    assert words[1:5] == ["words", "5", ">=", "50"] and words[-1] == "DROP"
    assert lines[-1] == "dropped: gopher_quality.words; a build goes no further"
    [line] = good("corpus", "explain", str(path), "--json").splitlines()
    assert json.loads(line)["reason"] == "gopher_quality.words"


def test_evaluation_items_and_languages(raw, tmp_path, good):
    texts = [json.loads(line)["text"] for line in (raw / "a.jsonl").open()]
    items = tmp_path / "items.jsonl"
    items.write_text(json.dumps({"text": " ".join(texts[3].split()[20:60])}))
    argv = [f"--input={raw}", "--workers=1", "--recipe=curated"]
    good(
        *("corpus", "build", *argv, f"--output={tmp_path}/without"),
        *(f"--evaluation={items}", "--languages=en,de"),
    )
    manifest = json.loads((tmp_path / "without/manifest.json").read_text())
    assert manifest["dropped"]["contamination.containment"]["documents"] >= 1
    assert manifest["recipe"]["steps"]["identify"]["languages"] == ["en", "de"]
    assert list(manifest["build"]["files"]) == [str(items)]


def test_an_ngram_model_scores_documents(raw, tmp_path, good):
    good("corpus", "ngram", f"--input={raw}", f"--output={tmp_path}/model.npz")
    path = tmp_path / "a.txt"
    path.write_text("This module provides access to the standard library.")
    out = good(
        *("corpus", "explain", str(path), "--json", "--recipe=curated"),
        f"--set=statistics.ngram_model={tmp_path}/model.npz",
    )
    steps = {step["step"]: step for step in json.loads(out)["steps"]}
    fields = {check["check"]: check["value"] for check in steps["statistics"]["checks"]}
    assert 1 < fields["perplexity"] < 10_000


@pytest.mark.parametrize(
    ("argv", "code", "message"),
    [
        (["build", "--output=x"], 2, "--input is required"),
        (["build", "--input=nowhere", "--output=x"], 1, "no file matches 'nowhere'"),
        (
            ["build", "--input=a=b", "--input=c", "--output=x"],
            2,
            "some files have a subset (a), some have none",
        ),
        (
            ["build", "--input=x", "--output=x", "--recipe=masivetext"],
            2,
            "neither a recipe nor a file: 'masivetext'; did you mean 'massivetext'?",
        ),
        (
            ["build", "--input=x", "--output=x", "--set=gopher_quality.min_word=3"],
            2,
            "argument of gopher_quality 'min_word': did you mean 'min_words'?",
        ),
        (
            ["build", "--input=x", "--output=x", "--weights=web"],
            2,
            "unknown mixture 'web'",
        ),
        (
            ["build", "--input=x", "--output=x", "--max_memory=1XB"],
            2,
            "--max_memory: '1XB' is no size: give bytes, or such as 800MB or 1.5GB",
        ),
        (
            ["build", "--input=x", "--output=x", "--languages=english"],
            2,
            "identify.languages[0]: unknown 'english': did you mean 'en'?",
        ),
        (
            ["build", "--input=x", "--output=x", "--evaluation=item.txt"],
            1,
            "contamination.files: no file matches 'item.txt'",
        ),
        (
            ["explain", "x", "--evaluation=item.txt"],
            1,
            "contamination.files: no file matches 'item.txt'",
        ),
        (
            ["explain", "x", "--set=find_duplicates.jaccard=80"],
            2,
            "find_duplicates.jaccard: 80 is not from 0 to 1: did you mean 0.8?",
        ),
        (["build", "--input=x", "--output=x", "--engine=beam"], 2, "<local|spark>"),
        (["stats", "."], 1, "has no manifest.json: not a corpus"),
        (["explain", "nowhere.txt"], 1, "nowhere.txt: no such file"),
    ],
)
def test_bad_input_says_what_to_do(bad, tmp_path, monkeypatch, argv, code, message):
    (tmp_path / "x").write_text("x")
    monkeypatch.chdir(tmp_path)
    found, said = bad("corpus", *argv)
    assert found == code
    assert message in said
