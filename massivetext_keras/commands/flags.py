"""What a verb and a flag are, and the flags that several verbs have."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any, NamedTuple

from massivetext_keras import verbs
from massivetext_keras.experiment import ExperimentConfig

REQUIRED = object()


class Flag(NamedTuple):
    """A flag of a verb.

    Attributes:
        name: without dashes.
        default: its value; REQUIRED if it must be given.
        help: one sentence.
        kind: str, int, float, bool, list (may be repeated) or a tuple of choices.
        least, most, above, below: bounds of a number; the last two are not among its
            values.
    """

    name: str
    default: Any
    help: str
    kind: Any = str
    least: float | None = None
    most: float | None = None
    above: float | None = None
    below: float | None = None

    def complaint(self, value: float | None) -> str:
        """What is wrong with a number; "" if nothing is.

        >>> Flag("top_p", 1.0, "", float, above=0, most=1).complaint(1.5)
        'must be above 0 and at most 1'
        """
        bounds = {
            "above": (self.above, operator.gt),
            "at least": (self.least, operator.ge),
            "at most": (self.most, operator.le),
            "below": (self.below, operator.lt),
        }
        bounds = {k: v for k, v in bounds.items() if v[0] is not None}
        if value is None or all(holds(value, x) for x, holds in bounds.values()):
            return ""
        words = (f"{word} {bound:g}" for word, (bound, _) in bounds.items())
        return f"must be {' and '.join(words)}"


class Verb(NamedTuple):
    """A subcommand.

    Attributes:
        summary: one line.
        details: what else `--help` says.
        flags: its flags.
        run: does the work with the parsed values; results go to stdout.
        words: the flags that first words without dashes stand for.
    """

    summary: str
    details: str
    flags: tuple[Flag, ...]
    run: Callable[[verbs.Values], None]
    words: tuple[str, ...] = ()


PRESET = Flag(
    "preset", REQUIRED, "a name that `presets` lists, a preset folder, or hf:FOLDER"
)

DATA = Flag("data", REQUIRED, "text: files, globs and folders, by commas")

TASK = Flag(
    "task",
    None,
    "CausalLM, MaskedLM and so on (default: that of the folder, or the language model "
    "for the preset)",
)

TOKENIZER = Flag("tokenizer", REQUIRED, "folder of `tokenizer train`, or `bytes`")

# Of what trains
_RUN = ExperimentConfig().train
RUN_DIR = Flag(
    "run_dir", REQUIRED, "folder of logs, checkpoints and, in the end, a preset"
)
CHECKPOINT_EVERY = Flag(
    "checkpoint_every",
    _RUN.checkpoint_every,
    "updates between checkpoints",
    int,
    least=1,
)
SEED = Flag("seed", _RUN.seed, "of first weights and dropout", int)
STRATEGY = Flag("strategy", _RUN.strategy, "auto, none, mirrored, multi_worker or tpu")
RESUME = Flag(
    "resume",
    "auto",
    "auto goes on from the newest checkpoint of the run, never starts anew",
    ("auto", "never"),
)
CONFIG = Flag("config", None, "experiment.json of another run, to start from")
