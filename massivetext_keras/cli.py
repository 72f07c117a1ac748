"""`massivetext`: one program with a verb for each stage, from text to export."""

from __future__ import annotations

import logging
import os
import re
import sys
import textwrap
from collections.abc import Callable
from typing import Any, NamedTuple

from absl import flags

from massivetext_keras import __version__, verbs
from massivetext_keras.configs import ExperimentConfig, nearest
from massivetext_keras.verbs import UsageError

WIDTH = 80
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
    """

    summary: str
    details: str
    flags: tuple[Flag, ...]
    run: Callable[[flags.FlagValues], None]


def main(argv: list[str] | None = None) -> None:
    """Runs one verb and exits: 0, 1 (the work failed) or 2 (wrong usage)."""
    sys.exit(run(sys.argv[1:] if argv is None else argv))


def run(argv: list[str]) -> int:
    """Runs one verb.

    Args:
        argv: the command line without the program's name.

    Returns:
        The exit code.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")  # before anything imports it
    logging.basicConfig(format="%(message)s", level=logging.INFO, stream=sys.stderr)
    try:
        name, rest = find_verb(argv)
        if name is None:
            print(__version__ if "--version" in argv else overview())
            return 0
        values = define(VERBS[name].flags)
        if {"--help", "-h", "-help"} & set(rest):
            print(usage(name))
            return 0
        parse(name, values, rest)
        VERBS[name].run(values)
        sys.stdout.flush()
    except BrokenPipeError:  # whoever read has enough, such as `head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except UsageError as error:
        print(f"massivetext: {error}", file=sys.stderr)
        return 2
    except (ValueError, TypeError, OSError, RuntimeError, ImportError) as error:
        print(f"massivetext: {error}", file=sys.stderr)
        return 1
    return 0


def find_verb(argv: list[str]) -> tuple[str | None, list[str]]:
    """Splits a command line into the verb's name and the rest."""
    words = []
    for word in argv:
        if word.startswith("-"):
            break
        words.append(word)
    if not words:
        known = {"--help", "-h", "-help", "--version"}
        if argv and argv[0] not in known:
            raise UsageError(f"the verb comes first, then {argv[0]}; see --help")
        return None, []
    for count in (2, 1):
        name = " ".join(words[:count])
        if name in VERBS:
            return name, argv[len(words[:count]) :]
    longer = [name for name in VERBS if name.startswith(f"{words[0]} ")]
    hint = nearest(words[0], longer or VERBS)
    raise UsageError(f"unknown verb {' '.join(words)!r}: {hint}")


def parse(name: str, values: flags.FlagValues, argv: list[str]) -> None:
    """Parses the flags of a verb.

    Raises:
        UsageError: a flag is unknown, missing or of the wrong type.
    """
    try:
        left = values([f"massivetext {name}", *argv])[1:]
    except flags.UnrecognizedFlagError as error:
        hint = nearest(error.flagname, list(values))
        raise UsageError(f"unknown flag --{error.flagname}: {hint}") from None
    except flags.Error as error:
        missing = re.search(
            r"Flag (--\w+) must have a value other than None", str(error)
        )
        text = f"{missing[1]} is required" if missing else str(error)
        raise UsageError(f"{text}; see {name} --help") from None
    if left:
        raise UsageError(f"{left[0]!r} belongs to no flag; see {name} --help")


def overview() -> str:
    """What `massivetext --help` prints."""
    lines = [
        "massivetext: language models with Keras on TensorFlow, from raw text to a",
        "SavedModel that takes strings.",
        "",
        "usage: massivetext VERB [--flag=value ...]",
        "",
    ]
    width = max(map(len, VERBS))
    lines += [f"  {name:{width}}  {verb.summary}" for name, verb in VERBS.items()]
    lines += ["", "massivetext VERB --help tells the flags of a verb."]
    return "\n".join(lines)


def usage(name: str) -> str:
    """What `massivetext VERB --help` prints."""
    verb = VERBS[name]
    lines = [f"massivetext {name}: {verb.summary}", ""]
    if verb.details:
        lines += [*textwrap.wrap(verb.details, WIDTH), ""]
    for flag in verb.flags:
        text, default = flag.help, flag.default
        if isinstance(flag.kind, tuple):
            text = f"{text}; one of {', '.join(flag.kind)}"
        if default is REQUIRED:
            text = f"{text} (required)"
        elif default not in (None, "", []):
            text = f"{text} (default: {default})"
        lines.append(f"  --{flag.name}")
        lines += [f"      {line}" for line in textwrap.wrap(text, WIDTH - 6)]
    return "\n".join(lines)


def define(table: tuple[Flag, ...]) -> flags.FlagValues:
    """The flags of a verb, ready to be parsed."""
    values = flags.FlagValues()
    makers = {
        str: flags.DEFINE_string,
        int: flags.DEFINE_integer,
        float: flags.DEFINE_float,
        bool: flags.DEFINE_boolean,
        list: flags.DEFINE_multi_string,
    }
    for name, default, text, kind in table:
        value = None if default is REQUIRED else default
        if isinstance(kind, tuple):
            flags.DEFINE_enum(name, value, kind, text, flag_values=values)
        else:
            makers[kind](name, value, text, flag_values=values)
        if default is REQUIRED:
            flags.mark_flag_as_required(name, flag_values=values)
    return values


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

VERBS = {
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
