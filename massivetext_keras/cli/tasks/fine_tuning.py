"""The verb that trains a task on examples, and measures it by cross-validation."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Annotated

from massivetext_keras.cli.flags import Given, UsageError, given, verb
from massivetext_keras.cli.settings import RunFolder
from massivetext_keras.cli.shell.results import Result, table
from massivetext_keras.cli.tasks.learning import Learning, learning_of
from massivetext_keras.cli.training import Resume
from massivetext_keras.experiment import FINE_TUNING
from massivetext_keras.support.values import Range


@verb("finetune")
def finetune(
    *,
    learning: Given = given(learning_of),
    run_dir: RunFolder,
    saving: Given = given(FINE_TUNING, "train.checkpoint_every"),
    resume: Resume = "auto",
    folds: Annotated[int, Range(least=2)] | None = None,
) -> Result:
    """Train a task on examples: labels, spans, answers, texts.

    Examples are tables (TSV, CSV, Parquet), JSON, CoNLL columns, CoNLL-U, SQuAD,
    parallel files or conversations in YAML. Their fields are text, label, second
    (TextClassifier); text, entities, predicate, or words and tags (TokenClassifier);
    context, question, answers (QuestionAnswerer); source, target (Seq2SeqLM); messages,
    or prompt and reply (CausalLM). A bad line is counted and left out. After each epoch
    the measures of the task's field are printed. The same command goes on where a
    stopped run was; the folder is a preset in the end.

    Args:
        folds: cross-validate with so many parts of --data instead; the folder gets a
            report.

    Examples:
        massivetext finetune --task=TextClassifier --preset=hf:minilm
            --data=train.tsv --run_dir=runs/a
        massivetext finetune --task=TextClassifier --preset=bert_tiny --tokenizer=tok/
            --data=train.csv --run_dir=runs/b --folds=5
    """
    learning["fields"] = {**learning.get("fields", {}), **saving}
    learnt = learning_of(**learning)
    if folds is not None:
        return _cross_validate(learnt, folds, run_dir)
    task, measures = learnt.run(
        learnt.train,
        learnt.validation,
        run_dir=run_dir,
        resume=resume == "auto",
    )
    count = task.count_params()
    record = {"run_dir": run_dir, "parameters": count}
    size = f"{run_dir}: {count:,} parameters"
    if task.adapted():
        task.save_adapters(Path(run_dir) / "adapters")
        trained = sum(math.prod(weight.shape) for weight in task.trainable_weights)
        record["trained_parameters"] = trained
        size += f", {trained:,} of them trained"
    lines = [size, table(measures)] if measures else [size]
    return Result("\n".join(lines), {**record, "measures": measures})


def _cross_validate(learning: Learning, count: int, folder: str) -> Result:
    """Measures of as many runs, each on what it did not see."""
    from massivetext_keras import evaluation

    if learning.validation is not None:
        raise UsageError("--folds holds out parts of --data: leave out --validation")

    def run(train: list, test: list) -> dict[str, float]:
        return learning.run(train, test)[1]

    labels = [example[1] for example in learning.train]
    classes = all(isinstance(label, str) for label in labels)
    folds = evaluation.cross_validate(
        run,
        learning.train,
        count,
        (lambda example: example[1]) if classes and _is_single(learning) else None,
        seed=learning.experiment.train.seed,
    )
    epochs = learning.experiment.train.epochs
    about = {name: learning.about[name] for name in ("task", "preset", "data")}
    report = evaluation.Report(
        f"Cross-validation: {Path(folder).name}",
        folds.mean(),
        {**about, "examples": len(learning.train), "epochs": epochs},
        folds=folds,
    )
    page = evaluation.write_report(report, folder)
    mean, spread = folds.mean(), folds.spread()
    shown = {name: f"{value:.4f} ± {spread[name]:.4f}" for name, value in mean.items()}
    said = f"{page}: {count} folds of {len(learning.train):,} examples"
    record = {"page": str(page), "folds": count, "mean": mean, "spread": spread}
    return Result(f"{said}\n{table(shown)}", record)


def _is_single(learning: Learning) -> bool:
    """Whether the second field of an example is its class."""
    return learning.cls.fields[1:2] == ("label",)
