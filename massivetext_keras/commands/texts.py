"""The verbs that prepare text for models, and their flags."""

from __future__ import annotations

from massivetext_keras import verbs
from massivetext_keras.commands.flags import DATA, REQUIRED, TOKENIZER, Flag, Verb
from massivetext_keras.experiment import ExperimentConfig

_DEFAULT = ExperimentConfig()

_TOKENIZER_TRAIN = (
    DATA._replace(name="input"),
    Flag("output", REQUIRED, "folder for the tokenizer"),
    Flag(
        "kind",
        "sentencepiece",
        "of tokenizer",
        ("sentencepiece", "wordpiece", "byte_pair", "bytes"),
    ),
    Flag("vocabulary_size", 8192, "special tokens included", int, least=1),
    Flag("model_type", "bpe", "of a sentencepiece tokenizer", ("bpe", "unigram")),
)

_TOKENIZE = (
    DATA._replace(name="input"),
    TOKENIZER,
    Flag("output", REQUIRED, "folder for the shards"),
    Flag(
        "sequence_length",
        _DEFAULT.data.sequence_length,
        "tokens of a row, as `train` will want them",
        int,
        least=1,
    ),
    Flag(
        "validation_fraction",
        _DEFAULT.data.validation_fraction,
        "share of the text held out; 0: none",
        float,
        least=0,
        below=1,
    ),
    Flag("seed", _DEFAULT.data.seed, "of the split by documents", int),
    Flag("corpus", None, "name in logs of a mixture (default: that of the folder)"),
    Flag("overwrite", False, "replace what is in the folder", bool),
)

VERBS = {
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
}
