"""Every weight of a model: its path, shape, role and depth, from the config alone.

It counts the weights of a model that nobody has built, tells what to look for in a
file, and says what each is for: which ones decay, how fast a layer learns, what a token
is multiplied with.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from massivetext_keras.architecture.config import TransformerConfig
    from massivetext_keras.architecture.model import ModelConfig

# (7, (4, 2, 2)): 7 rows, and 8 columns in three parts. The last axis lists the parts
# that other libraries keep as tensors of their own: of `qkv` the queries, keys and
# values, of a gated `up` the activated half and the other one.
Sizes = tuple[Any, ...]
Layout = dict[str, Sizes]

# What a weight is for. An embedding is a row for each token or kind of text, a position
# one for each place or distance; an expert is a matrix for each of several experts.
ROLES = ("embedding", "position", "matrix", "expert", "bias", "norm", "gate")


class Weight(NamedTuple):
    """A weight of a model.

    Attributes:
        path: its name in presets; a built model's begins with the model's name beside.
        sizes: see `Sizes`.
        role: one of `ROLES`.
        depth: 0 for what embeds, i + 1 in block i, None above all blocks.
    """

    path: str
    sizes: Sizes
    role: str
    depth: int | None


class Leaf(NamedTuple):
    """A weight without its path."""

    sizes: Sizes
    role: str


def weights(config: ModelConfig) -> dict[str, Weight]:
    """The weights of a model with its output layer, by path.

    Args:
        config: the shape of the model.

    >>> from massivetext_keras.configs import TransformerConfig
    >>> weights(TransformerConfig())["stack/block_1/attention_norm/gain"][1:]
    (((768,),), 'norm', 2)
    """
    return _flat(config.weight_tree())


def head_weights(
    config: TransformerConfig, head: str, classes: int = 2
) -> dict[str, Weight]:
    """The weights of a head that a task puts on an encoder.

    Args:
        config: the shape of the encoder.
        head: "masked_lm" (Devlin et al., 2019), "pretraining" (the same and the scores
            of whether a second segment follows the first), "discriminator" (a score
            per token of having been replaced; Clark et al., 2020), "classification" (of
            what the pooler gives), "dense_classification" (with a product before it),
            "token_classification" (of each token) or "question_answering" (of each
            token, to begin and to end an answer).
        classes: of a classification.
    """
    d, e = config.hidden_size, config.width_of_embedding
    if head == "token_classification":
        return _flat({"head": dense_leaves(d, classes)})
    if head.endswith("classification"):
        tree: dict[str, Any] = {"classes": dense_leaves(d, classes)}
        if head == "dense_classification":
            tree["transform"] = dense_leaves(d, d)
        return _flat({"head": tree})
    if head == "discriminator":
        return _flat(
            {"head": {"transform": dense_leaves(d, d), "score": dense_leaves(d, 1)}}
        )
    if head == "question_answering":
        return _flat({"head": {"spans": dense_leaves(d, 2)}})
    tree = {
        "transform": dense_leaves(d, e),
        "norm": _norm(config, e),
        "bias": Leaf(((config.vocabulary_size,),), "bias"),
    }
    if head == "pretraining":
        tree["next_sentence"] = dense_leaves(d, 2)
    return _flat({"head": tree})


def layout(config: ModelConfig) -> Layout:
    """The shapes of `weights`.

    >>> from massivetext_keras.configs import TransformerConfig
    >>> config = TransformerConfig(num_heads=12, num_key_value_heads=4)
    >>> layout(config)["stack/block_0/attention/qkv/kernel"]
    (768, (768, 256, 256))
    """
    return {path: weight.sizes for path, weight in weights(config).items()}


def head_layout(config: TransformerConfig, head: str, classes: int = 2) -> Layout:
    """The shapes of `head_weights`."""
    named = head_weights(config, head, classes)
    return {path: weight.sizes for path, weight in named.items()}


def count(sizes: Iterable[Sizes]) -> int:
    """How many numbers there are.

    >>> count([((3,),), (7, (4, 2, 2)), ()])
    60
    """
    total = 0
    for each in sizes:
        *rows, columns = each or (1, (1,))
        total += math.prod(rows) * sum(columns)
    return total


def transformer_tree(config: TransformerConfig) -> dict[str, Any]:
    """The weights of a `TransformerConfig`, nested by the parts of their paths."""
    words, ends = config.vocabulary_size, _embeddings(config)
    tree: dict[str, Any] = {"tokens": embedding_leaf(words, config.width_of_embedding)}
    if config.stack == "encoder_decoder":
        tree |= {
            "encoder_embeddings": ends,
            "decoder_embeddings": ends,
            "encoder": _stack(config, config.num_layers),
            "decoder": _stack(config, config.decoder_layers, cross=True),
        }
    else:
        tree |= {"embeddings": ends, "stack": _stack(config, config.num_layers)}
    if config.pooler:
        tree["pooler"] = dense_leaves(config.hidden_size, config.hidden_size)
    if not config.tied_embeddings:
        tree["output"] = embedding_leaf(words, config.width_of_embedding)
    if config.logit_bias:
        tree["logit_bias"] = Leaf(((words,),), "bias")
    return tree


def _embeddings(config: TransformerConfig) -> dict[str, Any]:
    """What is added to token embeddings and done to the sum."""
    e, tree = config.width_of_embedding, {}
    if config.position == "learned":
        rows = config.max_length + config.position_offset
        tree["positions"] = embedding_leaf(rows, e, role="position")
    if config.segment_types:
        tree["segments"] = embedding_leaf(config.segment_types, e)
    if config.embedding_norm:
        tree["norm"] = _norm(config, e)
    if config.embedding_size:
        tree["projection"] = dense_leaves(e, config.hidden_size)
    return tree


def _stack(
    config: TransformerConfig, count: int, cross: bool = False
) -> dict[str, Any]:
    block = _block(config, cross)
    tree = {f"block_{i}": block for i in range(1 if config.shared_layers else count)}
    if config.norm_position == "pre":
        tree["final_norm"] = _norm(config, config.hidden_size)
    if config.position == "relative":
        sizes = (config.relative_buckets, (config.num_heads,))
        tree["relative"] = {"table": Leaf(sizes, "position")}
    return tree


def _block(config: TransformerConfig, cross: bool) -> dict[str, Any]:
    d, norm = config.hidden_size, _norm(config, config.hidden_size)
    q = config.num_heads * config.width_of_head
    kv = config.key_value_heads * config.width_of_head
    output = dense_leaves(q, d, bias=config.output_bias)
    tree = {
        "attention": {
            "qkv": dense_leaves(d, q, kv, kv, bias=config.qkv_bias),
            "output": output,
        },
        "attention_norm": norm,
        "feed_forward": _feed_forward(config),
        "feed_forward_norm": norm,
    }
    if cross:
        tree["cross_attention_norm"] = norm
        tree["cross_attention"] = {
            "query": dense_leaves(d, q, bias=config.qkv_bias),
            "key_value": dense_leaves(d, kv, kv, bias=config.qkv_bias),
            "output": output,
        }
    if config.rezero:
        gates = [part for part in tree if part.endswith("_norm")]
        tree |= {part.replace("_norm", "_gate"): Leaf((), "gate") for part in gates}
    return tree


def _feed_forward(config: TransformerConfig) -> dict[str, Any]:
    d, f = config.hidden_size, config.intermediate_size
    inside = (f, f) if config.gated else (f,)
    if experts := config.num_experts:
        return {
            "router": dense_leaves(d, experts, bias=False),
            "up": {"kernel": Leaf((experts, d, inside), "expert")},
            "down": {"kernel": Leaf((experts, f, (d,)), "expert")},
        }
    bias = config.feed_forward_bias
    return {
        "up": dense_leaves(d, *inside, bias=bias),
        "down": dense_leaves(f, d, bias=bias),
    }


def dense_leaves(inputs: int, *outputs: int, bias: bool = True) -> dict[str, Leaf]:
    """A product, whose columns are in parts, and its bias."""
    tree = {"kernel": Leaf((inputs, outputs), "matrix")}
    return tree | ({"bias": Leaf((outputs,), "bias")} if bias else {})


def _norm(config: TransformerConfig, size: int) -> dict[str, Leaf]:
    names = ("gain", "offset") if config.norm == "layer_norm" else ("gain",)
    return {name: Leaf(((size,),), "norm") for name in names}


def embedding_leaf(rows: int, columns: int, role: str = "embedding") -> dict[str, Leaf]:
    """A table of rows."""
    return {"embeddings": Leaf((rows, (columns,)), role)}


def _flat(tree: Mapping[str, Any], path: str = "") -> dict[str, Weight]:
    flat: dict[str, Weight] = {}
    for name, inner in tree.items():
        if isinstance(inner, dict):
            flat |= _flat(inner, f"{path}{name}/")
        else:
            depth = depth_of(path + name)
            flat[path + name] = Weight(path + name, inner.sizes, inner.role, depth)
    return flat


def depth_of(path: str) -> int | None:
    """`Weight.depth` of a weight of any model, by its path.

    >>> [depth_of(f"gpt/{path}") for path in ("tokens/embeddings", "stack/block_3/x")]
    [0, 4]
    """
    owners = path.split("/")[:-1]
    for owner in owners:
        if (number := block_number(owner)) is not None:
            return number + 1
    embeds = {"tokens", "encoder_tokens", "embeddings", "character_embeddings"}
    embeds |= {"encoder_embeddings", "decoder_embeddings"}
    return 0 if embeds & {*owners} else None


def block_number(name: str) -> int | None:
    """Which block of a stack a layer is, by its name.

    >>> block_number("block_12"), block_number("blocks")
    (12, None)
    """
    prefix, _, number = name.rpartition("_")
    return int(number) if prefix == "block" and number.isdecimal() else None
