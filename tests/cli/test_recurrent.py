"""Recurrent models on the command line."""

from __future__ import annotations

import json

import pytest

SMALL = ("--set=model.hidden_size=8", "--set=model.max_length=32")
TRAIN = ("--tokenizer=bytes", "--sequence_length=8", "--batch_size=2", *SMALL)


def test_a_run_is_planned_and_trained_and_writes(good, tmp_path):
    text, run = tmp_path / "text.txt", f"--run_dir={tmp_path / 'run'}"
    text.write_text("abcd " * 60)
    named = ("train", "--preset=lstm_small", f"--data={text}", run, *TRAIN)
    lines = good(*named, "--steps=2", "--dry_run").splitlines()
    # Embeddings, two layers of four gates, the output layer with its bias.
    weights = 259 * 8 + 2 * 4 * (16 * 8 + 8) + 259 * 8 + 259
    assert lines[0].split() == ["parameters", f"{weights:,}"]
    assert any(line.startswith("hours ") for line in lines)
    stream = ("--set=data.objective=stream", "--set=model.cell=gru", "--steps=2")
    good(*named, *stream, "--set=train.precision=float32")
    written = json.loads((tmp_path / "run/config.json").read_text())
    assert written["model"]["cell"] == "gru"
    prompt = (f"--preset={tmp_path / 'run'}", "--prompt=ab", "--max_new_tokens=3")
    assert good("generate", *prompt).startswith("ab")


@pytest.mark.slow
def test_an_encoder_decoder_is_finetuned_and_answers(good, tmp_path):
    pairs, asked = tmp_path / "pairs.jsonl", tmp_path / "asked.jsonl"
    rows = [{"source": "a" * n + "b", "target": "b" + "a" * n} for n in range(8)]
    pairs.write_text("".join(json.dumps(row) + "\n" for row in rows))
    asked.write_text('{"source": "ab"}\n{"source": "b"}\n')
    run, found = tmp_path / "run", tmp_path / "found.jsonl"
    named = ("--task=Seq2SeqLM", "--preset=luong_multi30k", "--tokenizer=bytes")
    how = ("--epochs=1", "--set=model.attention=additive", "--option=language=en")
    good("finetune", *named, *SMALL, *how, f"--data={pairs}", f"--run_dir={run}")
    written = json.loads((run / "config.json").read_text())
    assert written["model"]["attention"] == "additive"
    good("predict", f"--preset={run}", f"--input={asked}", f"--output={found}")
    answers = [json.loads(line) for line in found.read_text().splitlines()]
    assert [isinstance(x["prediction"]["target"], str) for x in answers] == [True, True]


def test_what_does_not_go_is_said_in_a_line(bad):
    code, line = bad("plan", "--preset=lstm_small", "--devices=2")
    assert (code, line.partition(";")[0]) == (
        2,
        "--preset: lstm_small is no Transformer, as what plans are for",
    )
    named = ("train", "--preset=lstm_small", "--data=x", "--run_dir=y")
    code, line = bad(*named, "--tokenizer=bytes", "--set=model.cel=gru")
    assert code == 2
    assert "unknown field of RecurrentConfig 'cel': did you mean 'cell'?" in line
