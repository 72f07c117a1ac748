"""What the weights of a built model are for, by the table of `weights`."""

from __future__ import annotations

import functools
import itertools

from massivetext_keras.architecture.config import TransformerConfig
from massivetext_keras.architecture.recurrent import RecurrentConfig
from massivetext_keras.architecture.recurrent_seq2seq import RecurrentSeq2SeqConfig
from massivetext_keras.architecture.weights import block_number, head_weights, weights
from massivetext_keras.architecture.word_encoder import WordEncoderConfig

_HEADS = ("pretraining", "discriminator", "dense_classification", "question_answering")


def role_of(path: str, shape: tuple[int, ...]) -> str:
    """`weights.Weight.role` of a variable, whether the table knows it or not.

    One that it does not know has the role that its shape and its owner give it: what
    has two axes is a matrix, or an embedding where the layer calls it `embeddings` as
    Keras's do; that is one of positions if the layer is named after them.

    Args:
        path: of the variable, such as "gpt/stack/block_0/attention/qkv/kernel".
        shape: of the variable.

    >>> role_of("gpt/embeddings/positions/embeddings", (8, 4))
    'position'
    >>> role_of("position_head/kernel", (4, 2)), role_of("position_head/bias", (2,))
    ('matrix', 'bias')
    """
    *owners, name = path.split("/")
    parts = [*map(_without_number, owners), name]
    for start in range(len(owners)):
        if role := _known_roles().get(("/".join(parts[start:]), len(shape))):
            return role
    if len(shape) < 2:
        return "bias" if shape else "gate"
    if name != "embeddings":
        return "matrix"
    words = {*owners[-1].split("_")} if owners else set()
    return "position" if words & {"position", "positions", "relative"} else "embedding"


def decays(path: str, shape: tuple[int, ...]) -> bool:
    """Whether weight decay is for a variable: for matrices and rows of tokens, never
    for biases, norms, gates and tables of positions."""
    return role_of(path, shape) in ("embedding", "matrix", "expert")


@functools.cache
def _known_roles() -> dict[tuple[str, int], str]:
    """The role of every path that a model or a head has, blocks without their number,
    and of so many axes: kernels of experts have one more.

    Read off shapes that have all traits together.
    """
    traits = TransformerConfig(
        embedding_size=8,
        segment_types=2,
        embedding_norm=True,
        rezero=True,
        pooler=True,
        tied_embeddings=False,
        logit_bias=True,
    )
    recurrent = RecurrentConfig(recurrent_bias=True, tied_embeddings=False)
    pairs = RecurrentSeq2SeqConfig(shared_embeddings=False, tied_embeddings=False)
    words = WordEncoderConfig(num_layers=1, character_size=4)
    tables = [weights(recurrent), weights(pairs), weights(words)]
    for stack, position, experts in itertools.product(
        ("encoder", "encoder_decoder"), ("learned", "relative"), (0, 2)
    ):
        config = traits.replace(stack=stack, position=position, num_experts=experts)
        table = weights(config)
        for head in _HEADS:
            table |= head_weights(config, head)
        tables.append(table)
    known = {}
    for weight in itertools.chain.from_iterable(map(dict.values, tables)):
        *owners, name = weight.path.split("/")
        path = "/".join([*map(_without_number, owners), name])
        known[path, len(weight.sizes)] = weight.role
    return known


def _without_number(name: str) -> str:
    return name if block_number(name) is None else "block"
