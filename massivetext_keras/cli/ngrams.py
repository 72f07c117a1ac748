"""The verbs of n-gram models: count texts, score them, go on with them."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from typing import Annotated, Any, Literal

from massivetext_keras.cli.flags import Given, given, verb
from massivetext_keras.cli.generation import texts
from massivetext_keras.cli.settings import Data, Overwrite, files_in, tokenizer_named
from massivetext_keras.cli.shell.results import Result

_LM = "massivetext_keras.tasks.ngram.task:NgramLM"
_SAMPLING = "massivetext_keras.generation.settings:Sampling"
Model = Annotated[str, "file of `ngram train`, or any ARPA file"]
Tokenizer = Annotated[str | None, "folder of `tokenizer train`, or `bytes`: of tokens"]


@verb("ngram train")
def ngram_train(
    *,
    input: Data,
    output: Annotated[str, "file: MODEL.arpa is text, another name our binary format"],
    units: Annotated[
        Literal["words", "spaced", "characters", "bytes"],
        "what n-grams are made of: words, of Chinese characters; spaced is whatever "
        "stands between white space, as for KenLM",
    ] = "words",
    tokenizer: Tokenizer = None,
    how: Given = given(_LM, "order", "min_count"),
    limits: Given = given(f"{_LM}.fit", "max_memory"),
) -> Result:
    """Count the n-grams of texts.

    The model is interpolated modified Kneser-Ney, as that of KenLM's lmplz. Of words,
    each line is a sequence; of characters, bytes and tokens, each document.

    Examples:
        massivetext ngram train --input=corpus/ --output=words.arpa --order=5
    """
    from massivetext_keras import corpus, tasks

    lm = tasks.NgramLM(units=units, tokenizer=_tokenizer(tokenizer), **how)
    lm.fit(corpus.read_documents(files_in(input)), progress=True, **limits)
    lm.save(output, progress=True)
    counts = [len(table.keys) for table in lm.model.tables]
    shown = ", ".join(f"{count:,}" for count in counts)
    return Result(
        f"{output}: {shown} n-grams of 1 to {lm.order} {lm.units.name}",
        {"model": output, "counts": counts, "units": lm.units.name},
    )


@verb("ngram score")
def ngram_score(
    *,
    model: Model,
    input: Data,
    tokenizer: Tokenizer = None,
    each: bool = False,
) -> Iterator[Result]:
    """Say how well a model predicts texts.

    Loss is in nats for each unit or end of a sequence; what is not known counts, too.

    Args:
        each: of each document by itself.

    Examples:
        massivetext ngram score --model=words.arpa --input=held_out.txt
    """
    from massivetext_keras import corpus

    lm = _load(model, tokenizer)
    read = list(corpus.read_documents(files_in(input)))
    for number, some in enumerate([[text] for text in read] if each else [read]):
        found = lm.evaluate(some)
        values = "  ".join(f"{k} {v:,.6g}" for k, v in found.items())
        if each:
            yield Result(f"{number}: {values}", {"document": number, **found})
        else:
            yield Result(values, found)


@verb("ngram generate")
def ngram_generate(
    *,
    model: Model,
    prompt: Annotated[
        Sequence[str] | None,
        "text to go on with; may repeat (default: the lines of standard input)",
    ] = None,
    tokenizer: Tokenizer = None,
    how: Given = given(f"{_LM}.generate", "max_new_tokens", "include_prompt")
    | given(_SAMPLING, "temperature", "top_k", "top_p", "min_p")
    | given(_SAMPLING, "repetition_penalty", "seed"),
) -> Iterator[Result]:
    """Continue texts by an n-gram model.

    Examples:
        massivetext ngram generate --model=words.arpa --prompt='the cat'
    """
    lm = _load(model, tokenizer)
    yield from texts(lm, prompt or sys.stdin.read().splitlines(), False, **how)


@verb("ngram export")
def ngram_export(
    *,
    model: Model,
    output: Annotated[str, "folder of the SavedModel"],
    tokenizer: Tokenizer = None,
    overwrite: Overwrite = False,
) -> Result:
    """Write a SavedModel that scores strings.

    The export is loaded again and compared with the model before it takes its place.

    Examples:
        massivetext ngram export --model=words.arpa --output=served/words
    """
    _load(model, tokenizer).export(output, overwrite)
    return Result(
        f"{output}: signature score", {"export": output, "signatures": ["score"]}
    )


def _load(model: str, tokenizer: str | None) -> Any:
    from massivetext_keras import tasks

    return tasks.NgramLM.load(model, tokenizer=_tokenizer(tokenizer), progress=True)


def _tokenizer(name: str | None) -> Any:
    return None if name is None else tokenizer_named(name)
