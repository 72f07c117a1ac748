"""The verbs of corpora."""

from __future__ import annotations

import contextlib
import json as json_format
import logging
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from massivetext_keras.cli.flags import Given, UsageError, given, verb
from massivetext_keras.cli.settings import Overwrite, files_in
from massivetext_keras.cli.shell.results import Result
from massivetext_keras.support.values import parse_size

logger = logging.getLogger(__name__)

_BUILD = "massivetext_keras.corpus.pipeline:build"
_ENGINE = "massivetext_keras.corpus.engines.local:LocalEngine"
_REPORT = "massivetext_keras.corpus.report.page:write_report"
_SPARK = "massivetext_keras.corpus.engines.spark:SparkEngine"
Corpus = Annotated[str, "folder of `corpus build`"]


def recipe_of(
    *,
    recipe: str = "massivetext",
    languages: str | None = None,
    evaluation: str | None = None,
    set: Sequence[str] = (),
):
    """The recipe that flags ask for.

    Args:
        recipe: massivetext, c4, fineweb, curated, or a JSON file such as a manifest's
            recipe.
        languages: ISO codes of those that are kept, as en,de,zh.
        evaluation: files by commas: documents that hold their items are dropped.
        set: a threshold, as gopher_quality.min_words=30; STEP=null leaves a step out,
            STEP={} adds one; may repeat.
    """
    from massivetext_keras.corpus.recipes import load_recipe

    changes = [
        f"{argument}={json_format.dumps([word.strip() for word in words.split(',')])}"
        for argument, words in {
            "identify.languages": languages,
            "contamination.files": evaluation,
        }.items()
        if words
    ]
    try:
        return load_recipe(recipe).override(*changes, *set)
    except (ValueError, TypeError) as error:
        raise UsageError(str(error)) from None


@verb("corpus build")
def corpus_build(
    *,
    input: Sequence[str],
    output: Annotated[str, "folder for the corpus"],
    steps: Given = given(recipe_of),
    shares: Given = given(_BUILD, "validation_fraction", "test_fraction"),
    weights: str | None = None,
    writing: Given = given(_BUILD, "seed", "format", shard_size="shard_bytes"),
    limits: Given = given(_ENGINE, "workers", "max_memory", "time_limit"),
    engine: Annotated[Literal["local", "spark"], "where the work is done"] = "local",
    spark: Given = given(_SPARK, "master"),
    overwrite: Overwrite = False,
) -> Result:
    """Clean, filter and deduplicate raw files into shards.

    Reads text, JSON lines, CSV, TSV, Parquet, HTML, WARC, MediaWiki dumps, gettext
    catalogues and source code, also .gz, .zst and .bz2. A build that was stopped goes
    on with the same command. The same input gives the same bytes, whatever the engine
    and the number of workers.

    Args:
        input: files, globs, folders and URLs, by commas; NAME=FILES for a subset of the
            corpus; may repeat.
        validation_fraction: share of documents held out.
        test_fraction: share of documents held out for the end.
        workers: processes (default: the cores).
        max_memory: of all processes together, as 1GB (default: half of what is free).
        weights: shares of the subsets' bytes, as web=0.7,books=0.3, or massivetext or
            chinchilla; documents are left out until they hold (default: all are taken).

    Examples:
        massivetext corpus build --input='raw/**' --output=corpus/
        massivetext corpus build --input=web=pages/ --input=books='b/*.txt'
            --weights=web=0.7,books=0.3 --output=corpus/
    """
    from massivetext_keras.corpus.pipeline import build

    what = _subsets(input), output, recipe_of(**steps)
    options = {**shares, **writing, "weights": _weights(weights)}
    _check_size(options, "shard_bytes", "--shard_size")
    _check_size(limits, "max_memory", "--max_memory")
    with _engine(engine, limits, spark) as running:
        manifest = build(*what, running, overwrite=overwrite, **options)
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
            output,
        )
    documents, size = manifest.documents, manifest.bytes
    return Result(
        f"{output}: kept {documents['kept']:,} of {documents['read']:,} "
        f"documents, {size['kept'] / 1e6:,.1f} of {size['read'] / 1e6:,.1f} MB",
        {
            "corpus": output,
            "documents": documents,
            "bytes": size,
            "dropped": manifest.dropped,
            "not_read": harmed,
        },
    )


@verb("corpus report")
def corpus_report(
    corpus: Corpus,
    *,
    terms: Sequence[str] = (),
    toxic: Sequence[str] = (),
    limits: Given = given(_REPORT, "term_bytes"),
) -> Result:
    """Draw a corpus, and what was dropped.

    Writes report/report.html, one page that works offline, and its pictures.

    Args:
        terms: NAME=FILE, words for a group of people, an entry a line, to be counted;
            may repeat (default: a short list in English, German and Chinese).
        toxic: NAME=FILE or FILE, the same of words that are to be few, such as the
            file of word_blocklist; may repeat.

    Examples:
        massivetext corpus report corpus/
        massivetext corpus report corpus/ --toxic=words.txt
    """
    from massivetext_keras.corpus.report.page import write_report
    from massivetext_keras.corpus.shards.manifest import read_manifest

    read_manifest(corpus)
    _check_size(limits, "term_bytes", "--term_bytes")
    own = _lists(terms, "--terms") or None, _lists(toxic, "--toxic")
    page = str(write_report(corpus, None, *own, **limits))
    return Result(page, {"page": page})


@verb("corpus stats")
def corpus_stats(corpus: Corpus) -> Result:
    """Count what a corpus holds.

    Examples:
        massivetext corpus stats corpus/
        massivetext corpus stats corpus/ --json
    """
    from massivetext_keras.corpus.report.summary import summarize, summary
    from massivetext_keras.corpus.shards.manifest import read_manifest

    read_manifest(corpus)
    return Result(summary(corpus), summarize(corpus))


@verb("corpus explain")
def corpus_explain(file: str, *, steps: Given = given(recipe_of)) -> Iterator[Result]:
    """Show what each rule measures and decides.

    Args:
        file: document to look at; of many in a file, all.

    Examples:
        massivetext corpus explain page.html --recipe=c4
    """
    from massivetext_keras.corpus.explain import explain
    from massivetext_keras.reading.encodings import valid

    recipe = recipe_of(**steps)
    if "gopher_repetition" in recipe.steps:  # what a build need not measure, too
        recipe = recipe.override("gopher_repetition.measure_all=true")
    if not Path(file).is_file():
        raise FileNotFoundError(f"{file}: no such file")
    recipe.files()  # are there
    found = explain(file, recipe.bound(), recipe.stage("read"))
    for number, explanation in enumerate(found):
        text = "\n" * (number > 0) + valid(str(explanation))
        yield Result(text, explanation.to_dict())


@verb("corpus ngram")
def corpus_ngram(
    *,
    input: Annotated[str, "text to trust: files, globs and folders, by commas"],
    output: Annotated[str, ".npz file for the model"],
    model: Given = given(
        "massivetext_keras.corpus.text.perplexity:fit_ngram_model",
        "order",
        "vocabulary_size",
    ),
) -> Result:
    """Count the n-grams of a text to trust.

    `corpus build --set statistics.ngram_model=FILE` then gives each document its
    perplexity.

    Examples:
        massivetext corpus ngram --input='good/*.txt' --output=good.npz
    """
    from massivetext_keras.corpus.text.perplexity import fit_ngram_model

    fit_ngram_model(files_in(input), output, **model)
    return Result(output, {"model": output})


def _subsets(inputs: Sequence[str]):
    """`["web=raw/web", "web=more", "books=a,b"]` -> subset -> patterns."""
    subsets: dict[str, list[str]] = {}
    for text in inputs:
        name, equals, patterns = text.partition("=")
        if not equals or not re.fullmatch(r"[\w-]+", name):
            name, patterns = "", text
        subsets.setdefault(name, []).extend(files_in(patterns))
    if "" in subsets and len(subsets) > 1:
        named = ", ".join(name for name in subsets if name)
        raise UsageError(f"--input: some files have a subset ({named}), some have none")
    return subsets.get("", subsets)


def _lists(given: Sequence[str], flag: str) -> dict[str, str]:
    """`["women=women.txt", "lists/bad.txt"]` -> name -> file."""
    lists: dict[str, str] = {}
    for text in given:
        name, equals, file = text.partition("=")
        name, file = (name, file) if equals else (Path(text).stem, text)
        if not name or not file:
            raise UsageError(f"{flag}={text}: give NAME=FILE")
        if name in lists:
            raise UsageError(f"{flag}={text}: the list {name} was given before")
        lists[name] = file
    return lists


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


def _check_size(options: dict[str, Any], name: str, flag: str) -> None:
    """Reads a number of bytes among what was given."""
    if name in options:
        try:
            options[name] = parse_size(options[name], flag)
        except ValueError as error:
            raise UsageError(str(error)) from None


@contextlib.contextmanager
def _engine(name: str, limits: Mapping[str, Any], spark: Mapping[str, Any]):
    """The engine that the flags ask for, and a bar that shows what it does."""
    from massivetext_keras.corpus.engines.progress import Bar

    bar = Bar()
    if name == "spark":
        from massivetext_keras.corpus.engines.spark import SparkEngine

        shared = {k: v for k, v in limits.items() if k != "workers"}
        engine: contextlib.AbstractContextManager = SparkEngine(
            progress=bar, **spark, **shared
        )
    else:
        from massivetext_keras.corpus.engines.local import LocalEngine

        engine = LocalEngine(progress=bar, **limits)
    with engine, contextlib.closing(bar):
        yield engine
