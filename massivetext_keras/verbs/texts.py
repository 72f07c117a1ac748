"""The verbs that prepare text: corpora, tokenizers, shards of tokens."""

from __future__ import annotations

from massivetext_keras.experiment import TokenizerConfig
from massivetext_keras.verbs.common import Values, tokenizer_named


def tokenizer_train(values: Values) -> None:
    from massivetext_keras import corpus, tokenizers

    documents = list(corpus.read_documents(values.input.split(",")))
    config = TokenizerConfig(values.kind, values.vocabulary_size, values.model_type)
    tokenizer = tokenizers.train(config, documents)
    tokenizer.save(values.output)
    print(f"{values.output}: {tokenizer.vocabulary_size:,} tokens")


def tokenize(values: Values) -> None:
    from massivetext_keras import data

    manifest = data.write_shards(
        values.output,
        values.input.split(","),
        tokenizer_named(values.tokenizer),
        values.sequence_length,
        values.validation_fraction,
        values.seed,
        values.corpus,
        values.overwrite,
        progress=True,
    )
    for name in data.SIDES:
        side = getattr(manifest, name)
        if side.examples:
            print(
                f"{values.output}: {name}: {side.documents:,} documents, "
                f"{side.tokens:,} tokens in {side.examples:,} rows of "
                f"{manifest.sequence_length}, {side.padding:.2%} padding"
            )
