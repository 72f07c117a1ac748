"""From a command line to its exit code, its results and its one line of complaint."""

from __future__ import annotations

import contextlib
import functools
import io
import json
import logging
import math
import shutil
import subprocess
import sys
from importlib import metadata
from pathlib import Path
from types import SimpleNamespace

import keras
import numpy as np
import pytest
import tensorflow as tf

from massivetext_keras import __version__, cli, training
from massivetext_keras.configs import ExperimentConfig
from massivetext_keras.generation import decoding
from massivetext_keras.presets import PRESETS
from massivetext_keras.tasks import CausalLM, training_step
from massivetext_keras.training.curves import read_scalars

TEXT = "the cat sat on the mat, the dog sat on the log.\n" * 40
# In this order the width is for a moment no multiple of the preset's five heads.
TINY = (
    "--set=model.num_layers=1",
    "--set=model.hidden_size=16",
    "--set=model.num_heads=2",
    "--set=model.intermediate_size=32",
    "--set=model.max_length=32",
)
# The same in an order that gives a valid shape after each.
ORDERED = (TINY[0], TINY[2], TINY[1], *TINY[3:])
SMALL = (
    *ORDERED,
    "--batch_size=2",
    "--sequence_length=16",
    "--set=train.precision=float32",
    "--set=train.sample_every=0",
    "--set=optimizer.warmup_steps=1",
)
STEPS = ("--steps=4", "--checkpoint_every=2")


@pytest.fixture(scope="module", autouse=True)
def quick():
    """Spares XLA's compilation, which is not what is tested, and keeps the policy."""
    policy = keras.config.dtype_policy()
    plain = functools.partial(tf.function, autograph=False)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(training_step, "island", lambda function: function)
        patch.setattr(decoding, "island", plain)
        yield
    keras.config.set_dtype_policy(policy)


@pytest.fixture(autouse=True)
def float32():
    keras.config.set_dtype_policy("float32")


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("cli")
    (folder / "text.txt").write_text(TEXT)
    return folder


@pytest.fixture(scope="module")
def data(place) -> str:
    return str(place / "text.txt")


@pytest.fixture(scope="module")
def finished(place, data) -> SimpleNamespace:
    """A run on bytes of four updates: its folder, and what it printed."""
    folder, out = place / "run", io.StringIO()
    arguments = [f"--data={data}", "--tokenizer=bytes", f"--run_dir={folder}"]
    with contextlib.redirect_stdout(out):
        assert cli.run(["train", *arguments, *SMALL, *STEPS]) == 0
    return SimpleNamespace(folder=folder, out=out.getvalue())


@pytest.fixture
def run(finished, tmp_path) -> Path:
    """A copy of it that a test may break."""
    return shutil.copytree(finished.folder, tmp_path / "run")


@pytest.fixture(scope="module")
def lm(finished) -> CausalLM:
    return CausalLM.from_preset(str(finished.folder))


@pytest.fixture
def good(capsys):
    """Runs a command that works and gives what it printed."""

    def call(*argv) -> str:
        capsys.readouterr()
        assert cli.run([str(word) for word in argv]) == 0
        return capsys.readouterr().out

    return call


@pytest.fixture
def bad(capsys):
    """Runs a command that fails and gives its exit code and its line of complaint."""

    def call(*argv) -> tuple[int, str]:
        capsys.readouterr()
        code = cli.run([str(word) for word in argv])
        out, err = capsys.readouterr()
        lines = [line for line in err.splitlines() if line.startswith("massivetext: ")]
        assert len(lines) == 1 and err.endswith(lines[0] + "\n")
        assert out == "" and "Traceback" not in err
        return code, lines[0].removeprefix("massivetext: ")

    return call


def contents(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


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
    assert shown == [f"--{flag.name}" for flag in cli.VERBS[name].flags]
    required = [flag for flag in cli.VERBS[name].flags if flag.default is cli.REQUIRED]
    assert " ".join(out.split()).count("(required)") == len(required)
    assert max(map(len, lines)) <= 80


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
        (["tokenizer"], "unknown verb 'tokenizer': did you mean 'tokenizer train'?"),
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
    assert header.split() == ["name", "parameters", "layers", "size", "context"]
    assert [row.split()[0] for row in rows] == list(PRESETS)
    (row,) = [row for row in rows if row.startswith("gpt2_small ")]
    assert row.split()[1:] == ["124,439,808", "12", "768", "1,024"]
    table = json.loads(good("presets", "--json"))
    assert table == {name: config.to_dict() for name, config in PRESETS.items()}


def test_the_program_starts_without_tensorflow():
    command = [sys.executable, "-X", "importtime", "-m", "massivetext_keras", "presets"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0
    assert len(done.stdout.splitlines()) == 1 + len(PRESETS)
    imported = {line.split("|")[-1].strip() for line in done.stderr.splitlines()}
    assert "massivetext_keras.cli" in imported
    assert not {"tensorflow", "keras", "numpy", "matplotlib"} & imported


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


@pytest.fixture
def settings(monkeypatch, good):
    """What `train` would be called with."""
    calls = []

    def train(experiment, files, tokenizer, run_dir, preset, resume):
        calls.append(
            SimpleNamespace(
                experiment=experiment,
                files=files,
                tokenizer=tokenizer,
                run_dir=run_dir,
                preset=preset,
                resume=resume,
            )
        )
        return SimpleNamespace(count_params=lambda: 1234)

    monkeypatch.setattr(training, "train", train)

    def call(*argv):
        argv = ("--data=a,b/*.txt", "--tokenizer=bytes", "--run_dir=r", *argv)
        assert good("train", *argv) == "r: 1,234 parameters\n"
        return calls.pop()

    return call


def test_default_then_preset_then_config_then_flag_then_set(settings, tmp_path):
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
        "--resume=never",
    )
    model, experiment = call.experiment.model, call.experiment
    assert model == PRESETS["gpt_nano"].replace(vocabulary_size=259, dropout=0.25)
    assert (experiment.data.batch_size, experiment.data.seed) == (4, 8)
    assert (experiment.train.steps, experiment.train.seed) == (5, 9)
    assert experiment.optimizer.learning_rate == 0.01
    assert experiment.optimizer.beta_2 == ExperimentConfig().optimizer.beta_2
    assert (call.files, call.preset, call.resume) == (["a", "b/*.txt"], None, False)
    assert settings("--preset=gpt_nano").resume is True


def test_a_runs_experiment_gives_the_same_settings_again(settings, finished):
    path = finished.folder / "experiment.json"
    call = settings(f"--config={path}")
    assert call.experiment.to_dict() == json.loads(path.read_text())
    assert call.experiment.model.hidden_size == 16
    assert call.experiment.train.steps == 4


def test_the_order_of_set_does_not_matter(settings):
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
    assert code != 0 and complaint == line
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


# Training


def test_a_run_is_a_preset_with_its_record(finished):
    folder = finished.folder
    config = json.loads((folder / "config.json").read_text())
    assert (config["format"], config["task"]) == ("massivetext_keras", "CausalLM")
    assert config["model"]["vocabulary_size"] == 259
    assert config["model"]["num_layers"] == 1
    experiment = json.loads((folder / "experiment.json").read_text())
    assert experiment["train"]["steps"] == 4
    names = {path.name for path in folder.iterdir()}
    assert {"model.safetensors", "tokenizer_config.json", "train"} <= names
    steps = sorted(path.name for path in (folder / "checkpoints").iterdir())
    assert steps == ["step_00000002", "step_00000004"]
    assert list(read_scalars(folder / "validation", "loss")) == [4]


def test_the_result_alone_is_on_standard_output(finished):
    # 259 + 32 rows of 16; a block of 2 norms, 4 projections and 2 layers; a last norm.
    count = (259 + 32) * 16 + (4 * 16 + 4 * (256 + 16) + 2 * 512 + 32 + 16) + 32
    assert finished.out.splitlines()[-1] == f"{finished.folder}: {count:,} parameters"
    assert finished.out == f"{finished.folder}: {count:,} parameters\n"


def test_the_same_command_goes_on_bit_for_bit(good, run, finished, data):
    # As it was when the process was killed after its first checkpoint.
    for name in ("config.json", "model.safetensors", "tokenizer_config.json"):
        (run / name).unlink()
    shutil.rmtree(run / "checkpoints" / "step_00000004")
    argv = (f"--data={data}", "--tokenizer=bytes", f"--run_dir={run}", *SMALL, *STEPS)
    good("train", *argv, "--resume=auto")
    expected = (finished.folder / "model.safetensors").read_bytes()
    assert (run / "model.safetensors").read_bytes() == expected
    assert contents(run)["config.json"] == contents(finished.folder)["config.json"]


def test_resume_never_starts_anew(good, run, finished, data, caplog):
    caplog.set_level(logging.INFO)
    argv = (f"--data={data}", "--tokenizer=bytes", f"--run_dir={run}", *SMALL)
    good("train", *argv, "--steps=1", "--seed=5", "--resume=never")
    assert "going on after step" not in caplog.text
    steps = {path.name for path in (run / "checkpoints").glob("step_*")}
    assert steps == {"step_00000001"}
    before = (finished.folder / "model.safetensors").read_bytes()
    assert (run / "model.safetensors").read_bytes() != before


def test_a_checkpoint_of_another_model_is_refused(bad, run, data):
    before = contents(run)
    argv = (f"--data={data}", "--tokenizer=bytes", f"--run_dir={run}", *SMALL)
    code, line = bad("train", *argv, "--steps=9", "--set=model.num_layers=2")
    assert code == 1 and "num_layers is 1 there and 2 here" in line
    assert contents(run) == before


@pytest.fixture(scope="module")
def pieces(place, data) -> SimpleNamespace:
    """A run with a vocabulary of its own: both folders, and what was printed."""
    vocabulary, folder, out = place / "vocabulary", place / "pieces", io.StringIO()
    argv = (f"--input={data}", f"--output={vocabulary}", "--vocabulary_size=290")
    with contextlib.redirect_stdout(out):
        assert cli.run(["tokenizer", "train", *argv]) == 0
    argv = (f"--data={data}", f"--tokenizer={vocabulary}", f"--run_dir={folder}")
    assert cli.run(["train", *argv, *SMALL, "--steps=3"]) == 0
    return SimpleNamespace(vocabulary=vocabulary, folder=folder, out=out.getvalue())


def test_from_text_to_text_with_a_trained_vocabulary(good, data, pieces):
    assert pieces.out == f"{pieces.vocabulary}: 290 tokens\n"
    for name in ("tokenizer.model", "tokenizer_config.json"):
        assert contents(pieces.folder)[name] == contents(pieces.vocabulary)[name]
    config = json.loads((pieces.folder / "config.json").read_text())
    assert config["model"]["vocabulary_size"] == 290
    out = good("evaluate", f"--preset={pieces.folder}", f"--data={data}")
    names = [line[:14].strip() for line in out.splitlines()]
    assert names == ["tokens", "nats per token", "perplexity", "bits per byte"]
    argv = (f"--preset={pieces.folder}", "--prompt=the cat", "--max_new_tokens=5")
    text = good("generate", *argv, "--temperature=0")
    lm = CausalLM.from_preset(str(pieces.folder))
    assert text == lm.generate("the cat", max_new_tokens=5, temperature=0.0) + "\n"


@pytest.mark.slow
def test_an_export_takes_the_place_of_a_folder_with_overwrite(good, pieces, tmp_path):
    served = tmp_path / "served"
    served.mkdir()
    (served / "old.txt").write_text("theirs")
    out = good(
        "export", f"--preset={pieces.folder}", f"--output={served}", "--overwrite"
    )
    assert out == f"{served}: signatures generate, generate_compiled, score\n"
    assert not (served / "old.txt").exists()
    generate = tf.saved_model.load(str(served)).signatures["serving_default"]
    answer = generate(prompt=tf.constant(["the cat"]))["text"].numpy()[0].decode()
    lm = CausalLM.from_preset(str(pieces.folder))
    # 31 is the most that the context of 32 leaves of the 64 tokens it writes.
    assert answer == lm.generate("the cat", max_new_tokens=31, temperature=0.0)


# Evaluation


def test_evaluate_prints_the_likelihood_of_the_text(good, finished, lm, tmp_path):
    (tmp_path / "text.txt").write_text("the cat sat")
    out = good("evaluate", f"--preset={finished.folder}", f"--data={tmp_path}")
    ids = [byte + 3 for byte in b"the cat sat"] + [2]
    logits = lm({"token_ids": [ids[:-1]]}).numpy()[0].astype("float64")
    chances = logits - np.log(np.exp(logits).sum(-1, keepdims=True))
    nats = -chances[np.arange(11), ids[1:]].sum()
    assert out.splitlines() == [
        "tokens            11",
        f"nats per token    {nats / 11:.4f}",
        f"perplexity        {math.exp(nats / 11):.4f}",
        f"bits per byte     {nats / math.log(2) / 10:.4f}",
    ]


@pytest.mark.parametrize("flag", ["--sequence_length=64", "--batch_size=0"])
def test_evaluate_refuses_what_the_model_cannot_take(bad, finished, data, flag):
    code, line = bad("evaluate", f"--preset={finished.folder}", f"--data={data}", flag)
    assert code != 0 and flag.split("=")[0].strip("-") in line


# Writing


def test_generate_writes_the_known_story(good, data_dir):
    folder = data_dir / "weights" / "stories260K"
    argv = ("--prompt=Once upon a time", "--max_new_tokens=120", "--temperature=0")
    out = good("generate", f"--preset=hf:{folder}", *argv)
    assert out == (folder / "greedy.txt").read_text() + "\n"


def test_generate_prints_a_text_a_prompt_in_their_order(good, finished, lm, capsys):
    preset = f"--preset={finished.folder}"
    prompts, argv = ["the", "a cat", ""], ("--max_new_tokens=4", "--seed=3")
    texts = lm.generate(prompts, max_new_tokens=4, seed=3)
    flags = [f"--prompt={prompt}" for prompt in prompts]
    assert good("generate", preset, *flags, *argv) == "\n".join(texts) + "\n"
    lines = good("generate", preset, *flags, *argv, "--json").splitlines()
    expected = [{"prompt": p, "text": t} for p, t in zip(prompts, texts, strict=True)]
    assert [json.loads(line) for line in lines] == expected


def test_generate_reads_prompts_from_standard_input(good, finished, lm, monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.StringIO("the\n\na cat\n"))
    argv = ("--max_new_tokens=4", "--temperature=0", "--json")
    lines = good("generate", f"--preset={finished.folder}", *argv).splitlines()
    texts = lm.generate(["the", "", "a cat"], max_new_tokens=4, temperature=0.0)
    assert [json.loads(line)["text"] for line in lines] == texts


def test_generate_several_samples(good, finished, lm):
    argv = (f"--preset={finished.folder}", "--prompt=the", "--max_new_tokens=4")
    argv += ("--seed=3", "--num_samples=3", "--noinclude_prompt")
    options = {"max_new_tokens": 4, "seed": 3, "include_prompt": False}
    (texts,) = lm.generate(["the"], num_samples=3, **options)
    assert len(set(texts)) > 1
    assert good("generate", *argv) == "\n".join(texts) + "\n"
    assert json.loads(good("generate", *argv, "--json")) == {
        "prompt": "the",
        "text": texts,
    }


def test_a_stream_joins_to_the_text(good, bad, finished, lm):
    argv = (f"--preset={finished.folder}", "--max_new_tokens=12", "--seed=3")
    text = lm.generate("the", max_new_tokens=12, seed=3)
    assert good("generate", *argv, "--prompt=the", "--stream") == text + "\n"
    for wrong in (("--prompt=a", "--prompt=b"), ("--prompt=a", "--num_samples=2")):
        line = "--stream takes one prompt and no --num_samples"
        assert bad("generate", *argv, "--stream", *wrong) == (2, line)


def test_a_prompt_longer_than_the_context_keeps_its_end(good, finished, lm, caplog):
    prompt = "the cat " * 10
    argv = (f"--prompt={prompt}", "--max_new_tokens=4", "--temperature=0")
    out = good("generate", f"--preset={finished.folder}", *argv)
    (record,) = [r for r in caplog.records if r.name.startswith("massivetext_keras")]
    assert record.levelname == "WARNING" and record.getMessage() == (
        "prompt 0 has 80 tokens; with 4 new ones the context of 32 has room for its "
        "last 28"
    )
    end = lm.generate(prompt[-28:], max_new_tokens=4, temperature=0.0)
    assert out == prompt[:-28] + end + "\n"


@pytest.mark.parametrize(
    "flag, line",
    [
        (
            "--max_new_tokens=32",
            "max_new_tokens must be at least 0 and below the "
            "context of 32 tokens, got 32",
        ),
        (
            "--max_new_tokens=-1",
            "max_new_tokens must be at least 0 and below the "
            "context of 32 tokens, got -1",
        ),
        ("--temperature=-1", "temperature must be at least 0, got -1.0"),
        ("--num_samples=0", "num_samples must be positive, got 0"),
        ("--stop=", "a stop string is empty: it would end every text at once"),
    ],
)
def test_generate_refuses_what_makes_no_sense(bad, finished, flag, line):
    argv = (f"--preset={finished.folder}", "--prompt=a", flag)
    assert bad("generate", *argv) == (1, line)


# Bad input


def training_command(data, folder) -> tuple[str, ...]:
    argv = (f"--data={data}", "--tokenizer=bytes", f"--run_dir={folder}")
    return ("train", *argv, *SMALL, "--steps=9")


@pytest.mark.parametrize(
    "name, complaint",
    [
        ("empty.txt", "there is no text in "),
        ("folder", "holds no text files (.txt .md .rst .jsonl, also .gz)"),
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
        "train": training_command(path, run),
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
    code, line = bad(*training_command(path, run))
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
    assert bad(verb, "--preset=gtp_mini", *command) == (1, line)
    assert not (tmp_path / "out").exists()


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
