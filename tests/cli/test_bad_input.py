"""Bad input gets one clear line, and nothing that existed is lost."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.tiny import SMALL, TEXT, contents

STOPPING = '[{"name": "keras.callbacks:EarlyStopping", "patiense": 3}]'
TRAIN = ("train", "--preset=gpt_mini", "--data=x")


def training_command(data, folder) -> tuple[str, ...]:
    argv = (f"--data={data}", "--tokenizer=bytes", f"--run_dir={folder}")
    return ("train", *argv, *SMALL, "--steps=9")


@pytest.mark.parametrize(
    "name, complaint",
    [
        ("empty.txt", "there is no text in "),
        ("folder", "holds no text files (.txt .text .md .rst .jsonl .ndjson .parquet"),
        ("text.tx", "/text.txt'?"),
    ],
)
@pytest.mark.parametrize("verb", ["train", "tokenizer train", "evaluate"])
def test_text_that_is_not_there(bad, run, tmp_path, name, complaint, verb):
    (tmp_path / "text.txt").write_text(TEXT)
    (tmp_path / "empty.txt").write_text(" \n")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "picture.png").write_bytes(b"\x89PNG")
    before, path = contents(run), tmp_path / name
    command = {
        "train": (*training_command(path, run), "--resume=never"),
        "tokenizer train": ("tokenizer", "train", f"--input={path}", f"--output={run}"),
        "evaluate": ("evaluate", f"--preset={run}", f"--data={path}"),
    }[verb]
    code, line = bad(*command)
    assert code == 1 and complaint in line
    assert contents(run) == before


def test_text_shorter_than_a_row(bad, run, tmp_path):
    path = tmp_path / "short.txt"
    path.write_text("too short")
    before = contents(run)
    code, line = bad(*training_command(path, run), "--resume=never")
    # 8 of the 9 characters are for training, with the end of the text 9 tokens.
    assert code == 1 and line == (
        "the text has 9 tokens, too few for one window of sequence_length 16 and its "
        "labels: lower sequence_length or give more text"
    )
    assert contents(run) == before


def test_bytes_need_text_too(bad, tmp_path):
    (tmp_path / "empty.txt").write_text("")
    argv = (f"--input={tmp_path / 'empty.txt'}", f"--output={tmp_path / 'tok'}")
    code, line = bad("tokenizer", "train", *argv, "--kind=bytes")
    assert code == 1 and line.startswith("there is no text in ")


def test_bytes_that_are_not_utf8_are_replaced_and_counted(
    good, finished, tmp_path, caplog
):
    path = tmp_path / "latin.txt"
    path.write_bytes(b"caf\xe9 na\xefve")
    out = good("evaluate", f"--preset={finished.folder}", f"--data={path}")
    # U+FFFD has three bytes: 8 + 2 * 3 and the end of the text, but for the first.
    assert out.splitlines()[0] == "tokens            14"
    (record,) = [r for r in caplog.records if r.name.startswith("massivetext_keras")]
    assert record.getMessage() == (
        f"2 bytes were not UTF-8 and became U+FFFD, in 1 of 1 files: {path}"
    )


def test_a_vocabulary_that_the_text_does_not_support(bad, good, data, tmp_path):
    argv = (f"--input={data}", f"--output={tmp_path / 'tok'}")
    code, line = bad("tokenizer", "train", *argv, "--vocabulary_size=5000")
    start = "vocabulary_size=5000: this text supports at most "
    assert code == 1 and line.startswith(start)
    assert not (tmp_path / "tok").exists()
    largest = line.removeprefix(start).split(";")[0]
    out = good("tokenizer", "train", *argv, f"--vocabulary_size={largest}")
    assert out == f"{tmp_path / 'tok'}: {largest} tokens\n"


@pytest.mark.parametrize("verb", ["generate", "evaluate", "export", "train"])
def test_an_unknown_preset_names_the_nearest(bad, data, tmp_path, verb):
    command = {
        "generate": ("--prompt=a",),
        "evaluate": (f"--data={data}",),
        "export": (f"--output={tmp_path / 'out'}",),
        "train": (f"--data={data}", f"--run_dir={tmp_path / 'out'}"),
    }[verb]
    line = "'gtp_mini' is neither a preset nor a folder: did you mean 'gpt_mini'?"
    assert bad(verb, "--preset=gtp_mini", *command) == (2, line)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "argv, line",
    [
        (
            ("export", "--preset=bert_tiny", "--task=CasualLM"),
            "unknown task 'CasualLM': did you mean 'CausalLM'?",
        ),
        (
            ("finetune", "--preset=bert_tiny", "--task=TextClasifier", "--data=x.tsv"),
            "unknown task 'TextClasifier': did you mean 'TextClassifier'?",
        ),
        (
            ("train", "--preset=gpt_mini", "--strategy=mirored", "--data=x"),
            "unknown strategy 'mirored': did you mean 'mirrored'?",
        ),
        (
            (*TRAIN, "--mesh=data=2,tenser=2"),
            "unknown axis of a mesh 'tenser': did you mean 'tensor'?",
        ),
        (
            (*TRAIN, "--mesh=data:two"),
            "'data:two' is no number of devices along an axis: write data=2, each axis "
            "once",
        ),
        (
            (*TRAIN, "--mesh=data=2", "--strategy=mirrored"),
            "TrainConfig.mesh='data=2' and strategy='mirrored': give one, both say "
            "where it is trained",
        ),
        (
            (*TRAIN, "--shard_state=weights"),
            "TrainConfig.shard_state='weights' is for a mesh: give one, as "
            "mesh=data=2,tensor=2",
        ),
        (
            (*TRAIN, "--shard_sequence"),
            "TrainConfig.shard_sequence=True is for a mesh: give one, as "
            "mesh=data=2,tensor=2",
        ),
        *(
            (
                (*verb, f"--set=train.callbacks={STOPPING}", "--data=no.tsv"),
                "train.callbacks[0]: unknown argument of EarlyStopping 'patiense': "
                "did you mean 'patience'?",
            )
            for verb in (
                ("train", "--preset=gpt_mini"),
                ("train", "--preset=gpt_mini", "--dry_run"),
                ("finetune", "--preset=bert_tiny", "--task=TextClassifier"),
            )
        ),
    ],
)
def test_an_unknown_name_is_wrong_usage(bad, tmp_path, argv, line):
    folder = "--output" if argv[0] == "export" else "--run_dir"
    more = ["--tokenizer=bytes"] * (argv[0] != "export")
    assert bad(*argv, *more, f"{folder}={tmp_path / 'out'}") == (2, line)
    assert not (tmp_path / "out").exists()


def test_a_folder_of_an_unknown_task_is_no_wrong_usage(bad, run):
    config = run / "config.json"
    config.write_text(config.read_text().replace('"CausalLM"', '"CasualLM"'))
    code, line = bad("export", f"--preset={run}", f"--output={run / 'out'}")
    assert code == 1 and line.startswith(f"{run}: unknown task 'CasualLM': did you")


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-100])


@pytest.mark.parametrize(
    "name, damage, complaint",
    [
        ("config.json", Path.unlink, "is missing: "),
        ("config.json", cut, "is not JSON ("),
        ("model.safetensors", Path.unlink, "is missing: "),
        ("model.safetensors", cut, "half written or changed"),
        ("tokenizer_config.json", Path.unlink, "no tokenizer was saved here"),
        ("tokenizer_config.json", cut, "not JSON, perhaps half written ("),
    ],
)
def test_a_half_written_preset_is_refused(bad, run, name, damage, complaint):
    damage(run / name)
    before = contents(run)
    code, line = bad("generate", f"--preset={run}", "--prompt=a")
    assert code == 1 and f"{run / name}" in line and complaint in line
    assert contents(run) == before


def test_a_half_written_preset_exports_nothing(bad, run, tmp_path):
    cut(run / "model.safetensors")
    (tmp_path / "served").mkdir()
    (tmp_path / "served" / "old.txt").write_text("mine")
    argv = (f"--preset={run}", f"--output={tmp_path / 'served'}", "--overwrite")
    code, line = bad("export", *argv)
    assert code == 1 and "half written or changed" in line
    assert contents(tmp_path / "served") == {"old.txt": b"mine"}


def test_an_export_leaves_a_folder_that_is_not_empty(bad, run, tmp_path):
    (tmp_path / "served").mkdir()
    (tmp_path / "served" / "old.txt").write_text("mine")
    argv = (f"--preset={run}", f"--output={tmp_path / 'served'}")
    code, line = bad("export", *argv)
    assert code == 1 and line.startswith(f"{tmp_path / 'served'} is not empty: ")
    assert contents(tmp_path / "served") == {"old.txt": b"mine"}


def test_a_row_longer_than_the_context_is_refused(bad, data, tmp_path):
    command = training_command(data, tmp_path / "r")
    code, line = bad(*command, "--sequence_length=33")
    assert code == 1 and line == (
        "sequence_length 33 is more than the model's context of 32 tokens"
    )
