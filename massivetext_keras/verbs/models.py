"""The verbs that train and use models."""

from __future__ import annotations

import contextlib
import json
import math
import sys

from massivetext_keras.experiment import ExperimentConfig
from massivetext_keras.verbs.common import (
    UsageError,
    Values,
    experiment_of,
    need_tokenizer,
    tokenizer_named,
)
from massivetext_keras.verbs.tasks import measure


def train(values: Values) -> None:
    from massivetext_keras import training
    from massivetext_keras.architecture import shapes as presets

    experiment, preset = experiment_of(values, ExperimentConfig()), values.preset
    fixed = [word for word in values.set if word.strip().startswith("model.")]
    if fixed and preset not in presets.PRESETS:
        raise UsageError(f"{fixed[0]}: the model is that of --preset={preset}")
    # Several workers have to find one another before anything is computed.
    strategy = training.make_strategy(experiment.train.strategy)
    tokenizer = None if values.tokenizer is None else tokenizer_named(values.tokenizer)
    if preset in presets.PRESETS:
        preset = None
        need_tokenizer(tokenizer)
        experiment = training.with_vocabulary(experiment, tokenizer)
    files = values.data.split(",")
    if values.dry_run:
        for line in training.plan(experiment, files, tokenizer, preset):
            print(line, flush=True)
        return
    with contextlib.redirect_stdout(sys.stderr):  # what Keras prints is no result
        task = training.train(
            experiment,
            files,
            tokenizer,
            values.run_dir,
            preset,
            resume=values.resume == "auto",
            strategy=strategy,
        )
    print(f"{values.run_dir}: {task.count_params():,} parameters")


def evaluate(values: Values) -> None:
    from massivetext_keras import corpus, data, tasks
    from massivetext_keras.text.documents import encode_documents

    cls = tasks.task_class(values.preset, values.task)
    if cls is not tasks.CausalLM or _of_examples(values):
        measure(values)
        return
    task = tasks.CausalLM.from_preset(values.preset)
    context = task.config.max_length
    if not 1 <= (values.sequence_length or context) <= context:
        raise ValueError(
            f"sequence_length {values.sequence_length} is more than the model's "
            f"context of {context} tokens"
        )
    try:
        documents = list(corpus.read_documents(values.data.split(",")))
    except ValueError as error:
        raise ValueError(f"{error}; of conversations say the --format") from None
    tokens = encode_documents(task.need_tokenizer(), documents, progress=True)
    length = min(values.sequence_length or task.config.max_length, len(tokens) - 1)
    task.compile()
    batches = data.validation_batches(tokens, values.batch_size, length)
    results = task.evaluate(batches, return_dict=True, verbose=0)
    print(f"tokens            {len(tokens) - 1:,}")
    print(f"nats per token    {results['loss']:.4f}")
    print(f"perplexity        {math.exp(results['loss']):.4f}")
    if "bits_per_byte" in results:
        print(f"bits per byte     {results['bits_per_byte']:.4f}")


def _of_examples(values: Values) -> bool:
    """Whether the data of a language model are conversations, and not text."""
    flags = ("format", "columns", "option", "json", "report")
    return any(values[name].present for name in flags) or any(
        name.endswith((".yml", ".yaml")) for name in values.data.split(",")
    )


def generate(values: Values) -> None:
    from massivetext_keras import tasks

    names = (
        "max_new_tokens temperature top_k top_p min_p repetition_penalty seed stop "
        "banned include_prompt num_beams length_penalty"
    )
    given = (name for name in names.split() if values[name].present)
    arguments = {name: values[name].value for name in given}
    task = tasks.CausalLM.from_preset(values.preset)
    prompts = values.prompt
    if prompts is None:
        prompts = sys.stdin.read().splitlines()
    if values.stream:
        if len(prompts) != 1 or values.num_samples:
            raise UsageError("--stream takes one prompt and no --num_samples")
        for piece in task.stream(prompts[0], **arguments):
            print(piece, end="", flush=True)
        print()
        return
    texts = task.generate(prompts, num_samples=values.num_samples, **arguments)
    for prompt, text in zip(prompts, texts, strict=True):
        if values.json:
            line = {"prompt": prompt, "text": text}
            print(json.dumps(line, ensure_ascii=False))
            continue
        for sample in text if values.num_samples else [text]:
            print(sample)


def export(values: Values) -> None:
    from massivetext_keras import tasks

    task = tasks.task_class(values.preset, values.task).from_preset(values.preset)
    task.export(values.output, values.overwrite, values.xla)
    names = [name for name in task.signatures() if name != "serving_default"]
    print(f"{values.output}: signatures {', '.join(names)}")


def presets(values: Values) -> None:
    from massivetext_keras.architecture.shapes import PAPERS, PRESETS

    if values.json:
        table = {
            name: {
                "parameters": config.parameter_count(),
                "paper": PAPERS[name],
                "model": config.to_dict(),
            }
            for name, config in PRESETS.items()
        }
        print(json.dumps(table, indent=2))
        return
    print(
        f"{'name':34} {'stack':15} {'parameters':>14} {'layers':>6} {'size':>5} "
        f"{'context':>7}  paper"
    )
    for name, config in PRESETS.items():
        layers = str(config.num_layers)
        if config.stack == "encoder_decoder":
            layers += f"+{config.decoder_layers}"
        print(
            f"{name:34} {config.stack:15} {config.parameter_count():14,} {layers:>6} "
            f"{config.hidden_size:5} {config.max_length:7,}  {PAPERS[name]}"
        )
