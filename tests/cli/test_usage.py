"""The program: its verbs, flags and settings."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib import metadata

import pytest
import tensorflow as tf

from massivetext_keras import __version__, cli
from massivetext_keras.architecture.shapes import PRESETS
from massivetext_keras.cli.program import parse
from massivetext_keras.cli.training import Run, run_of
from massivetext_keras.experiment import ExperimentConfig
from massivetext_keras.tokenizers import ByteTokenizer
from tests.cli.tiny import ORDERED, TINY
from tests.outside import installed

# The command line


@pytest.mark.parametrize("argv", [[], ["--help"], ["-h"]])
def test_the_overview_lists_the_verbs(good, argv):
    lines = good(*argv).splitlines()
    for name, verb in cli.VERBS.items():
        (line,) = [line for line in lines if line.startswith(f"  {name} ")]
        assert line.endswith(f" {verb.summary}")
    assert {"train", "evaluate", "generate", "export", "doctor"} <= set(cli.VERBS)


@pytest.mark.parametrize("name", cli.VERBS)
def test_help_lists_the_flags(good, capsys, name):
    out = good(*name.split(), "--help")
    lines = out.splitlines()
    shown = [line.strip() for line in lines if line.startswith("  --")]
    assert sorted(shown) == sorted(f"--{flag.name}" for flag in cli.VERBS[name].flags)
    required = [flag for flag in cli.VERBS[name].flags if flag.default is cli.REQUIRED]
    assert " ".join(out.split()).count("(required)") == len(required)
    assert max(map(len, lines)) <= 80


def test_a_run_ends_after_steps_or_by_the_clock_not_both(bad):
    words = ["train", "--data=x", "--tokenizer=bytes", "--run_dir=y"]
    code, said = bad(*words, "--steps=3", "--minutes=5")
    assert code == 2 and "--steps and --minutes: give one" in said


def test_train_and_generate_have_the_flags_of_the_design():
    names = {flag.name for flag in cli.VERBS["train"].flags}
    wanted = "preset data tokenizer run_dir strategy steps batch_size sequence_length"
    assert {*wanted.split(), "checkpoint_every", "seed", "resume"} <= names


def test_version(good):
    assert good("--version") == f"{__version__}\n"


@pytest.mark.parametrize(
    "argv, line",
    [
        (["genrate"], "unknown verb 'genrate': did you mean 'generate'?"),
        (["tokenizer"], "'tokenizer' is followed by another word: tokenizer train"),
        (
            ["corpus", "bild"],
            "unknown verb 'corpus bild': did you mean 'corpus build'?",
        ),
        (["train", "--run_dri=x"], "unknown flag --run_dri: did you mean 'run_dir'?"),
        (["presets", "--jsno"], "unknown flag --jsno: did you mean 'json'?"),
        (["presets", "all"], "'all' belongs to no flag; see presets --help"),
        (["--preset=x"], "the verb comes first, then --preset=x; see --help"),
        (["generate"], "--preset is required; see generate --help"),
        (["train", "--run_dir=x"], "--data is required; see train --help"),
        (["train", "--data=x"], "--run_dir is required; see train --help"),
        (
            ["tokenizer", "train", "--input=x"],
            "--output is required; see tokenizer train --help",
        ),
        (["export", "--preset=x"], "--output is required; see export --help"),
        (
            ["generate", "--preset=x", "--temperature=-1"],
            "--temperature=-1.0 must be at least 0; see generate --help",
        ),
        (
            ["generate", "--preset=x", "--top_p=nan"],
            "--top_p=nan must be above 0 and at most 1; see generate --help",
        ),
        (
            ["train", "--data=x", "--run_dir=y", "--steps=-1"],
            "--steps=-1 must be at least 0; see train --help",
        ),
        (
            ["compare", "a", "b", "--samples=0"],
            "--samples=0 must be at least 1; see compare --help",
        ),
        (
            ["corpus", "build", "--input=a", "--output=b", "--test_fraction=5"],
            "--test_fraction=5.0 must be at least 0 and at most 1; see corpus build "
            "--help",
        ),
    ],
)
def test_wrong_usage_exits_with_two(bad, argv, line):
    assert bad(*argv) == (2, line)


@pytest.mark.parametrize(
    "flag, words",
    [
        ("--steps=many", ("--steps", "'many'")),
        ("--steps=1.5", ("--steps", "'1.5'")),
        ("--resume=maybe", ("--resume", "auto|never")),
    ],
)
def test_a_value_of_the_wrong_type_exits_with_two(bad, flag, words):
    code, line = bad("train", "--data=x", "--run_dir=y", flag)
    assert code == 2 and all(word in line for word in words)
    assert line.endswith("; see train --help")


def test_presets(good):
    header, *rows = good("presets").splitlines()
    columns = "name stack parameters layers size context paper"
    assert header.split() == columns.split()
    assert [row.split()[0] for row in rows] == list(PRESETS)
    found = {row.split()[0]: row.split(maxsplit=6)[1:] for row in rows}
    assert found["gpt2_small"] == [
        *["decoder", "124,439,808", "12", "768", "1,024"],
        "GPT-2: Radford et al., 2019",
    ]
    assert found["t5_small"] == [
        *["encoder_decoder", "60,506,624", "6+6", "512", "512"],
        "T5: Raffel et al., 2020",
    ]
    table = json.loads(good("presets", "--json"))
    assert list(table) == list(PRESETS)
    assert table["bert_tiny"]["parameters"] == 4_385_920
    assert table["bert_tiny"]["model"] == PRESETS["bert_tiny"].to_dict()


def test_shapes_from_outside_are_presets(good, bad, tmp_path):
    source = (
        "from massivetext_keras.architecture.shapes import preset\n"
        "FLAT = preset('gpt_nano').replace(num_layers=1)\n"
    )
    points = {"massivetext_keras.shapes:flat": "FLAT"}
    with installed(tmp_path, "flat_shapes", source, points) as module:
        row = good("presets").splitlines()[-1]
        assert json.loads(good("presets", "--json"))["flat"]["paper"] is None
        call = settings(f"--preset={module}:FLAT")
        wrong = bad("generate", f"--preset={module}:FLAD", "--prompt=a")
    assert row.split(maxsplit=6) == [
        *["flat", "decoder", "1,904,384", "1", "256", "256", "another package's"]
    ]
    expected = PRESETS["gpt_nano"].replace(num_layers=1, vocabulary_size=259)
    assert (call.experiment.model, call.weights) == (expected, None)
    line = f"preset '{module}:FLAD': {module} has no such value; did you mean 'FLAT'?"
    assert wrong == (2, line)


@pytest.mark.parametrize("name", ["runs:1", "hf:1"])
def test_a_folder_with_a_colon_is_no_shape(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "runs:1").mkdir()
    assert settings(f"--preset={name}").weights == name


def test_the_program_starts_without_tensorflow():
    command = [sys.executable, "-X", "importtime", "-m", "massivetext_keras", "presets"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0
    assert len(done.stdout.splitlines()) == 1 + len(PRESETS)
    imported = {line.split("|")[-1].strip() for line in done.stderr.splitlines()}
    assert "massivetext_keras.cli" in imported
    assert not {"tensorflow", "keras", "numpy", "matplotlib"} & imported


def test_a_reader_may_stop_early():
    command = f"{sys.executable} -m massivetext_keras presets --json | head -c 1"
    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", command], capture_output=True, text=True
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "{", "")


def test_the_console_script_is_main(monkeypatch):
    (script,) = metadata.entry_points(group="console_scripts", name="massivetext")
    assert script.load() is cli.main
    monkeypatch.setattr(sys, "argv", ["massivetext", "genrate"])
    with pytest.raises(SystemExit) as stop:
        cli.main()
    assert stop.value.code == 2


def test_doctor(good):
    lines = good("doctor").splitlines()
    assert lines[0].startswith("python 3.")
    assert f"tensorflow {tf.__version__}" in lines


# Settings


def settings(*argv: str) -> Run:
    """What `train` trains with some flags."""
    argv = ("--data=a,b/*.txt", "--tokenizer=bytes", "--run_dir=r", *argv)
    return run_of(**parse(cli.VERBS["train"], argv)["what"])


def test_default_then_preset_then_config_then_flag_then_set(tmp_path):
    path = tmp_path / "experiment.json"
    path.write_text(
        json.dumps(
            {
                "model": {"dropout": 0.25},
                "data": {"batch_size": 3, "seed": 8},
                "optimizer": {"learning_rate": 0.5},
                "train": {"steps": 5, "seed": 6},
            }
        )
    )
    call = settings(
        "--preset=gpt_nano",
        f"--config={path}",
        "--batch_size=4",
        "--seed=7",
        "--set=train.seed=9",
        "--set=optimizer.learning_rate=1e-2",
    )
    model, experiment = call.experiment.model, call.experiment
    assert model == PRESETS["gpt_nano"].replace(vocabulary_size=259, dropout=0.25)
    assert (experiment.data.batch_size, experiment.data.seed) == (4, 8)
    assert (experiment.train.steps, experiment.train.seed) == (5, 9)
    assert experiment.optimizer.learning_rate == 0.01
    assert experiment.optimizer.beta_2 == ExperimentConfig().optimizer.beta_2
    assert (call.files, call.weights) == (["a", "b/*.txt"], None)
    assert isinstance(call.tokenizer, ByteTokenizer)


@pytest.mark.parametrize(
    ("flags", "resume"), [((), "auto"), (("--resume=never",), "never")]
)
def test_a_run_goes_on_unless_it_is_told_not_to(flags, resume):
    needed = ("--data=a", "--tokenizer=bytes", "--run_dir=r")
    assert parse(cli.VERBS["train"], [*needed, *flags])["resume"] == resume


def test_a_runs_experiment_gives_the_same_settings_again(finished):
    path = finished.folder / "experiment.json"
    call = settings(f"--config={path}")
    said = json.loads(json.dumps(call.experiment.to_dict()))  # lists for tuples
    assert said == json.loads(path.read_text())
    assert call.experiment.model.hidden_size == 16
    assert call.experiment.train.steps == 4


def test_the_task_of_an_older_version_is_found(tmp_path):
    path = tmp_path / "experiment.json"
    path.write_text(json.dumps({"train": {"task": "MaskedLM", "steps": 5}}))
    found = settings("--preset=bert_tiny", f"--config={path}").experiment
    assert (found.task.name, found.train.steps) == ("MaskedLM", 5)
    task = "--task=ReplacedTokenDetector"
    named = settings("--preset=bert_tiny", f"--config={path}", task)
    assert named.experiment.task.name == "ReplacedTokenDetector"


def test_the_order_of_set_does_not_matter():
    assert settings(*TINY).experiment == settings(*ORDERED).experiment


@pytest.mark.parametrize(
    "assignment, line",
    [
        ("train.step=1", "unknown field of TrainConfig 'step': did you mean 'steps'?"),
        (
            "modle.dropout=0",
            "unknown field of ExperimentConfig 'modle': did you mean 'model'?",
        ),
        ("train.steps", "'train.steps' is not of the form field=value"),
        ("train.steps=x", "TrainConfig.steps must be int, got 'x' (str)"),
    ],
)
def test_a_wrong_set_names_the_nearest(bad, data, tmp_path, assignment, line):
    argv = (f"--data={data}", "--tokenizer=bytes", f"--run_dir={tmp_path / 'r'}")
    code, complaint = bad("train", *argv, f"--set={assignment}")
    assert (code, complaint) == (2, line)
    assert not (tmp_path / "r").exists()


@pytest.mark.parametrize("text", [None, '{"train": ', "[1]", '{"train": 3}'])
def test_a_wrong_config_file_is_named(bad, data, tmp_path, text):
    path = tmp_path / "experiment.json"
    if text is not None:
        path.write_text(text)
    argv = (f"--data={data}", "--tokenizer=bytes", f"--run_dir={tmp_path / 'r'}")
    code, line = bad("train", *argv, f"--config={path}")
    assert code != 0 and "experiment.json" in line


def test_a_shape_needs_a_tokenizer(bad, data, tmp_path):
    code, line = bad("train", f"--data={data}", f"--run_dir={tmp_path / 'r'}")
    assert code == 2 and line.startswith("--tokenizer is needed to train from a shape")


def test_settings_of_the_model_reach_a_preset_folder_or_are_refused(
    run, data, tmp_path, capsys
):
    argv = [f"--preset={run}", f"--data={data}", f"--run_dir={tmp_path / 'next'}"]
    argv += ["--steps=0", "--sequence_length=16", "--set=model.dropout=0.25"]
    if cli.run(["train", *argv]) == 0:
        config = json.loads((tmp_path / "next" / "config.json").read_text())
        assert config["model"]["dropout"] == 0.25
    else:
        assert "model.dropout" in capsys.readouterr().err
