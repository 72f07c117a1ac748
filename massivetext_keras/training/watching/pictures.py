"""Pictures of a model: where its heads look, and where its tokens lie."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from massivetext_keras.data import enclosed
from massivetext_keras.generation.precision import in_float32
from massivetext_keras.models.attention_maps import stack_weights
from massivetext_keras.models.backbone import Backbone, positions_of
from massivetext_keras.support.files import replacing_file
from massivetext_keras.text.framing import utf8

_MOST_CELLS = 12  # layers, and heads of a layer, that a picture shows
_MOST_TOKENS = 10_000
_EMBEDDINGS, _PIECES = "embeddings.bytes", "pieces.tsv"
_PROJECTOR = "projector_config.pbtxt"


class Alignment(NamedTuple):
    """Where a decoder has looked while it wrote.

    Attributes:
        weights: float32 [written, read]; every row sums to 1.
        read: tokens of the source.
        written: tokens of the target.
    """

    weights: np.ndarray
    read: list[str]
    written: list[str]


def alignment(
    task, source: str, target: str | None = None, max_new_tokens: int | None = None
) -> Alignment:
    """Where the decoder of a recurrent encoder-decoder looks (Bahdanau et al., 2015).

    Args:
        task: a `Seq2SeqLM` on a `RecurrentSeq2Seq`, with a tokenizer.
        source: a text.
        target: what is written for it (None: what the task writes).
        max_new_tokens: tokens that it writes at the most (None: as `generate`).

    Raises:
        ValueError: the task has another kind of model, or no tokenizer.
    """
    tokenizer, backbone = task.need_tokenizer(), task.backbone
    if not hasattr(backbone, "alignments"):
        kind = type(backbone).__name__
        raise ValueError(f"alignments are of a RecurrentSeq2Seq, not of a {kind}")
    longest = task.config.max_length

    def ids_of(text: str, side) -> tf.RaggedTensor:
        ids = side.tokenize(tf.constant([utf8(text)]))
        return enclosed(tokenizer, ids, longest)

    read = ids_of(task.prefix + source, tokenizer)
    if target is None:
        written = task.generate_ids(read, max_new_tokens)
    else:
        written = ids_of(target, tokenizer.target_side())
    read, written = read.to_list()[0], written.to_list()[0]
    before = [task.start_id, *written[:-1]]
    features = {"encoder_token_ids": [read], "decoder_token_ids": [before]}
    with in_float32(backbone):
        weights = backbone.alignments(features)[0].numpy()
    names = ([tokenizer.id_to_token(i) for i in ids] for ids in (read, written))
    return Alignment(weights, *names)


def draw_alignment(found: Alignment, text: str = "") -> np.ndarray:
    """A picture of an alignment: a row for each token that was written.

    Args:
        found: of `alignment`.
        text: a caption.

    Returns:
        uint8 [height, width, 3].

    Raises:
        ImportError: matplotlib is not installed.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    size = [max(3.0, 0.28 * len(x) + 1.4) for x in (found.read, found.written)]
    figure = Figure(figsize=size, layout="constrained")
    axes = figure.subplots()
    axes.imshow(found.weights, cmap="viridis", vmin=0, vmax=1, interpolation="nearest")
    axes.set_xticks(range(len(found.read)), found.read, rotation=90, parse_math=False)
    axes.set_yticks(range(len(found.written)), found.written, parse_math=False)
    axes.xaxis.tick_top()
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    if text:
        caption = "\n".join(textwrap.wrap(text, int(11 * size[0])))
        figure.suptitle(caption, fontsize=9, parse_math=False)
    return _pixels(FigureCanvasAgg(figure))


def draw_attention_of(task, text: str, most: int) -> np.ndarray:
    """A picture of where a task looks in a text: its heads, or its decoder.

    Args:
        task: with a tokenizer.
        text: that it reads.
        most: tokens of the text that are shown.

    Returns:
        uint8 [height, width, 3].

    Raises:
        ImportError: matplotlib is not installed.
    """
    if hasattr(task.backbone, "alignments"):
        return draw_alignment(alignment(task, text, max_new_tokens=most), text)
    maps = attention_maps(task.backbone, task.tokenizer(text).numpy()[:most])
    return draw_attention(maps, text)


def attention_maps(backbone: Backbone, token_ids: Sequence[int]) -> np.ndarray:
    """The weights of every head of a decoder or an encoder, for one text.

    Args:
        backbone: a `GPT`, a `BERT`, or a `Seq2Seq`, whose encoder is meant.
        token_ids: of the text.

    Returns:
        float32 [layers, heads, queries, keys]; every row sums to 1.
    """
    if "encoder_decoder" in backbone.stacks:
        embeddings, stack = backbone.encoder_embeddings, backbone.encoder
    else:
        embeddings, stack = backbone.embeddings, backbone.stack
    ids = tf.constant([token_ids], tf.int32)
    positions = positions_of(ids)
    x = embeddings(backbone.tokens(ids), positions, training=False)
    return np.stack([w[0].numpy() for w in stack_weights(stack, x, positions)])


def draw_attention(maps: np.ndarray, text: str = "") -> np.ndarray:
    """A grid of attention maps, a row for each layer and a column for each head.

    Of more than twelve layers or heads twelve are shown, evenly chosen.

    Args:
        maps: [layers, heads, queries, keys], from 0 to 1.
        text: a caption.

    Returns:
        uint8 [height, width, 3].

    Raises:
        ImportError: matplotlib is not installed.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.colors import PowerNorm
    from matplotlib.figure import Figure

    layers, heads = (
        np.unique(np.linspace(0, n - 1, min(n, _MOST_CELLS)).astype(int))
        for n in maps.shape[:2]
    )
    size = maps.shape[2]
    gap = max(1, size // 16)
    pads = [(0, 0), (0, 0), (0, gap), (0, gap)]
    cells = np.pad(maps[layers][:, heads], pads, constant_values=np.nan)
    rows = [np.concatenate(list(row), axis=1) for row in cells]
    grid = np.concatenate(rows)[:-gap, :-gap]
    width, height = 0.9 * len(heads) + 1.2, 0.9 * len(layers) + 1.0
    figure = Figure(figsize=(max(width, 4), height), layout="constrained")
    axes = figure.subplots()
    # The root shows weak attention too; weights are mostly far below one.
    shown = axes.imshow(
        grid, cmap="viridis", norm=PowerNorm(0.5, 0, 1), interpolation="nearest"
    )
    middle = (size - 1) / 2
    axes.set_xticks(np.arange(len(heads)) * (size + gap) + middle, heads + 1)
    axes.set_yticks(np.arange(len(layers)) * (size + gap) + middle, layers + 1)
    axes.set(xlabel="head (keys →)", ylabel="layer (queries ↓)")
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    figure.colorbar(shown, ticks=[0, 0.1, 0.5, 1], shrink=0.8, label="weight")
    columns = int(11 * figure.get_figwidth())
    caption = "\n".join(textwrap.wrap(text, columns))
    figure.suptitle(caption, fontsize=9, parse_math=False)
    return _pixels(FigureCanvasAgg(figure))


def _pixels(canvas) -> np.ndarray:
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3].copy()


def write_embeddings(folder: str | Path, matrix: np.ndarray, names: Sequence[str]):
    """Files that TensorBoard's embedding projector shows, for the first 10,000 tokens.

    Args:
        folder: of a run, with event files in it.
        matrix: [tokens, d].
        names: of as many tokens, or fewer.
    """
    from tensorboard.plugins import projector

    folder, names = Path(folder), names[:_MOST_TOKENS]
    matrix = np.asarray(matrix[: len(names)], np.float32)
    # Each is a line: a name with a line break in it is shown as it is spelt in Python.
    lines = [name if name.isprintable() else ascii(name)[1:-1] for name in names]
    config = projector.ProjectorConfig()
    embedding = config.embeddings.add()
    embedding.tensor_name = "token embeddings"
    embedding.tensor_path, embedding.metadata_path = _EMBEDDINGS, _PIECES
    embedding.tensor_shape.extend(matrix.shape)
    for name, content in {
        _EMBEDDINGS: matrix.tobytes(),
        _PIECES: "".join(f"{line or ' '}\n" for line in lines).encode(),
    }.items():
        with replacing_file(folder / name) as draft:
            draft.write_bytes(content)
    projector.visualize_embeddings(str(folder), config)
