"""The verb that says what a model remembers of its data."""

from __future__ import annotations

from typing import Annotated

from massivetext_keras.cli.flags import Given, UsageError, given, verb
from massivetext_keras.cli.settings import Preset, TaskName, files_in, texts_in
from massivetext_keras.cli.tasks.examples import reading_of


@verb("audit")
def audit(
    *,
    preset: Preset,
    task: TaskName | None = None,
    corpus: Annotated[
        str | None,
        "data of a language model, whose passages it may continue word for word: "
        "files, globs, folders, by commas",
    ] = None,
    how: Given = given(
        "massivetext_keras.privacy.memory:extraction",
        "prompt_tokens",
        "tokens",
        "most",
        "seed",
    ),
    members: Annotated[str | None, "examples, or texts, that it was trained on"] = None,
    others: Annotated[str | None, "such that it was not trained on"] = None,
    reading: Given = given(reading_of),
) -> None:
    """Say what a model remembers of its data.

    With --corpus, which passages a language model continues word for word; with
    --members and --others, how well its loss tells who was in the data.
    """
    from massivetext_keras import privacy, tasks

    if (members is None) != (others is None):
        raise UsageError("--members and --others go together")
    if corpus is None and members is None:
        raise UsageError("give --corpus, or --members and --others")
    cls = tasks.task_class(preset, task)
    if corpus and not issubclass(cls, tasks.CausalLM):
        raise UsageError(
            f"--corpus is for a CausalLM, and {preset} is a {cls.__name__}"
        )
    model = cls.from_preset(preset)
    if corpus:
        found = privacy.extraction(model, texts_in(corpus), **how)
        print(
            f"{len(found.found):,} of {found.tried:,} passages are continued word for "
            f"word ({found.share:.2%})"
        )
        for passage in found.found[:3]:
            print(f"  document {passage.document}: {passage.text!r}")
    if members and others:
        if issubclass(cls, tasks.CausalLM):
            pair = [texts_in(files) for files in (members, others)]
        else:
            how_read = reading_of(**reading)
            pair = [
                model.read_examples(files_in(files), **how_read)
                for files in (members, others)
            ]
        area = privacy.membership(model, *pair)
        print(
            f"area under the curve of membership by loss: {area.value:.3f} "
            f"({area.low:.3f} to {area.high:.3f}; 0.5 is chance)"
        )
