"""Tasks on examples: from a table to a preset, measures and predictions."""

from __future__ import annotations

import json

import pytest

from massivetext_keras.cli.tasks.predictions import answer, records_of
from massivetext_keras.support.extras import need
from massivetext_keras.tasks import TextClassifier
from tests.cli.tiny import TINY
from tests.tasks.tiny import words

ROWS = [("the cat sat", "cat"), ("dog on mat", "dog"), ("the cat", "cat")]
ROWS += [("the dog sat", "dog"), ("cat on the mat", "cat"), ("a dog", "dog")]


@pytest.fixture(scope="module")
def table(place) -> str:
    path = place / "train.tsv"
    lines = [f"{text}\t{label}\n" for text, label in ROWS * 4]
    path.write_text("".join(lines) + "no label here\n")
    return str(path)


@pytest.fixture(scope="module")
def tuned(place, table):
    """A classifier's folder, by `finetune`."""
    from massivetext_keras import cli

    words().save(place / "words")
    argv = ["finetune", "--task=TextClassifier", "--preset=bert_tiny", *TINY]
    argv += [f"--tokenizer={place / 'words'}", f"--data={table}"]
    argv += [f"--run_dir={place / 'tuned'}", "--epochs=20", "--batch_size=8"]
    argv += ["--learning_rate=0.02", "--option=head=mean", f"--validation={table}"]
    argv += ["--set=train.precision=float32", "--set=model.dropout=0"]
    assert cli.run(argv) == 0
    return place / "tuned"


def test_a_table_becomes_a_preset(tuned):
    config = json.loads((tuned / "config.json").read_text())
    assert config["task"] == "TextClassifier"
    assert config["options"]["labels"] == ["cat", "dog"]
    assert config["model"]["hidden_size"] == 16 and config["model"]["dropout"] == 0
    assert {"experiment.json", "summary.json", "validation"} <= {
        path.name for path in tuned.iterdir()
    }
    task = TextClassifier.from_preset(str(tuned))
    assert [x.label for x in task.classify(["the dog", "cat"])] == ["dog", "cat"]


def test_a_task_of_another_package_is_named_by_its_place(good, place, tuned, tmp_path):
    rated, run = tmp_path / "rated.tsv", tmp_path / "run"
    rated.write_text("text\tstars\nthe cat\t5\na dog\t1\ndog on mat\t1\n")
    argv = ["--task=tests.tasks.test_own_task:Rater", "--preset=bert_tiny", *TINY]
    argv += [f"--tokenizer={place / 'words'}", f"--data={rated}"]
    argv += [f"--validation={rated}", f"--run_dir={run}", "--epochs=1"]
    argv += ["--adversarial=0.2", "--adversarial_weight=0.5"]
    good("finetune", *argv, "--set=train.precision=float32")
    asked = json.loads((run / "experiment.json").read_text())["task"]
    assert (asked["adversarial"], asked["adversarial_weight"]) == (0.2, 0.5)
    for file, path in (("config.json", []), ("experiment.json", ["task"])):
        value = json.loads((run / file).read_text())
        for name in path:
            value = value[name]
        assert "tests.tasks.test_own_task:Rater" in (
            value.get("task"),
            value.get("name"),
        )
    out = good("evaluate", f"--preset={run}", f"--data={rated}")
    assert out.splitlines()[1].startswith("error ")


def test_evaluate_measures_it(good, tuned, table, caplog):
    out = good("evaluate", f"--preset={tuned}", f"--data={table}")
    lines = dict(line.split(maxsplit=1) for line in out.splitlines())
    assert lines["examples"] == "24" and lines["accuracy"] == "1.0000"
    assert f"1 columns, no 'label' (1: {table}:25)" in caplog.text
    out = good("evaluate", f"--preset={tuned}", f"--data={table}", "--json")
    assert json.loads(out)["accuracy"] == 1.0


def predictions(path) -> list[dict]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_predict_answers_each_line(good, tuned, table, tmp_path):
    output = tmp_path / "out.jsonl"
    out = good("predict", f"--preset={tuned}", f"--input={table}", f"--output={output}")
    assert out == f"{output}: 24 predictions\n"
    lines = predictions(output)
    assert lines[0]["text"] == "the cat sat" and lines[0]["label"] == "cat"
    assert lines[0]["prediction"]["label"] == "cat"
    assert lines[0]["scores"]["accuracy"] == 1.0
    (tmp_path / "in.txt").write_text("the dog\nÜber 中文 🙂\n")
    bare = tmp_path / "bare.jsonl"
    good(
        "predict",
        f"--preset={tuned}",
        f"--input={tmp_path / 'in.txt'}",
        f"--output={bare}",
    )
    first, second = predictions(bare)
    assert first["prediction"]["label"] == "dog" and "scores" not in first
    assert second["text"] == "Über 中文 🙂"


class Failing:
    """A task that fails at its third call, and how many examples it was asked for."""

    def __init__(self, task):
        self._task, self.asked = task, []

    def __getattr__(self, name):
        return getattr(self._task, name)

    def predictions(self, examples):
        self.asked.append(len(examples))
        if len(self.asked) == 3:
            raise RuntimeError("no power")
        return self._task.predictions(examples)


def test_a_stopped_prediction_goes_on(bad, good, tuned, table, tmp_path):
    task = Failing(TextClassifier.from_preset(str(tuned)))
    records = records_of(task, table, {"strict": False})
    output = tmp_path / "out.jsonl"
    with pytest.raises(RuntimeError, match="no power"):
        answer(task, records, output, at_once=7)
    assert not output.exists()
    with open(tmp_path / "out.jsonl.part", "a") as draft:
        draft.write('{"text": "half a li')
    argv = ("predict", f"--preset={tuned}", f"--input={table}", f"--output={output}")
    code, line = bad(*argv, "--option=threshold=0.3")
    assert code == 1 and "is of another model or other options: remove it" in line
    answer(task, records, output, at_once=7)
    assert [path.name for path in tmp_path.glob("out*")] == ["out.jsonl"]
    assert task.asked == [7, 7, 7, 7, 3]
    lines = predictions(output)
    assert [line["text"] for line in lines] == [text for text, _ in ROWS * 4]
    assert bad(*argv)[0] == 1  # it is there
    good(*argv, "--overwrite")


def test_a_prediction_of_odd_values_goes_on(good, tuned, tmp_path):
    odd = r'{"text": "the \ud83d cat", "when": NaN, "prediction": 3, "scores": 4}'
    (tmp_path / "in.jsonl").write_text(f'{odd}\n{{"text": "die Straße"}}\n')
    output = tmp_path / "out.jsonl"
    argv = ("predict", f"--preset={tuned}", f"--input={tmp_path / 'in.jsonl'}")
    good(*argv, f"--output={output}")
    whole = output.read_bytes()
    assert json.loads(whole.splitlines()[0])["text"] == "the \ufffd cat"
    first = whole[: whole.index(b"\n") + 1]
    (tmp_path / "again.jsonl.part").write_bytes(first)
    good(*argv, f"--output={tmp_path / 'again.jsonl'}")
    again = (tmp_path / "again.jsonl").read_bytes()
    assert again.startswith(first)
    one, other = (json.loads(x.splitlines()[1]) for x in (whole, again))
    assert other["text"] == one["text"] == "die Straße"
    scores = [x["prediction"]["scores"] for x in (one, other)]  # of other batches
    assert scores[1] == pytest.approx(scores[0], abs=1e-5)


def test_a_draft_of_other_examples_is_not_gone_on_with(bad, tuned, table, tmp_path):
    (tmp_path / "out.jsonl.part").write_text('{"text": "other"}\n')
    argv = ("predict", f"--preset={tuned}", f"--input={table}")
    code, line = bad(*argv, f"--output={tmp_path / 'out.jsonl'}")
    assert code == 1 and "is of other examples: remove it to begin anew" in line


def test_a_draft_of_more_examples_is_not_gone_on_with(bad, tuned, tmp_path):
    (tmp_path / "in.txt").write_text("the dog\n")
    lines = [json.dumps({"text": text}) for text in ("the dog", "the cat")]
    (tmp_path / "out.jsonl.part").write_text("".join(f"{line}\n" for line in lines))
    argv = ("predict", f"--preset={tuned}", f"--input={tmp_path / 'in.txt'}")
    code, line = bad(*argv, f"--output={tmp_path / 'out.jsonl'}")
    assert code == 1 and "is of other examples: remove it to begin anew" in line


@pytest.mark.parametrize(
    ("flags", "code", "line"),
    [
        (["--task=TextClasifier"], 2, "unknown task 'TextClasifier': did you mean"),
        (["--task=MaskedLM"], 2, "--task=MaskedLM learns from no examples"),
        (["--preset=bert_tinny", "--data=none"], 2, "did you mean 'bert_tiny'"),
        (["--columns=text"], 2, "--columns=text: give FIELD=NAME or =NUMBER"),
        (["--columns=txt=0"], 2, "columns: no field 'txt': did you mean 'text'?"),
        (["--option=hed=mean"], 2, "TextClassifier has no 'hed': did you mean 'head'?"),
        (["--option=threshold=high"], 2, "threshold is float, not 'high'"),
        (["--encoding=utf9"], 2, "unknown encoding 'utf9': did you mean 'utf-8'?"),
        (["--format=tvs"], 2, "unknown format 'tvs': did you mean 'tsv'?"),
        (["--strict"], 1, "train.tsv:25: 1 columns, no 'label'"),
        (["--set=optimizer.learning_rat=1"], 2, "did you mean 'learning_rate'?"),
        (["--keep_best=acc"], 2, "unknown measure 'acc'"),
    ],
)
def test_what_is_wrong_is_named(bad, place, tuned, table, tmp_path, flags, code, line):
    task = [] if flags[0].startswith("--task") else ["--task=TextClassifier"]
    argv = ["finetune", f"--preset={tuned}", f"--data={table}", "--epochs=0.1"]
    found = bad(*argv, *task, f"--run_dir={tmp_path / 'run'}", *flags)
    assert found[0] == code and line in found[1], found


class Reads:
    """What a task says of the fields that it reads."""

    fields = ("text", "label")

    @staticmethod
    def examples_in(records, problems, named):
        return [(record, record.fields["text"]) for record in records]


def test_what_a_table_of_parquet_has_besides_comes_back(tmp_path):
    pyarrow, pq = need("pyarrow"), need("pyarrow.parquet")
    when = pyarrow.array([1]).view(pyarrow.timestamp("ns"))
    table = pyarrow.table({"id": [7], "text": ["a cat"], "when": when})
    pq.write_table(table, tmp_path / "in.parquet")
    found = records_of(Reads, str(tmp_path / "in.parquet"), {"strict": True})
    when = "1970-01-01 00:00:00.000000001"
    assert found == [({"id": 7, "text": "a cat", "when": when}, "a cat")]
