"""The verb that says what a model remembers, and what changes its answers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

from massivetext_keras.cli.flags import Given, UsageError, given, verb
from massivetext_keras.cli.settings import Preset, TaskName, files_in, texts_in
from massivetext_keras.cli.shell.results import Result
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
    pairs: Annotated[
        str | None, "table of texts and changed texts, a pair in a line, by tabs"
    ] = None,
    attacks: Annotated[str | None, "swap, delete or upper; several by commas"] = None,
    back_translation: Annotated[
        str | None,
        "presets of two translators, from the texts' language and back, by a comma",
    ] = None,
    translating: Given = given(
        "massivetext_keras.robustness.back_translation:BackTranslation",
        "temperature",
        "num_beams",
    ),
    data: Annotated[
        str | None, "examples whose texts --attacks and --back_translation change"
    ] = None,
    share: Annotated[float, "of the words that --attacks change"] = 0.1,
    reading: Given = given(reading_of),
) -> Iterator[Result]:
    """Say what a model remembers, and what changes its answers.

    With --corpus, which passages a language model continues word for word; with
    --members and --others, how well its loss tells who was in the data. Of a
    classifier, with --pairs, how many answers a change flips; with --attacks, how good
    answers to changed texts of --data are, and with --back_translation to paraphrases.

    Args:
        seed: of passages, of changes, and of what translators draw.
        temperature: of tokens that translators draw (0: they search for the best).
        num_beams: of their search.

    Examples:
        massivetext audit --preset=runs/1 --corpus='corpus/*.txt'
        massivetext audit --preset=runs/a --attacks=swap,upper --data=test.tsv
        massivetext audit --preset=runs/a --data=test.tsv --back_translation=en_de,de_en
    """
    from massivetext_keras import privacy, tasks

    attacked = attacks or back_translation
    for one, other in ((members, others), (attacked, data)):
        if (one is None) != (other is None):
            raise UsageError(
                "--members and --others go together, and --attacks or "
                "--back_translation and --data"
            )
    if not any((corpus, members, pairs, attacked)):
        raise UsageError(
            "give --corpus, --members and --others, --pairs, --attacks or "
            "--back_translation"
        )
    cls = tasks.task_class(preset, task)
    if corpus and not issubclass(cls, tasks.CausalLM):
        raise UsageError(
            f"--corpus is for a CausalLM, and {preset} is a {cls.__name__}"
        )
    if (pairs or attacked) and not issubclass(cls, tasks.TextClassifier):
        raise UsageError(
            f"--pairs, --attacks and --back_translation are for a TextClassifier, and "
            f"{preset} is a {cls.__name__}"
        )
    translators = _translators(back_translation, translating)
    model, how_read = cls.from_preset(preset), reading_of(**reading)
    if pairs:
        yield _flips(model, pairs)
    if attacked and data:
        examples = model.read_examples(files_in(data), **how_read)
        names = attacks.split(",") if attacks else []
        seed = how.get("seed", 0)
        yield _attacks(model, examples, names, share, seed, translators)
    if corpus:
        found = privacy.extraction(model, texts_in(corpus), **how)
        lines = [
            f"{len(found.found):,} of {found.tried:,} passages are continued word for "
            f"word ({found.share:.2%})"
        ]
        for passage in found.found[:3]:
            lines.append(f"  document {passage.document}: {passage.text!r}")
        passages = [passage._asdict() for passage in found.found]
        record = {"tried": found.tried, "share": found.share, "passages": passages}
        yield Result("\n".join(lines), {"audit": "corpus", **record})
    if members and others:
        if issubclass(cls, tasks.CausalLM):
            first, second = (texts_in(files) for files in (members, others))
        else:
            first, second = (
                model.read_examples(files_in(files), **how_read)
                for files in (members, others)
            )
        area = privacy.membership(model, first, second)
        yield Result(
            f"area under the curve of membership by loss: {area.value:.3f} "
            f"({area.low:.3f} to {area.high:.3f}; 0.5 is chance)",
            {"audit": "members", "area": area._asdict()},
        )


def _flips(model, path: str) -> Result:
    from massivetext_keras import robustness

    lines = Path(path).read_text(encoding="utf-8").splitlines()
    pairs = []
    for number, line in enumerate(filter(str.strip, lines), 1):
        row = line.split("\t")
        if len(row) != 2:
            raise ValueError(
                f"{path}: line {number} has {len(row)} columns, a pair has 2"
            )
        pairs.append((row[0], row[1]))
    found = robustness.flips(model, pairs)
    rate, low, high = found.rate
    lines = [
        f"{len(found.changed):,} of {found.count:,} answers flip: {rate:.3f} "
        f"({low:.3f} to {high:.3f})"
    ]
    for text, other, before, after in found.changed[:10]:
        lines.append(f"  {text[:60]!r}: {before} -> {other[:60]!r}: {after}")
    record = {**found._asdict(), "rate": found.rate._asdict()}
    return Result("\n".join(lines), {"audit": "pairs", **record})


def _translators(presets: str | None, how: dict[str, Any]):
    """What `--back_translation` names; None if nothing.

    Raises:
        UsageError: it names no two presets.
    """
    from massivetext_keras import robustness, tasks

    if presets is None:
        return None
    names = presets.split(",")
    if len(names) != 2:
        raise UsageError(f"--back_translation={presets} has to name two presets")
    pair = [tasks.Seq2SeqLM.from_preset(name.strip()) for name in names]
    return robustness.BackTranslation(*pair, **how)


def _attacks(model, examples, *how) -> Result:
    from massivetext_keras import robustness

    found = robustness.under_attack(model, examples, *how)
    name = next(iter(found["none"]))
    lines = [f"{'attack':18}{name:>12}{'of none':>10}"]
    for attack, measures in found.items():
        part = measures[name] / found["none"][name] if found["none"][name] else 0.0
        lines.append(f"{attack:18}{measures[name]:12.4f}{part:10.3f}")
    return Result("\n".join(lines), {"audit": "attacks", "measures": found})
