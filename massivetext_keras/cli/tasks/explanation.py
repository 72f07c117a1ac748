"""The verb that says which words an answer depends on."""

from __future__ import annotations

from typing import Annotated, Any

from massivetext_keras.cli.flags import UsageError, verb
from massivetext_keras.cli.settings import Preset, TaskName
from massivetext_keras.cli.shell.results import Result


@verb("explain")
def explain(
    *,
    preset: Preset,
    text: Annotated[str, "what is read; of an answerer the context"],
    task: TaskName | None = None,
    method: Annotated[
        str,
        "gradient_x_input, integrated_gradients, occlusion, lime, shapley, partition, "
        "attention or attention_rollout; several by commas",
    ] = "integrated_gradients",
    target: Annotated[
        str | None,
        "a label; START,END,LABEL of a tagger; start, end or START,END of an answerer; "
        "a continuation, a translation, or the text to compare with (default: what the "
        "task says itself)",
    ] = None,
    beside: Annotated[str | None, "the second text of a pair, or the question"] = None,
    of: Annotated[
        str | None, "the output: logit or probability (default: the task's first)"
    ] = None,
    baseline: Annotated[str | None, "token that hides others, such as [PAD]"] = None,
    output: Annotated[str | None, "page, an HTML file (default: a table)"] = None,
) -> Result:
    """Say which words of a text an answer depends on.

    Examples:
        massivetext explain --preset=runs/a --text='a stirring, funny film'
    """
    from massivetext_keras import explain as explaining
    from massivetext_keras import tasks
    from massivetext_keras.support.values import choose

    methods = method.split(",")
    for name in methods:
        choose("method", name, explaining.METHODS)
    model = tasks.task_class(preset, task).from_preset(preset)
    wanted = _target(model, target)
    how: dict[str, Any] = {"output": of, "beside": beside, "baseline": baseline}
    found = []
    for name in methods:
        unit = "word" if explaining.METHODS[name].hides else "token"
        found.append(explaining.explain(model, text, name, wanted, unit=unit, **how))
    record = {"explanations": [one.words()._asdict() for one in found]}
    if output is None:
        return Result("\n\n".join(explaining.table(one) for one in found), record)
    explaining.write_page(found, output)
    count, of_what = len(found[0].words().tokens), found[0].target
    return Result(f"{output}: {count:,} words of {of_what}", {**record, "page": output})


def _target(task, target: str | None) -> Any:
    """What `--target` says to a task.

    Raises:
        UsageError: places of a span are no numbers.
    """
    from massivetext_keras import tasks

    if target is None or not isinstance(
        task, tasks.TokenClassifier | tasks.QuestionAnswerer
    ):
        return target
    if isinstance(task, tasks.QuestionAnswerer) and target in ("start", "end"):
        return target
    numbers, count = target.split(","), 2
    if isinstance(task, tasks.TokenClassifier):
        count = 3
    if len(numbers) != count or not all(x.strip().isdecimal() for x in numbers[:2]):
        form = "START,END,LABEL" if count == 3 else "start, end or START,END"
        raise UsageError(f"--target={target} is not of the form {form}")
    return (int(numbers[0]), int(numbers[1]), *numbers[2:])
