"""The verbs of `massivetext corpus`."""

from __future__ import annotations

import contextlib
import json
import logging
import re
from pathlib import Path

from massivetext_keras.support.values import parse_size
from massivetext_keras.verbs.common import UsageError, Values

logger = logging.getLogger(__name__)


def corpus_build(values: Values) -> None:
    from massivetext_keras.corpus.pipeline import build

    what = _subsets(values.input), values.output, _recipe(values)
    options = {
        "validation_fraction": values.validation_fraction,
        "test_fraction": values.test_fraction,
        "weights": _weights(values.weights),
        "seed": values.seed,
        "shard_bytes": _size(values, "shard_size"),
        "format": values.format,
        "overwrite": values.overwrite,
    }
    with _engine(values) as engine:
        manifest = build(*what, engine, **options)
    harmed = sum(
        counts["documents"]
        for reason, counts in manifest.dropped.items()
        if reason.startswith(("read.", "quarantine."))
    )
    if harmed:
        logger.warning(
            "%d files or documents could not be read: `massivetext corpus report %s` "
            "says which and why",
            harmed,
            values.output,
        )
    documents, size = manifest.documents, manifest.bytes
    print(
        f"{values.output}: kept {documents['kept']:,} of {documents['read']:,} "
        f"documents, {size['kept'] / 1e6:,.1f} of {size['read'] / 1e6:,.1f} MB"
    )


def corpus_report(values: Values) -> None:
    from massivetext_keras.corpus.report.page import write_report
    from massivetext_keras.corpus.shards.manifest import read_manifest

    read_manifest(values.corpus)
    print(write_report(values.corpus))


def corpus_stats(values: Values) -> None:
    from massivetext_keras.corpus.report.summary import summary
    from massivetext_keras.corpus.shards.manifest import read_manifest

    read_manifest(values.corpus)
    print(summary(values.corpus))


def corpus_explain(values: Values) -> None:
    from massivetext_keras.corpus.explain import explain
    from massivetext_keras.corpus.shards.plain import to_json
    from massivetext_keras.reading.encodings import valid

    recipe = _recipe(values)
    if "gopher_repetition" in recipe.steps:  # what a build need not measure, too
        recipe = recipe.override("gopher_repetition.measure_all=true")
    if not Path(values.file).is_file():
        raise FileNotFoundError(f"{values.file}: no such file")
    recipe.files()  # are there
    found = explain(values.file, recipe.bound(), recipe.stage("read"))
    for number, explanation in enumerate(found):
        if values.json:
            print(to_json(explanation.to_dict()).decode())
        else:
            print("\n" * (number > 0) + valid(str(explanation)))


def corpus_ngram(values: Values) -> None:
    from massivetext_keras.corpus.text.perplexity import fit_ngram_model

    files = values.input.split(",")
    fit_ngram_model(files, values.output, values.vocabulary_size, values.order)
    print(values.output)


def _subsets(inputs: list[str]):
    """`["web=raw/web", "web=more", "books=a,b"]` -> subset -> patterns."""
    subsets: dict[str, list[str]] = {}
    for text in inputs:
        name, patterns = re.fullmatch(r"(?:([\w-]+)=)?(.*)", text, re.DOTALL).groups()
        subsets.setdefault(name or "", []).extend(patterns.split(","))
    if "" in subsets and len(subsets) > 1:
        named = ", ".join(name for name in subsets if name)
        raise UsageError(f"--input: some files have a subset ({named}), some have none")
    return subsets.get("", subsets)


def _recipe(values: Values):
    from massivetext_keras.corpus.recipes import load_recipe

    changes = [
        f"{argument}={json.dumps([word.strip() for word in words.split(',')])}"
        for argument, words in {
            "identify.languages": values.languages,
            "contamination.files": values.evaluation,
        }.items()
        if words
    ]
    try:
        return load_recipe(values.recipe).override(*changes, *values.set)
    except (ValueError, TypeError) as error:
        raise UsageError(str(error)) from None


def _weights(text: str | None):
    """`"web=0.7,books=0.3"` -> subset -> weight; a name stays one."""
    if text is None or "=" not in text:
        return text
    try:
        pairs = [pair.split("=") for pair in text.split(",")]
        return {name: float(weight) for name, weight in pairs}
    except ValueError:
        raise UsageError(
            f"--weights={text}: give massivetext, or weights as web=0.7,books=0.3"
        ) from None


def _size(values: Values, flag: str) -> int:
    """The bytes that a flag names."""
    try:
        return parse_size(getattr(values, flag), f"--{flag}")
    except ValueError as error:
        raise UsageError(str(error)) from None


@contextlib.contextmanager
def _engine(values: Values):
    """The engine that the flags ask for, and a bar that shows what it does."""
    from massivetext_keras.corpus.engines.progress import Bar

    bar = Bar()
    limits = {"time_limit": values.time_limit}
    if values.max_memory is not None:
        limits["max_memory"] = _size(values, "max_memory")
    if values.engine == "spark":
        from massivetext_keras.corpus.engines.spark import SparkEngine

        engine = SparkEngine(values.master, progress=bar, **limits)
    else:
        from massivetext_keras.corpus.engines.local import LocalEngine

        engine = LocalEngine(values.workers, progress=bar, **limits)
    with engine, contextlib.closing(bar):
        yield engine
