"""The verb that measures a model, on text or on examples."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

from massivetext_keras.cli.flags import Given, given, verb
from massivetext_keras.cli.settings import Preset, TaskName, files_in
from massivetext_keras.cli.shell.results import Result, table
from massivetext_keras.cli.tasks.examples import Options, reading_of, task_of
from massivetext_keras.experiment import DataConfig
from massivetext_keras.support.arguments import Positive
from massivetext_keras.support.values import Range


@verb("evaluate")
def evaluate(
    *,
    preset: Preset,
    data: str,
    task: TaskName | None = None,
    rows: Given = given(DataConfig, "batch_size"),
    sequence_length: Annotated[
        int | None, Range(least=1), "tokens of a row of text (default: the context)"
    ] = None,
    reading: Given = given(reading_of),
    option: Options = (),
    report: str | None = None,
    samples: Annotated[Positive, "resamples, for the intervals of the page"] = 200,
) -> Result:
    """Measure a model on text or examples.

    Of a language model on text: nats per token, perplexity and bits per byte. Of a task
    on examples, as `finetune` takes them: the measures of its field; conversations are
    examples of a language model.

    Args:
        data: examples: files, by commas; of a CausalLM text, or conversations in YAML
            or, with --format, in other files.
        report: folder for a page about the answers to examples.

    Examples:
        massivetext evaluate --preset=runs/a --data=test.tsv --report=pages/a
        massivetext evaluate --preset=runs/1 --data='held_out/*.txt' --json
    """
    from massivetext_keras import tasks

    files = files_in(data)
    asks = report or option or {"format", "columns"} & reading.keys()
    talks = any(name.endswith((".yml", ".yaml")) for name in files)
    if tasks.task_class(preset, task) is tasks.CausalLM and not (asks or talks):
        batch_size = DataConfig(**rows).batch_size
        return _likelihood(preset, files, batch_size, sequence_length)
    model = task_of(preset=preset, task=task, option=option)
    examples = model.read_examples(files, **reading_of(**reading))
    predictions = model.predictions(examples, progress=True)
    measures = model.measure(examples, predictions)
    if report:
        about = {"preset": preset, "task": type(model).__name__, "data": data}
        answers = examples, predictions, measures
        _write_report(report, about, model, *answers, samples)
    found = {"examples": len(examples), **measures}
    return Result(table(found), found)


def _likelihood(
    preset: str, files: list[str], batch_size: int, sequence_length: int | None
) -> Result:
    """How likely a language model finds text."""
    from massivetext_keras import corpus, data, tasks
    from massivetext_keras.text.documents import encode_documents

    task = tasks.CausalLM.from_preset(preset)
    context = task.config.max_length
    if not 1 <= (sequence_length or context) <= context:
        raise ValueError(
            f"sequence_length {sequence_length} is more than the model's "
            f"context of {context} tokens"
        )
    try:
        documents = list(corpus.read_documents(files))
    except ValueError as error:
        raise ValueError(f"{error}; of conversations say the --format") from None
    tokens = encode_documents(task.need_tokenizer(), documents, progress=True)
    length = min(sequence_length or context, len(tokens) - 1)
    task.compile()
    batches = data.validation_batches(tokens, batch_size, length)
    results = task.evaluate(batches, return_dict=True, verbose=0)
    found = {
        "tokens": len(tokens) - 1,
        "nats per token": results["loss"],
        "perplexity": math.exp(results["loss"]),
    }
    if "bits_per_byte" in results:
        found["bits per byte"] = results["bits_per_byte"]
    record = {name.replace(" ", "_"): value for name, value in found.items()}
    return Result(table(found, width=17), record)


def _write_report(
    folder: str,
    about: Mapping[str, Any],
    task,
    examples: Sequence,
    predictions: Sequence,
    measures: Mapping[str, float],
    samples: int,
) -> None:
    """A page with intervals, classes and the worst answers."""
    from massivetext_keras import evaluation

    known = [i for i, example in enumerate(examples) if task.is_answered(example)]
    lines = [
        {
            **_known_fields(examples[i]),
            "prediction": predictions[i],
            "scores": task.scores([examples[i]], [predictions[i]]),
        }
        for i in known
    ]
    intervals = evaluation.bootstrap_intervals(
        [predictions[i] for i in known],
        [examples[i] for i in known],
        lambda some, others: task.scores(others, some),
        samples,
    )
    about = {**about, "examples": len(examples)}
    page = evaluation.Report(
        f"Evaluation: {Path(about['preset']).name}",
        {name: intervals.get(name, value) for name, value in measures.items()},
        {**about, "resamples": samples},
        _confusion(examples, predictions),
        lines,
    )
    evaluation.write_report(page, folder)


def _known_fields(example: Any) -> dict[str, Any]:
    """The fields of an example that are known."""
    return {name: x for name, x in example._asdict().items() if x is not None}


def _confusion(examples: Sequence, predictions: Sequence):
    """Classes and counts, where every example and every answer has one class."""
    from massivetext_keras import evaluation

    pairs: list[tuple[Any, Any]] = [
        (getattr(example, "label", None), prediction.get("label"))
        for example, prediction in zip(examples, predictions, strict=True)
        if isinstance(prediction, Mapping)
    ]
    if len(pairs) < len(examples) or not all(
        isinstance(label, str) for pair in pairs for label in pair
    ):
        return None
    classes = sorted({label for pair in pairs for label in pair})
    true, said = zip(*pairs, strict=True)
    return classes, evaluation.confusion(true, said, classes).tolist()
