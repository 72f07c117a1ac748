"""The verbs of word vectors: learn them, ask them, change their files."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from typing import Annotated, Any, Literal

from massivetext_keras.cli.flags import Given, UsageError, given, verb
from massivetext_keras.cli.settings import Data, Overwrite, files_in
from massivetext_keras.cli.shell.results import Result
from massivetext_keras.configs import WordVectorsConfig
from massivetext_keras.support.arguments import Positive

_FORMATS = Literal["preset", "word2vec", "binary", "glove", "fasttext"]
Vectors = Annotated[
    str, "folder of `vectors train`, or a file of word2vec, GloVe or fastText"
]


@verb("vectors train")
def vectors_train(
    *,
    input: Data,
    output: Annotated[str, "folder for the preset"],
    how: Given = given(
        WordVectorsConfig,
        *("method", "loss", "units", "size", "window", "negatives", "sample"),
        *("min_count", "lowercase", "min_ngram", "max_ngram", "x_max", "seed"),
    ),
    epochs: Positive = 5,
    learning_rate: float | None = None,
    logs: str | None = None,
) -> Result:
    """Learn vectors of words from texts.

    Skip-gram, CBOW or GloVe, by negative sampling or hierarchical softmax, of whole
    words or with their parts. `vectors similar` and others then ask them.

    Args:
        epochs: passes over the texts.
        learning_rate: at the beginning (default: 0.025 of skipgram, else 0.05).
        logs: folder for TensorBoard, its projector too.

    Examples:
        massivetext vectors train --input=corpus/ --output=vectors/ --size=100
    """
    from massivetext_keras import tasks

    try:
        config = WordVectorsConfig(**how)
    except ValueError as error:
        raise UsageError(str(error)) from None
    vectors = tasks.WordVectors(config)
    vectors.compile(learning_rate)
    callbacks = [] if logs is None else [_tensorboard(logs)]
    files = files_in(input)
    vectors.fit(_texts(files), epochs, progress=True, callbacks=callbacks)
    vectors.save_preset(output)
    if logs is not None:
        from massivetext_keras.training.watching.pictures import write_embeddings

        write_embeddings(logs, vectors.vectors, vectors.words)
    return _told(output, vectors)


@verb("vectors similar")
def vectors_similar(
    vectors: Vectors,
    word: Annotated[str | None, "whose neighbours (default: lines of stdin)"] = None,
    *,
    k: Annotated[Positive, "words"] = 10,
) -> Iterator[Result]:
    """List the words that are nearest to a word.

    Examples:
        massivetext vectors similar vectors/ Paris --k=5
    """
    yield from _ask(vectors, "similar", word, k)


@verb("vectors analogy")
def vectors_analogy(
    vectors: Vectors,
    expression: Annotated[
        str | None, "as 'Paris - France + Italy' (default: lines of stdin)"
    ] = None,
    *,
    k: Annotated[Positive, "words"] = 10,
) -> Iterator[Result]:
    """List the words that are nearest to a sum of words.

    Examples:
        massivetext vectors analogy vectors/ 'Paris - France + Italy'
    """
    yield from _ask(vectors, "analogy", expression, k)


@verb("vectors convert")
def vectors_convert(
    vectors: Vectors,
    *,
    output: Annotated[str, "file, or folder of a preset"],
    format: Annotated[_FORMATS, "of the output"] = "word2vec",
) -> Result:
    """Write vectors for another program.

    Examples:
        massivetext vectors convert vectors/ --output=glove.txt --format=glove
    """
    found = _load(vectors)
    if format == "preset":
        found.save_preset(output)
    else:
        found.save_vectors(output, format)
    return _told(output, found)


@verb("vectors export")
def vectors_export(
    vectors: Vectors,
    *,
    output: Annotated[str, "folder of the SavedModel"],
    overwrite: Overwrite = False,
) -> Result:
    """Write a SavedModel that takes and gives strings.

    The export is loaded again and compared with the vectors before it takes its place.

    Examples:
        massivetext vectors export vectors/ --output=served/vectors
    """
    _load(vectors).export(output, overwrite)
    names = ["analogy", "embed", "similar"]
    return Result(
        f"{output}: signatures {', '.join(names)}",
        {"export": output, "signatures": names},
    )


def _told(output: str, vectors: Any) -> Result:
    count, size = len(vectors.words), vectors.config.size
    return Result(
        f"{output}: {count:,} words, {size} numbers each",
        {"output": output, "words": count, "size": size},
    )


def _ask(vectors: str, verb: str, asked: str | None, k: int) -> Iterator[Result]:
    answer = getattr(_load(vectors), verb)
    lines: Sequence[str] = [asked] if asked else sys.stdin.read().splitlines()
    for line in lines:
        found = answer(line, k)
        shown = "\n".join(f"{word}\t{score:.4f}" for word, score in found)
        yield Result(shown or None, {"asked": line, "words": dict(found)})


def _texts(files: Sequence[str]) -> Any:
    from massivetext_keras import corpus

    return corpus.read_documents(files)


def _load(vectors: str) -> Any:
    from massivetext_keras import tasks

    return tasks.WordVectors.load(vectors)


def _tensorboard(folder: str) -> Any:
    import keras

    return keras.callbacks.TensorBoard(folder, write_graph=False, update_freq=10)
