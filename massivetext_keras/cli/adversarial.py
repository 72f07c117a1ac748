"""The verb of generators that learn against a discriminator."""

from __future__ import annotations

from typing import Annotated, Any

from massivetext_keras.cli.flags import Given, UsageError, given, verb
from massivetext_keras.cli.settings import Data, TokenizerName, files_in
from massivetext_keras.cli.shell.results import Result
from massivetext_keras.configs import AdversarialConfig


@verb("adversarial train")
def adversarial_train(
    *,
    input: Data,
    output: Annotated[str, "folder for the preset"],
    preset: Annotated[
        str, "a recurrent shape such as seqgan or lstm_small, or a folder of this verb"
    ] = "seqgan",
    tokenizer: TokenizerName | None = None,
    validation: Annotated[str | None, "texts held out, as --input"] = None,
    how: Given = given(
        AdversarialConfig,
        *("method", "length", "pretrain_epochs", "discriminator_epochs", "rounds"),
        *("discriminator_steps", "rollouts", "rollout_momentum", "baseline"),
        *("inverse_temperature", "batch_size", "learning_rate", "adversarial_rate"),
        *("discriminator_rate", "min_count", "lowercase", "seed"),
    ),
    logs: str | None = None,
) -> Result:
    """Learn to write texts against a discriminator.

    Maximum likelihood first, then SeqGAN's policy gradient, or relaxed samples. Each
    line of the input is a text. The folder is a preset of CausalLM: `generate`, `score`
    and `export` take it.

    Args:
        tokenizer: folder of `tokenizer train`, or `bytes` (default: whole words of the
            input, as many as the shape embeds).
        logs: folder for TensorBoard: both losses, the reward, and what texts held out
            cost.

    Examples:
        massivetext adversarial train --input=poems.txt --output=runs/seqgan
    """
    import keras

    keras.utils.set_random_seed(how.get("seed", 0))
    model = _model(preset, tokenizer, how)
    callbacks = []
    if logs is not None:
        callbacks.append(keras.callbacks.TensorBoard(logs, write_graph=False))
    held_out = None if validation is None else _paths(validation)
    model.fit(_paths(input), held_out, callbacks=callbacks, verbose=2)
    model.save_preset(output)
    size, learnt = model.config.vocabulary_size, model.how
    text = f"{output}: {size:,} tokens, {learnt.rounds} rounds of {learnt.method}"
    found = {"preset": output, "tokens": size, "rounds": learnt.rounds}
    return Result(text, {**found, "method": learnt.method})


def _model(preset: str, tokenizer: str | None, how: Given) -> Any:
    from massivetext_keras.architecture.sources import is_shape
    from massivetext_keras.cli.settings import tokenizer_named
    from massivetext_keras.tasks import AdversarialTextGenerator

    try:
        AdversarialConfig(**how)
    except ValueError as error:
        raise UsageError(str(error)) from None
    if not is_shape(preset):
        if tokenizer is not None:
            raise UsageError(f"--tokenizer: {preset} has its own")
        return AdversarialTextGenerator.from_preset(preset, **how)
    known = None if tokenizer is None else tokenizer_named(tokenizer)
    return AdversarialTextGenerator.from_preset(preset, known, **how)


def _paths(files: str) -> Any:
    from massivetext_keras.reading.texts import expand

    return expand(files_in(files))
