"""The verbs that make tokens of text: a vocabulary, and shards of packed rows."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

from massivetext_keras.cli.flags import Given, given, verb
from massivetext_keras.cli.settings import (
    Data,
    Overwrite,
    TokenizerName,
    files_in,
    tokenizer_named,
)
from massivetext_keras.cli.shell.results import Result
from massivetext_keras.experiment import TOKENIZERS, DataConfig, TokenizerConfig
from massivetext_keras.support.arguments import Known


@verb("tokenizer train")
def tokenizer_train(
    *,
    input: Data,
    output: Annotated[str, "folder for the tokenizer"],
    kind: Annotated[str, Known(TOKENIZERS), "of tokenizer"] = TokenizerConfig.kind,
    how: Given = given(
        TokenizerConfig, "vocabulary_size", "model_type", "split", "spelled"
    ),
) -> Result:
    """Learn a vocabulary from text.

    The tokenizers run inside the TensorFlow graph and are part of an export.

    Examples:
        massivetext tokenizer train --input=corpus/ --output=tok/
            --vocabulary_size=8192
    """
    from massivetext_keras import corpus, tokenizers

    documents = list(corpus.read_documents(files_in(input)))
    tokenizer = tokenizers.train(TokenizerConfig(kind, **how), documents)
    tokenizer.save(output)
    size = tokenizer.vocabulary_size
    return Result(f"{output}: {size:,} tokens", {"tokenizer": output, "tokens": size})


@verb("tokenize")
def tokenize(
    *,
    input: Data,
    tokenizer: TokenizerName,
    output: Annotated[str, "folder for the shards"],
    rows: Given = given(DataConfig, "sequence_length", "validation_fraction", "seed"),
    corpus: Annotated[
        str | None, "name in logs of a mixture (default: that of the folder)"
    ] = None,
    overwrite: Overwrite = False,
) -> Iterator[Result]:
    """Write text once, as packed rows of tokens, for many runs.

    Documents are packed into rows with next to no padding; none that fits is cut, and
    in training none sees another. A row is a record of a TFRecord file. manifest.json
    says what they are and has the hash of each file: `train --data=FOLDER` compares
    these, and the tokenizer, before it starts. Memory does not grow with the text.

    Examples:
        massivetext tokenize --input=corpus/ --tokenizer=tok/ --output=rows/
    """
    from massivetext_keras import data

    settings = DataConfig(**rows)
    manifest = data.write_shards(
        output,
        files_in(input),
        tokenizer_named(tokenizer),
        settings.sequence_length,
        settings.validation_fraction,
        settings.seed,
        corpus,
        overwrite,
        progress=True,
    )
    for name in data.SIDES:
        side = getattr(manifest, name)
        if side.examples:
            record = {"shards": output, "side": name, "documents": side.documents}
            counts = {"tokens": side.tokens, "rows": side.examples}
            yield Result(
                f"{output}: {name}: {side.documents:,} documents, "
                f"{side.tokens:,} tokens in {side.examples:,} rows of "
                f"{manifest.sequence_length}, {side.padding:.2%} padding",
                {
                    **record,
                    **counts,
                    "sequence_length": manifest.sequence_length,
                    "padding": side.padding,
                },
            )
