"""The verbs of `massivetext` and their flags, as tables."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from massivetext_keras import verbs
from massivetext_keras.configs import ExperimentConfig

REQUIRED = object()


class Flag(NamedTuple):
    """A flag of a verb.

    Attributes:
        name: without dashes.
        default: its value; REQUIRED if it must be given.
        help: one sentence.
        kind: str, int, float, bool, list (may be repeated) or a tuple of choices.
    """

    name: str
    default: Any
    help: str
    kind: Any = str


class Verb(NamedTuple):
    """A subcommand.

    Attributes:
        summary: one line.
        details: what else `--help` says.
        flags: its flags.
        run: does the work with the parsed values; results go to stdout.
        word: the flag that a first word without dashes stands for.
    """

    summary: str
    details: str
    flags: tuple[Flag, ...]
    run: Callable[[verbs.Values], None]
    word: str | None = None


_DEFAULT = ExperimentConfig()
_PRESET = Flag(
    "preset", REQUIRED, "a name that `presets` lists, a preset folder, or hf:FOLDER"
)
_DATA = Flag("data", REQUIRED, "text: files, globs and folders, by commas")

_TASK = Flag(
    "task",
    None,
    "CausalLM, MaskedLM and so on (default: that of the folder, or the language model "
    "for the preset)",
)

_TOKENIZER = Flag("tokenizer", REQUIRED, "folder of `tokenizer train`, or `bytes`")

_TRAIN = (
    _PRESET._replace(default="gpt_mini"),
    _DATA._replace(
        help="text: files, globs and folders, by commas; or folders of `tokenize`, "
        "each with a share of the rows or none: web=0.7,books=0.3"
    ),
    _TASK,
    _TOKENIZER._replace(
        default=None,
        help=f"{_TOKENIZER.help}; may be left out where the preset has one of its own",
    ),
    Flag("run_dir", REQUIRED, "folder of logs, checkpoints and, in the end, a preset"),
    Flag("steps", _DEFAULT.train.steps, "updates of the weights", int),
    Flag("batch_size", _DEFAULT.data.batch_size, "rows, over all replicas", int),
    Flag("sequence_length", _DEFAULT.data.sequence_length, "tokens of a row", int),
    Flag(
        "checkpoint_every",
        _DEFAULT.train.checkpoint_every,
        "updates between checkpoints",
        int,
    ),
    Flag("seed", _DEFAULT.train.seed, "of first weights and dropout", int),
    Flag("strategy", "auto", "auto, none, mirrored, multi_worker or tpu"),
    Flag(
        "resume",
        "auto",
        "auto goes on from the newest checkpoint of the run, never starts anew",
        ("auto", "never"),
    ),
    Flag(
        "dry_run",
        False,
        "print parameters, memory, tokens, epochs and hours; train and write nothing",
        bool,
    ),
    Flag("config", None, "experiment.json of another run, to start from"),
    Flag("set", [], "any setting, as optimizer.learning_rate=1e-3; may repeat", list),
)

_EVALUATE = (
    _PRESET,
    _DATA,
    Flag("batch_size", 16, "rows of a batch", int),
    Flag("sequence_length", None, "tokens of a row (default: the context)", int),
)

_GENERATE = (
    _PRESET,
    Flag("prompt", None, "may repeat (default: the lines of standard input)", list),
    Flag("max_new_tokens", 64, "tokens to write at the most", int),
    Flag("temperature", 1.0, "divides the logits; 0 takes the likeliest token", float),
    Flag("top_k", 0, "sample among the k most probable tokens; 0: all", int),
    Flag("top_p", 1.0, "sample among the likeliest tokens with this share", float),
    Flag("min_p", 0.0, "sample among tokens this share as likely as the best", float),
    Flag("repetition_penalty", 1.0, "above 1: fewer tokens that occurred", float),
    Flag("seed", None, "of the sampling (default: a new one each time)", int),
    Flag("num_samples", None, "texts for each prompt (default: one)", int),
    Flag("stop", [], "a string that ends the text; may repeat", list),
    Flag("include_prompt", True, "begin each text with its prompt", bool),
    Flag("stream", False, "write pieces as they come; for one prompt", bool),
    Flag("json", False, "a line of JSON for each prompt", bool),
)

_EXPORT = (
    _PRESET,
    _TASK,
    Flag("output", REQUIRED, "folder of the SavedModel"),
    Flag("overwrite", False, "replace what is in the folder", bool),
)

_PRESETS = (Flag("json", False, "every field, as JSON", bool),)

_TOKENIZER_TRAIN = (
    _DATA._replace(name="input"),
    Flag("output", REQUIRED, "folder for the tokenizer"),
    Flag(
        "kind",
        "sentencepiece",
        "of tokenizer",
        ("sentencepiece", "wordpiece", "byte_pair", "bytes"),
    ),
    Flag("vocabulary_size", 8192, "special tokens included", int),
    Flag("model_type", "bpe", "of a sentencepiece tokenizer", ("bpe", "unigram")),
)

_TOKENIZE = (
    _DATA._replace(name="input"),
    _TOKENIZER,
    Flag("output", REQUIRED, "folder for the shards"),
    Flag(
        "sequence_length",
        _DEFAULT.data.sequence_length,
        "tokens of a row, as `train` will want them",
        int,
    ),
    Flag(
        "validation_fraction",
        _DEFAULT.data.validation_fraction,
        "share of the text held out; 0: none",
        float,
    ),
    Flag("seed", _DEFAULT.data.seed, "of the split by documents", int),
    Flag("corpus", None, "name in logs of a mixture (default: that of the folder)"),
    Flag("overwrite", False, "replace what is in the folder", bool),
)

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
    Flag("validation_fraction", 0.005, "share of documents held out", float),
    Flag("test_fraction", 0.005, "share of documents held out for the end", float),
    Flag(
        "weights",
        None,
        "shares of the subsets' bytes, as web=0.7,books=0.3, or massivetext or "
        "chinchilla; documents are left out until they hold (default: all are taken)",
    ),
    Flag("seed", 0, "of the choice of documents held out or left out", int),
    Flag("shard_size", "128MB", "of text in a file, about"),
    Flag("format", "jsonl", "of the shards", ("jsonl", "parquet")),
    Flag("workers", None, "processes (default: the cores)", int),
    Flag(
        "max_memory",
        None,
        "of all processes together, as 1GB (default: half of what is free)",
    ),
    Flag("time_limit", 60.0, "seconds that a document may take", float),
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
    Flag("order", 3, "words of an n-gram", int),
    Flag("vocabulary_size", 50_000, "most frequent words that are told apart", int),
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
        "corpus",
    ),
    "corpus stats": Verb(
        "count what a corpus holds",
        "",
        (_CORPUS,),
        verbs.corpus_stats,
        "corpus",
    ),
    "corpus explain": Verb(
        "show what each rule measures and decides",
        "",
        _CORPUS_EXPLAIN,
        verbs.corpus_explain,
        "file",
    ),
    "corpus ngram": Verb(
        "count the n-grams of a text to trust",
        "`corpus build --set statistics.ngram_model=FILE` then gives each document its "
        "perplexity.",
        _CORPUS_NGRAM,
        verbs.corpus_ngram,
    ),
    "train": Verb(
        "train a language model on text",
        "Settings come from the defaults, then the preset, --config, the flags, and "
        "--set. The same command goes on where a stopped run was, to the same weights. "
        "On SIGTERM or control-C it saves after the step and exits with 143 or 130.",
        _TRAIN,
        verbs.train,
    ),
    "generate": Verb(
        "continue texts",
        "Texts go to standard output, everything else to standard error.",
        _GENERATE,
        verbs.generate,
    ),
    "evaluate": Verb(
        "measure a model on text",
        "Prints nats per token, perplexity and bits per byte.",
        _EVALUATE,
        verbs.evaluate,
    ),
    "export": Verb(
        "write a SavedModel that takes and gives strings",
        "The export is loaded again and compared with the model before it takes its "
        "place. It needs tensorflow and tensorflow_text alone.",
        _EXPORT,
        verbs.export,
    ),
    "presets": Verb("list the named shapes of models", "", _PRESETS, verbs.presets),
    "tokenizer train": Verb(
        "learn a vocabulary from text",
        "The tokenizers run inside the TensorFlow graph and are part of an export.",
        _TOKENIZER_TRAIN,
        verbs.tokenizer_train,
    ),
    "tokenize": Verb(
        "write text once, as packed rows of tokens, for many runs",
        "Documents are packed into rows with next to no padding; none that fits is "
        "cut, and in training none sees another. A row is a record of a TFRecord file. "
        "manifest.json says what they are and has the hash of each file: `train "
        "--data=FOLDER` compares these, and the tokenizer, before it starts. Memory "
        "does not grow with the text.",
        _TOKENIZE,
        verbs.tokenize,
    ),
    "doctor": Verb(
        "say what is installed and what would not work here",
        "",
        (),
        verbs.doctor,
    ),
}
