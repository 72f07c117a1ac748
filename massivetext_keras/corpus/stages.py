"""The stages of a build: each takes what the ones before it made, and adds its own."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from massivetext_keras.corpus.cleaning import clean
from massivetext_keras.corpus.duplicates.deduplication import (
    Cluster,
    find_duplicates,
    largest_clusters,
)
from massivetext_keras.corpus.duplicates.repeats import cut_repeats, find_repeats
from massivetext_keras.corpus.engines import Engine
from massivetext_keras.corpus.inputs import hash_files, write_listing
from massivetext_keras.corpus.recipes import Recipe
from massivetext_keras.corpus.report.data import ReportData
from massivetext_keras.corpus.shards.assembly import assemble
from massivetext_keras.corpus.shards.placing import Fractions
from massivetext_keras.corpus.work import Work


@dataclass(frozen=True)
class Build:
    """What a build is asked for, and what its stages have made so far.

    Attributes:
        engine: runs the stages.
        work: folder of what they make.
        recipe: what is done to documents.
        files: rows of the files that are read.
        contents: of `Recipe.files`.
        modules: outside of this package, which workers import.
        fractions, weights, shard_bytes, format: of the corpus; see `pipeline.build`.
        listing: parts of files to read.
        hashes: parts of the hashes of these.
        cleaned: parts of documents, kept or dropped by a rule.
        verdicts: parts of the ids of documents that are dropped for others.
        clusters: the largest groups of documents that were alike.
        report: of all documents.
        shards: file of the corpus -> its entry in the manifest.
    """

    engine: Engine
    work: Work
    recipe: Recipe
    files: Sequence[Mapping[str, Any]]
    contents: Mapping[str, str]
    modules: Sequence[str]
    fractions: Fractions
    weights: Mapping[str, float] | None
    shard_bytes: int
    format: str
    listing: Sequence[Path] = ()
    hashes: Sequence[Path] = ()
    cleaned: Sequence[Path] = ()
    verdicts: Sequence[Path] = ()
    clusters: Sequence[Cluster] = ()
    report: ReportData = field(default_factory=ReportData)
    shards: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def map(self, parts: Sequence[Path], function: Callable, name: str) -> list[Path]:
        """Runs a function over parts, for a stage of that name."""
        return self.engine.map_batches(parts, function, self.work.stage(name))

    def having(self, **made: Any) -> Build:
        """The same with what a stage has made."""
        return dataclasses.replace(self, **made)


Stage = Callable[[Build], Build]


def divide_inputs(build: Build) -> Build:
    """Divides the files into parts to read."""
    listing = write_listing(build.files, build.work.stage("files"))
    return build.having(listing=listing)


def hash_inputs(build: Build) -> Build:
    """Hashes the files, for the manifest."""
    return build.having(hashes=build.map(build.listing, hash_files, "hashes"))


def clean_documents(build: Build) -> Build:
    """Reads the files and takes their documents through the rules of the recipe."""
    function = functools.partial(
        clean,
        recipe=build.recipe,
        contents=build.contents,
        modules=build.modules,
    )
    return build.having(cleaned=build.map(build.listing, function, "cleaned"))


def drop_duplicates(build: Build) -> Build:
    """Finds the documents that others are equal or nearly equal to."""
    wanted = build.recipe.stage("find_duplicates")
    place = build.work.stage("duplicates")
    verdicts = find_duplicates(build.engine, build.cleaned, place, **wanted)
    clusters = largest_clusters(
        build.engine, verdicts, build.cleaned, build.work.stage("clusters")
    )
    return build.having(verdicts=verdicts, clusters=clusters)


def cut_repeated(build: Build) -> Build:
    """Cuts paragraphs, lines and runs of words that other documents have."""
    wanted = build.recipe.stage("find_repeats")
    if not any(wanted.values()):
        return build
    place = build.work.stage("repeats")
    repeats = find_repeats(build.engine, build.cleaned, build.verdicts, place, **wanted)
    function = functools.partial(cut_repeats, repeats=repeats)
    return build.having(cleaned=build.map(build.cleaned, function, "cut"))


def write_shards(build: Build) -> Build:
    """Chooses sides and proportions, and writes what is kept."""
    report, shards = assemble(
        build.engine,
        build.cleaned,
        build.verdicts,
        build.work,
        build.fractions,
        build.weights,
        build.shard_bytes,
        build.format,
    )
    return build.having(report=report, shards=shards)
