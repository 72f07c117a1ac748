"""The verbs of corpora, and their flags."""

from __future__ import annotations

from massivetext_keras import verbs
from massivetext_keras.commands.flags import REQUIRED, Flag, Verb

_CORPUS = Flag("corpus", REQUIRED, "folder of `corpus build`")

_RECIPE = (
    Flag(
        "recipe",
        "massivetext",
        "massivetext, c4, fineweb, curated, or a JSON file such as a manifest's recipe",
    ),
    Flag("languages", None, "ISO codes of those that are kept, as en,de,zh"),
    Flag(
        "evaluation",
        None,
        "files by commas: documents that hold their items are dropped",
    ),
    Flag(
        "set",
        [],
        "a threshold, as gopher_quality.min_words=30; STEP=null leaves a step out, "
        "STEP={} adds one; may repeat",
        list,
    ),
)

_CORPUS_BUILD = (
    Flag(
        "input",
        REQUIRED,
        "files, globs, folders and URLs, by commas; NAME=FILES for a subset of the "
        "corpus; may repeat",
        list,
    ),
    Flag("output", REQUIRED, "folder for the corpus"),
    *_RECIPE,
    Flag(
        "validation_fraction",
        0.005,
        "share of documents held out",
        float,
        least=0,
        most=1,
    ),
    Flag(
        "test_fraction",
        0.005,
        "share of documents held out for the end",
        float,
        least=0,
        most=1,
    ),
    Flag(
        "weights",
        None,
        "shares of the subsets' bytes, as web=0.7,books=0.3, or massivetext or "
        "chinchilla; documents are left out until they hold (default: all are taken)",
    ),
    Flag("seed", 0, "of the choice of documents held out or left out", int),
    Flag("shard_size", "128MB", "of text in a file, about"),
    Flag("format", "jsonl", "of the shards", ("jsonl", "parquet")),
    Flag("workers", None, "processes (default: the cores)", int, least=1),
    Flag(
        "max_memory",
        None,
        "of all processes together, as 1GB (default: half of what is free)",
    ),
    Flag("time_limit", 60.0, "seconds that a document may take", float, above=0),
    Flag("engine", "local", "where the work is done", ("local", "spark")),
    Flag("master", "local[2]", "of Spark, as spark://HOST:PORT"),
    Flag("overwrite", False, "replace what is in the folder", bool),
)

_CORPUS_EXPLAIN = (
    Flag("file", REQUIRED, "document to look at; of many in a file, all"),
    *_RECIPE,
    Flag("json", False, "a line of JSON for each document", bool),
)

_CORPUS_NGRAM = (
    Flag("input", REQUIRED, "text to trust: files, globs and folders, by commas"),
    Flag("output", REQUIRED, ".npz file for the model"),
    Flag("order", 3, "words of an n-gram", int, least=1),
    Flag(
        "vocabulary_size",
        50_000,
        "most frequent words that are told apart",
        int,
        least=1,
    ),
)

VERBS = {
    "corpus build": Verb(
        "clean, filter and deduplicate raw files into shards",
        "Reads text, JSON lines, CSV, TSV, Parquet, HTML, WARC, MediaWiki dumps, "
        "gettext catalogues and source code, also .gz, .zst and .bz2. A build that was "
        "stopped goes on with the same command. The same input gives the same bytes, "
        "whatever the engine and the number of workers.",
        _CORPUS_BUILD,
        verbs.corpus_build,
    ),
    "corpus report": Verb(
        "draw a corpus, and what was dropped",
        "Writes report/report.html, one page that works offline, and its pictures.",
        (_CORPUS,),
        verbs.corpus_report,
        ("corpus",),
    ),
    "corpus stats": Verb(
        "count what a corpus holds",
        "",
        (_CORPUS,),
        verbs.corpus_stats,
        ("corpus",),
    ),
    "corpus explain": Verb(
        "show what each rule measures and decides",
        "",
        _CORPUS_EXPLAIN,
        verbs.corpus_explain,
        ("file",),
    ),
    "corpus ngram": Verb(
        "count the n-grams of a text to trust",
        "`corpus build --set statistics.ngram_model=FILE` then gives each document its "
        "perplexity.",
        _CORPUS_NGRAM,
        verbs.corpus_ngram,
    ),
}
