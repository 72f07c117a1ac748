"""Two runs compared, settings searched, folds held out, answers on a page."""

from __future__ import annotations

import json
import logging
import re

import pytest

from massivetext_keras.cli.tasks.learning import Learning
from massivetext_keras.cli.tasks.tuning import base_of, trial_of
from massivetext_keras.evaluation.tuning import with_values
from massivetext_keras.experiment import FINE_TUNING
from massivetext_keras.tasks import TextClassifier
from tests.cli.tiny import TINY
from tests.tasks.tiny import words

ROWS = [("the cat sat", "cat"), ("dog on mat", "dog"), ("the cat", "cat")]
ROWS += [("the dog sat", "dog"), ("cat on the mat", "cat"), ("a dog", "dog")]
ROWS += [(f"{text} , {text}", label) for text, label in ROWS]


def write(path, scores, **more) -> str:
    lines = [
        {
            "text": str(i),
            "prediction": {"label": "x"},
            "scores": {"accuracy": s},
            **more,
        }
        for i, s in enumerate(scores)
    ]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return str(path)


@pytest.fixture
def files(tmp_path) -> tuple[str, str]:
    """Two runs: of ten examples that differ the second has eight."""
    first, second = [1, 1] + [0] * 8 + [1, 0] * 5, [0, 0] + [1] * 8 + [1, 0] * 5
    return write(tmp_path / "a.jsonl", first), write(tmp_path / "b.jsonl", second)


def test_two_files_are_compared(good, files, tmp_path):
    out = good("compare", *files, f"--report={tmp_path / 'page'}")
    lines = dict(line.split(maxsplit=1) for line in out.splitlines()[:5])
    assert lines["measure"] == "accuracy" and lines["examples"] == "20"
    assert (lines["first"], lines["second"]) == ("0.3500", "0.6500")
    assert lines["difference"].startswith("+0.3000 (")
    found = json.loads(good("compare", *files, "--json", "--samples=500"))
    # The exact test of McNemar: 0.109
    assert found["p_value"] == pytest.approx(0.109, abs=0.02)
    assert found["interval"][0] < 0.3 < found["interval"][1]
    assert "accuracy" in (tmp_path / "page" / "report.html").read_text()


def test_of_an_error_the_lower_one_is_better(good, tmp_path):
    files = []
    for name, size in (("a", 4.0), ("b", 1.0)):
        path = tmp_path / f"{name}.jsonl"
        lines = [{"text": str(i), "score": size + i % 2} for i in range(9)]
        for line in lines:
            line["scores"] = {"mean_absolute_error": line.pop("score")}
        path.write_text("".join(json.dumps(line) + "\n" for line in lines))
        files.append(str(path))
    found = json.loads(good("compare", *files, "--json"))
    assert found["difference"] == -3.0 and found["wins"] == 1.0


def test_what_cannot_be_compared(bad, files, tmp_path):
    def failed(*argv) -> str:
        code, error = bad(*argv)
        assert code == 1
        return error

    first, second = files
    short = write(tmp_path / "short.jsonl", [1, 0])
    assert f"{first} has 20 lines, {short} 2" in failed("compare", first, short)
    other = write(tmp_path / "other.jsonl", [0] * 20, label="y")
    error = failed("compare", first, other)
    assert f"{other}:1: another example than in {first}" in error
    code, error = bad("compare", *files, "--measure=acuracy")
    assert code == 2
    assert f"{first}:1: unknown measure 'acuracy': did you mean 'accuracy'?" in error
    torn = tmp_path / "torn.jsonl"
    torn.write_text('{"text": "0"}\n{"te')
    assert f"{torn}:2: not JSON" in failed("compare", str(torn), str(torn))
    torn.write_text('{"text": "0"}\n')
    assert f"{torn}:1: no 'scores'" in failed("compare", str(torn), str(torn))
    assert bad("compare", first)[0] == 2
    torn.write_bytes(b'{"text": "\xff')
    assert f"{torn}:1: not JSON" in failed("compare", str(torn), str(torn))


@pytest.fixture(scope="module")
def flags(place) -> list[str]:
    words().save(place / "words")
    path = place / "rows.tsv"
    path.write_text("".join(f"{text}\t{label}\n" for text, label in ROWS * 2))
    return [
        *("--task=TextClassifier", "--preset=bert_tiny", *TINY),
        *(f"--tokenizer={place / 'words'}", f"--data={path}", "--batch_size=8"),
        *("--learning_rate=0.02", "--option=head=mean", "--epochs=1"),
        *("--set=train.precision=float32", "--set=model.dropout=0"),
    ]


def test_what_hyperband_cannot_search(bad, flags, tmp_path):
    argv = ("tune", *flags, f"--output={tmp_path}", "--method=hyperband")
    decides = "--method=hyperband decides the epochs of a trial"
    for *more, said in (
        ("--space=option.head=mean", "those of --epochs, which must be 3 or more"),
        ("--space=epochs=1,2", "--epochs=3", f"--space=train.epochs: {decides}"),
        ("--space=train.epochs=1,2", "--epochs=3", f"--space=train.epochs: {decides}"),
        ("--space=train.steps=1,2", "--epochs=3", f"--space=train.steps: {decides}"),
        (
            *("--space=train.seed=1,2", "--epochs=3", "--set=train.steps=9"),
            f"{decides}, and with train.steps there are none: leave train.steps out",
        ),
    ):
        code, error = bad(*argv, *more)
        assert code == 2 and said in error


def test_an_unknown_setting_of_a_search_is_named(bad, flags, tmp_path):
    for setting, said in (
        ("option.hed", "unknown setting 'hed': did you mean 'head'?"),
        ("train.step", "unknown setting 'step': did you mean 'steps'?"),
        ("warmup_steps", "did you mean 'optimizer.warmup_steps'?"),
    ):
        argv = ("tune", *flags, f"--output={tmp_path}", f"--space={setting}=1")
        code, error = bad(*argv, "--validation_fraction=0.3")
        assert code == 2 and said in error


def test_a_trial_sets_what_set_would_set():
    options = {"labels": ["cat", "dog"], "head": "mean"}
    learning = Learning(
        TextClassifier, "bert_tiny", None, options, FINE_TUNING, None, [], None, {}
    )
    values = {"train.steps": 10, "optimizer.warmup_steps": 4, "model.dropout": 0.2}
    config = with_values(base_of(learning), {**values, "task.head": "pooled"})
    trial = trial_of(learning, config, [*values, "task.head"])
    assert trial.options == {**options, "head": "pooled", "dropout": 0.2}
    asked = [f"{path}={value}" for path, value in values.items()]
    assert trial.experiment == FINE_TUNING.override(*asked)
    planned = trial.experiment.planned(batches=50)
    assert (planned.train.steps, planned.optimizer.warmup_steps) == (10, 4)


def test_hyperband_decides_the_epochs_of_a_trial():
    learning = Learning(
        TextClassifier, "bert_tiny", None, {}, FINE_TUNING, None, [], None, {}
    )
    trial = trial_of(learning, base_of(learning), [], budget=9)
    assert trial.experiment.planned(batches=50).train.steps == 450
    assert trial.options == {}


@pytest.mark.slow
def test_settings_are_searched(good, flags, tmp_path):
    output = tmp_path / "search"
    argv = ["tune", *flags, "--method=grid", f"--output={output}"]
    argv += ["--space=optimizer.learning_rate=0.02", "--validation_fraction=0.3"]
    argv += ["--space=option.head=mean,pool,pooled", "--space=epochs=1"]
    out = good(*argv)
    trials = [json.loads(x) for x in (output / "trials.jsonl").read_text().splitlines()]
    heads = [trial["values"]["task.head"] for trial in trials]
    assert heads == ["mean", "pool", "pooled"]
    assert [trial["error"] is None for trial in trials] == [True, False, True]
    assert "did you mean 'pooled'" in trials[1]["error"]
    best = max(x["score"] for x in trials if x["score"] is not None)
    found = json.loads((output / "best.json").read_text())
    assert found["score"] == best and found["config"]["train"]["epochs"] == 1
    assert f"{output / 'report.html'}: the best of 3 trials is {found['number']}" in out
    assert good(*argv) == out  # nothing is left to do


@pytest.mark.slow
def test_steps_are_searched(good, flags, tmp_path, caplog):
    argv = ["tune", *flags, "--method=grid", f"--output={tmp_path}"]
    argv += ["--space=train.steps=1,2", "--validation_fraction=0.3"]
    with caplog.at_level(logging.INFO):
        good(*argv, "--space=optimizer.warmup_steps=1")
    ends = [said.split(":")[0] for said in caplog.messages if ": accuracy" in said]
    assert ends == ["step 1", "step 2"]
    config = json.loads((tmp_path / "best.json").read_text())["config"]
    assert config["train"]["epochs"] is config["optimizer"]["warmup_fraction"] is None


@pytest.mark.slow
def test_folds_are_held_out(good, bad, flags, tmp_path):
    argv = ["finetune", *flags, "--folds=2", f"--run_dir={tmp_path}"]
    lines = good(*argv).splitlines()
    assert lines[0] == f"{tmp_path / 'report.html'}: 2 folds of 24 examples"
    data = json.loads((tmp_path / "report.json").read_text())["folds"]
    assert [fold["examples"] for fold in data["folds"]] == [12, 12]
    mean = sum(fold["accuracy"] for fold in data["folds"]) / 2
    assert lines[1].startswith(f"accuracy             {mean:.4f} ± ")
    data = next(flag for flag in flags if flag.startswith("--data="))
    code, error = bad(*argv, "--folds=0")
    assert code == 2 and error == "--folds=0 must be at least 2; see finetune --help"
    code, error = bad(*argv, data.replace("--data", "--validation"))
    assert code == 2 and "leave out --validation" in error


@pytest.mark.slow
def test_a_page_about_answers(good, bad, flags, place, tmp_path):
    run, page = tmp_path / "run", tmp_path / "page"
    low_rank = ["--adapters=attention", "--rank=2", "--validation_fraction=0.3"]
    out = good("finetune", *flags, f"--run_dir={run}", *low_rank)
    assert re.match(rf"{run}: [\d,]+ parameters, [\d,]+ of them trained\n", out)
    adapters = json.loads((run / "adapters" / "adapters.json").read_text())
    assert adapters["rank"] == 2 and len(adapters["products"]) == 2
    data = next(flag for flag in flags if flag.startswith("--data="))
    how = ["--samples=20", f"--report={page}", "--json"]
    measures = json.loads(good("evaluate", f"--preset={run}", data, *how))
    found = json.loads((page / "report.json").read_text())
    assert found["measures"]["accuracy"]["value"] == measures["accuracy"]
    assert found["measures"]["accuracy"]["low"] <= measures["accuracy"]
    counts = found["confusion"]["counts"]
    assert sum(map(sum, counts)) == 24
    right = sum(row[i] for i, row in enumerate(counts))
    assert right / 24 == pytest.approx(measures["accuracy"])
    file = tmp_path / "torn.jsonl"
    for line, what in (('{"text": "a"}', "no 'prediction'"), ("{}", "no 'text'")):
        file.write_text(f"{line}\n")
        code, error = bad("compare", str(file), str(file), f"--preset={run}")
        assert code == 1 and f"{file}:1: {what}" in error
    assert all(line["scores"]["accuracy"] == 0 for line in found["worst"])
    # The task measures whole resamples for a comparison.
    answers = tmp_path / "a.jsonl"
    source = data.replace("--data", "--input")
    good("predict", f"--preset={run}", source, f"--output={answers}")
    argv = ["compare", str(answers), str(answers), f"--preset={run}", "--samples=5"]
    same = json.loads(good(*argv, "--measure=f1_macro", "--json"))
    assert same["first"] == pytest.approx(measures["f1_macro"])
    assert (same["p_value"], same["difference"]) == (1.0, 0.0)
