"""The verbs that train and use models, and their flags."""

from __future__ import annotations

from massivetext_keras import verbs
from massivetext_keras.commands.flags import (
    CHECKPOINT_EVERY,
    CONFIG,
    DATA,
    PRESET,
    REQUIRED,
    RESUME,
    RUN_DIR,
    SEED,
    STRATEGY,
    TASK,
    TOKENIZER,
    Flag,
    Verb,
)
from massivetext_keras.experiment import ExperimentConfig

_DEFAULT = ExperimentConfig()

_TRAIN = (
    PRESET._replace(default="gpt_mini"),
    DATA._replace(
        help="text: files, globs and folders, by commas; or folders of `tokenize`, "
        "each with a share of the rows or none: web=0.7,books=0.3"
    ),
    TASK,
    TOKENIZER._replace(
        default=None,
        help=f"{TOKENIZER.help}; may be left out where the preset has one of its own",
    ),
    RUN_DIR,
    Flag("steps", _DEFAULT.train.steps, "updates of the weights", int, least=0),
    Flag(
        "batch_size", _DEFAULT.data.batch_size, "rows, over all replicas", int, least=1
    ),
    Flag(
        "sequence_length",
        _DEFAULT.data.sequence_length,
        "tokens of a row",
        int,
        least=1,
    ),
    CHECKPOINT_EVERY,
    SEED,
    STRATEGY,
    RESUME,
    Flag(
        "dry_run",
        False,
        "print parameters, memory, tokens, epochs and hours; train and write nothing",
        bool,
    ),
    CONFIG,
    Flag("set", [], "any setting, as optimizer.learning_rate=1e-3; may repeat", list),
)

_SAMPLING = (
    Flag("max_new_tokens", 64, "tokens to write at the most", int, least=0),
    Flag(
        "temperature",
        1.0,
        "divides the logits; 0 takes the likeliest token",
        float,
        least=0,
    ),
    Flag("top_k", 0, "sample among the k most probable tokens; 0: all", int, least=0),
    Flag(
        "top_p",
        1.0,
        "sample among the likeliest tokens with this share",
        float,
        above=0,
        most=1,
    ),
    Flag(
        "min_p",
        0.0,
        "sample among tokens this share as likely as the best",
        float,
        least=0,
        most=1,
    ),
    Flag(
        "repetition_penalty", 1.0, "above 1: fewer tokens that occurred", float, above=0
    ),
    Flag("seed", None, "of the sampling (default: a new one each time)", int),
    Flag("banned", [], "a phrase that is never written; may repeat", list),
)

_GENERATE = (
    PRESET,
    Flag("prompt", None, "may repeat (default: the lines of standard input)", list),
    *_SAMPLING,
    Flag("num_samples", None, "texts for each prompt (default: one)", int, least=1),
    Flag("stop", [], "a string that ends the text; may repeat", list),
    Flag("include_prompt", True, "begin each text with its prompt", bool),
    Flag("num_beams", 1, "above 1: beam search instead of sampling", int),
    Flag("length_penalty", 1.0, "of beams; above 0 favours long texts", float),
    Flag("stream", False, "write pieces as they come; for one prompt", bool),
    Flag("json", False, "a line of JSON for each prompt", bool),
)

_CHAT = (
    PRESET,
    Flag("system", None, "what the assistant is told before"),
    *_SAMPLING,
)

_EXPORT = (
    PRESET,
    TASK,
    Flag("output", REQUIRED, "folder of the SavedModel"),
    Flag("overwrite", False, "replace what is in the folder", bool),
    Flag("xla", True, "compile the loop of `serving_default` that writes texts", bool),
)

_PRESETS = (Flag("json", False, "every field, as JSON", bool),)

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
    "chat": Verb(
        "talk with a model",
        "A line of standard input is what you say, the reply goes to standard output, "
        "and what was said before belongs to the conversation. /reset begins anew, "
        "/quit ends, and control-C ends a reply. The preset has the template; "
        "`finetune --task=CausalLM` teaches replies.",
        _CHAT,
        verbs.chat,
    ),
    "export": Verb(
        "write a SavedModel that takes and gives strings",
        "The export is loaded again and compared with the model before it takes its "
        "place. It needs tensorflow and tensorflow_text alone.",
        _EXPORT,
        verbs.export,
    ),
    "presets": Verb("list the named shapes of models", "", _PRESETS, verbs.presets),
}
