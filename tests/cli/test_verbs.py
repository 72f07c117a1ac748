"""What the verbs do."""

from __future__ import annotations

import contextlib
import io
import json
import logging
import math
import shutil
import sys
from types import SimpleNamespace

import numpy as np
import pytest
import tensorflow as tf

from massivetext_keras import cli
from massivetext_keras.cli import generation
from massivetext_keras.cli.program import parse
from massivetext_keras.cli.shell.results import write
from massivetext_keras.tasks import CausalLM
from massivetext_keras.training.watching.curves import read_scalars
from tests.cli.tiny import SMALL, STEPS, contents

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


def test_a_dry_run_prints_what_training_takes_and_writes_nothing(good, data, tmp_path):
    argv = (f"--data={data}", "--tokenizer=bytes", f"--run_dir={tmp_path}/new")
    out = good("train", *argv, *SMALL, "--steps=50", "--dry_run")
    found = {line[:17].strip(): line[17:] for line in out.splitlines()}
    # As the run of the tests has; see above.
    count = (259 + 32) * 16 + (4 * 16 + 4 * (256 + 16) + 2 * 512 + 32 + 16) + 32
    assert found["parameters"] == f"{count:,}"
    assert found["tokens"] == "1,600"
    assert "measured over 3" in found["hours"]
    assert list(tmp_path.iterdir()) == []


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
    names = "generate, generate_compiled, chat, complete, complete_chat, count, score"
    assert out == f"{served}: signatures {names}\n"
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
    lines = [line.rsplit(maxsplit=1) for line in out.splitlines()]
    assert [name for name, _ in lines] == [
        "tokens",
        "nats per token",
        "perplexity",
        "bits per byte",
    ]
    expected = [11, nats / 11, math.exp(nats / 11), nats / math.log(2) / 10]
    assert [float(value) for _, value in lines] == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("flag", ["--sequence_length=64", "--batch_size=0"])
def test_evaluate_refuses_what_the_model_cannot_take(bad, finished, data, flag):
    code, line = bad("evaluate", f"--preset={finished.folder}", f"--data={data}", flag)
    assert code != 0 and flag.split("=")[0].strip("-") in line


# Writing


@pytest.fixture
def written(lm, capsys):
    """What `generate` prints with flags, of a model that is loaded once for all."""

    def call(*flags) -> str:
        arguments = parse(cli.VERBS["generate"], ["--preset=run", *flags])
        asked = arguments["prompt"], arguments["stream"]
        capsys.readouterr()
        found = generation.texts(lm, *asked, **arguments["how"])
        write(lambda: found, arguments["json"])
        return capsys.readouterr().out

    return call


def test_an_export_to_another_form_is_read_again(good, bad, data_dir, tmp_path):
    pytest.importorskip("gguf", reason="pip install 'massivetext-keras[gguf]'")
    folder, file = data_dir / "weights" / "stories260K", tmp_path / "stories.gguf"
    argv = ("export", f"--preset=hf:{folder}", f"--output={file}", "--format=gguf")
    assert good(*argv, "--weight_type=q8_0") == f"{file}: a CausalLM as gguf\n"
    assert 270_000 < file.stat().st_size < 700_000
    code, line = bad(*argv)
    assert (code, line) == (1, f"{file} is there: choose another name, or overwrite it")
    code, line = bad(*argv[:2], f"--output={tmp_path}/1", "--format=ggguf")
    assert code == 2 and "unknown format 'ggguf': did you mean 'gguf'?" in line


def test_generate_writes_the_known_story(good, data_dir):
    folder = data_dir / "weights" / "stories260K"
    argv = ("--prompt=Once upon a time", "--max_new_tokens=120", "--temperature=0")
    out = good("generate", f"--preset=hf:{folder}", *argv)
    assert out == (folder / "greedy.txt").read_text() + "\n"


def test_generate_prints_a_text_a_prompt_in_their_order(good, finished, written, lm):
    preset = f"--preset={finished.folder}"
    prompts, argv = ["the", "a cat", ""], ("--max_new_tokens=4", "--seed=3")
    texts = lm.generate(prompts, max_new_tokens=4, seed=3)
    flags = [f"--prompt={prompt}" for prompt in prompts]
    assert good("generate", preset, *flags, *argv) == "\n".join(texts) + "\n"
    lines = written(*flags, *argv, "--json").splitlines()
    expected = [{"prompt": p, "text": t} for p, t in zip(prompts, texts, strict=True)]
    assert [json.loads(line) for line in lines] == expected


def test_generate_reads_prompts_from_standard_input(good, finished, lm, monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.StringIO("the\n\na cat\n"))
    argv = ("--max_new_tokens=4", "--temperature=0", "--json")
    lines = good("generate", f"--preset={finished.folder}", *argv).splitlines()
    texts = lm.generate(["the", "", "a cat"], max_new_tokens=4, temperature=0.0)
    assert [json.loads(line)["text"] for line in lines] == texts


def test_generate_several_samples(written, lm):
    argv = ("--prompt=the", "--max_new_tokens=4")
    argv += ("--seed=3", "--num_samples=3", "--noinclude_prompt")
    options = {"max_new_tokens": 4, "seed": 3, "include_prompt": False}
    (texts,) = lm.generate(["the"], num_samples=3, **options)
    assert len(set(texts)) > 1
    assert written(*argv) == "\n".join(texts) + "\n"
    assert json.loads(written(*argv, "--json")) == {"prompt": "the", "text": texts}


def test_a_stream_joins_to_the_text(written, lm):
    argv = ("--max_new_tokens=12", "--seed=3", "--stream")
    text = lm.generate("the", max_new_tokens=12, seed=3)
    assert written(*argv, "--prompt=the") == text + "\n"
    for wrong in (("--prompt=a", "--prompt=b"), ("--prompt=a", "--num_samples=2")):
        with pytest.raises(cli.UsageError) as error:
            written(*argv, *wrong)
        assert str(error.value) == "--stream takes one prompt and no --num_samples"


def test_a_prompt_longer_than_the_context_keeps_its_end(written, lm, caplog):
    prompt = "the cat " * 10
    out = written(f"--prompt={prompt}", "--max_new_tokens=4", "--temperature=0")
    (record,) = [r for r in caplog.records if r.name.startswith("massivetext_keras")]
    assert record.levelname == "WARNING" and record.getMessage() == (
        "prompt 0 has 80 tokens; with 4 new ones the context of 32 has room for its "
        "last 28"
    )
    end = lm.generate(prompt[-28:], max_new_tokens=4, temperature=0.0)
    assert out == prompt[:-28] + end + "\n"


@pytest.mark.parametrize(
    "flags, line",
    [
        (
            ["--max_new_tokens=32"],
            "max_new_tokens must be at least 0 and below the "
            "context of 32 tokens, got 32",
        ),
        (
            ["--max_new_tokens=4", "--stop="],
            "a stop string is empty: it would end every text at once",
        ),
    ],
)
def test_generate_refuses_what_makes_no_sense(bad, finished, flags, line):
    argv = (f"--preset={finished.folder}", "--prompt=a", *flags)
    assert bad("generate", *argv) == (1, line)


@pytest.mark.slow
def test_an_encoder_from_text_to_text(good, data, tmp_path):
    argv = ("--preset=bert_tiny", f"--data={data}", "--tokenizer=bytes", *SMALL)
    run, served = tmp_path / "run", tmp_path / "served"
    good("train", *argv, f"--run_dir={run}", "--steps=3", "--set=train.sample_every=1")
    config = json.loads((run / "config.json").read_text())
    assert config["task"] == "MaskedLM"
    assert config["model"]["vocabulary_size"] == 260  # the bytes' 259, and the mask
    out = good("export", f"--preset={run}", f"--output={served}")
    assert out == f"{served}: signatures fill_mask, score\n"
    argv = (f"--preset={run}", f"--output={served}", "--overwrite")
    out = good("export", *argv, "--task=TextEmbedder")
    assert out == f"{served}: signatures embed\n"
