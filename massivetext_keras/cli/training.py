"""The verbs that train a language model on text, and list the shapes there are."""

from __future__ import annotations

import contextlib
import re
import sys
from collections.abc import Sequence
from typing import Annotated, Any, Literal, NamedTuple

from massivetext_keras.cli.flags import Given, UsageError, given, verb
from massivetext_keras.cli.settings import (
    ConfigFile,
    Data,
    Preset,
    RunFolder,
    TokenizerName,
    experiment_of,
    files_in,
    need_tokenizer,
    tokenizer_named,
)
from massivetext_keras.cli.shell.results import Result
from massivetext_keras.experiment import ExperimentConfig

Resume = Annotated[
    Literal["auto", "never"],
    "auto goes on from the newest checkpoint of the run, never starts anew",
]


class Run(NamedTuple):
    """What is trained on what.

    Attributes:
        experiment: every setting.
        files: names and patterns of text or shards.
        tokenizer: None for the preset's own.
        weights: preset to start from; None for random ones.
        strategy: of tf.distribute, or a mesh.
    """

    experiment: ExperimentConfig
    files: list[str]
    tokenizer: Any
    weights: str | None
    strategy: Any


def run_of(
    *,
    preset: Preset = "gpt_mini",
    data: Data,
    tokenizer: TokenizerName | None = None,
    fields: Given = given(
        ExperimentConfig,
        "train.steps",
        "train.minutes",
        "train.unigram_bias",
        "data.batch_size",
        "data.sequence_length",
        "train.checkpoint_every",
        "train.seed",
        "train.strategy",
        "train.mesh",
        "train.shard_state",
        "train.shard_sequence",
        task="task.name",
    ),
    config: ConfigFile | None = None,
    set: Sequence[str] = (),
) -> Run:
    """What flags ask for.

    Args:
        data: text: files, globs and folders, by commas; or folders of `tokenize`, each
            with a share of the rows or none: web=0.7,books=0.3.
        task: CausalLM, MaskedLM and so on (default: that of the folder, or the language
            model for the preset).
        tokenizer: folder of `tokenizer train`, or `bytes`; may be left out where the
            preset has one of its own.
        set: any setting, as optimizer.learning_rate=1e-3; may repeat.
    """
    from massivetext_keras import training
    from massivetext_keras.architecture.sources import is_shape

    if {"train.steps", "train.minutes"} <= fields.keys():
        raise UsageError("--steps and --minutes: give one, both say when training ends")
    experiment = experiment_of(ExperimentConfig(), preset, config, fields, set)
    fixed = [word for word in set if word.strip().startswith("model.")]
    is_new = is_shape(preset)
    if fixed and not is_new:
        raise UsageError(f"{fixed[0]}: the model is that of --preset={preset}")
    # Several workers have to find one another before anything is computed.
    strategy = training.make_devices(*experiment.train.devices)
    learnt = None if tokenizer is None else tokenizer_named(tokenizer)
    weights: str | None = preset
    if is_new:
        weights = None
        need_tokenizer(learnt)
        experiment = training.with_vocabulary(experiment, learnt)
    return Run(experiment, files_in(data), learnt, weights, strategy)


@verb("train")
def train(
    *,
    what: Given = given(run_of),
    run_dir: RunFolder,
    resume: Resume = "auto",
    dry_run: bool = False,
) -> Result:
    """Train a language model on text.

    Settings come from the defaults, then the preset, --config, the flags, and --set.
    The same command goes on where a stopped run was, to the same weights. On SIGTERM or
    control-C it saves after the step and exits with 143 or 130.

    Args:
        dry_run: print parameters, memory, tokens, epochs and hours; train and write
            nothing.

    Examples:
        massivetext train --preset=gpt_mini --data=corpus/ --tokenizer=tok/
            --run_dir=runs/1 --dry_run
        massivetext train --preset=gpt_mini --data=corpus/ --tokenizer=tok/
            --run_dir=runs/1 --steps=5000 --set=optimizer.learning_rate=1e-3
    """
    from massivetext_keras import training

    run = run_of(**what)
    recipe = run.experiment, run.files, run.tokenizer
    if dry_run:
        lines = [*training.plan(*recipe, run.weights)]
        pairs = (re.split(r" {2,}", line, maxsplit=1) for line in lines)
        return Result("\n".join(lines), {"plan": {pair[0]: pair[-1] for pair in pairs}})
    with contextlib.redirect_stdout(sys.stderr):  # what Keras prints is no result
        task = training.train(
            *recipe,
            run_dir,
            run.weights,
            resume=resume == "auto",
            strategy=run.strategy,
        )
    count = task.count_params()
    return Result(
        f"{run_dir}: {count:,} parameters", {"run_dir": run_dir, "parameters": count}
    )


@verb("presets")
def presets() -> Result:
    """List the named shapes of models; with --json, every field.

    Examples:
        massivetext presets
    """
    from massivetext_keras.architecture.shapes import PAPERS, PRESETS

    table = {
        name: {
            "parameters": config.parameter_count(),
            "paper": PAPERS.get(name),
            "model": config.to_dict(),
        }
        for name, config in PRESETS.items()
    }
    lines = [
        f"{'name':34} {'stack':17} {'parameters':>14} {'layers':>6} {'size':>5} "
        f"{'context':>7}  paper"
    ]
    for name, config in PRESETS.items():
        paper = PAPERS.get(name, "another package's")
        layers = str(config.num_layers)
        if config.is_encoder_decoder:
            layers += f"+{config.decoder_layers}"
        lines.append(
            f"{name:34} {config.stack:17} {config.parameter_count():14,} {layers:>6} "
            f"{config.hidden_size:5} {config.max_length:7,}  {paper}"
        )
    return Result("\n".join(lines), table)
