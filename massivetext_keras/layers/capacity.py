"""How many places a cache has: few at first where reading it is what takes the time.

Each step of decoding reads all places of the cache, filled or not, and all weights. A
small batch reads far more weights than keys and values: its cache has room for the
whole text at once, so that one program is compiled. A large batch begins with a small
cache that grows; each size is compiled for itself.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import tensorflow as tf

from massivetext_keras.architecture.model import ModelConfig
from massivetext_keras.layers.cache import Cache

_FEWEST_PLACES = 64
_MOST = 2**31 - 1


def power_of_two(n: int | tf.Tensor) -> tf.Tensor:
    """The least power of two that is at least `n`, int scalar of the same dtype.

    >>> int(power_of_two(65))
    128
    """
    return _least(n, [2**i for i in range(31)])


def places_at_first(
    config: ModelConfig, rows: tf.Tensor, length: tf.Tensor, needed: tf.Tensor
) -> tf.Tensor:
    """Places of a new cache, int32 scalar.

    Args:
        config: of the model.
        rows: int32 scalar, rows of the batch.
        length: int32 scalar, tokens of its prompts.
        needed: int32 scalar, places that the longest text takes.
    """
    numbers = config.numbers_per_place
    cheap = min(config.parameter_count() // numbers, _MOST) if numbers else _MOST
    whole = _bounded(power_of_two(tf.maximum(needed, _FEWEST_PLACES)), config, needed)
    few = _bounded(_rounded(length + 1), config, needed)
    return tf.where(whole <= cheap // rows, whole, few)


def while_growing(
    state,
    unfinished: Callable,
    fill: Callable,
    names: Sequence[str],
    config: ModelConfig,
    last: tf.Tensor,
):
    """A state that is filled again and again, each time with room in its cache.

    Args:
        state: a named tuple of tensors, with `cache`, `step` and `banned`.
        unfinished: whether a state is to be filled once more, bool scalar.
        fill: the state after more steps, until it is finished or its cache is full.
        names: the state's tensors that have as many places as the cache, in their last
            axis.
        config: of the model.
        last: int32 scalar, the step that there shall be room up to.
    """

    def grow_and_fill(state):
        texts = [getattr(state, name) for name in names]
        cache, texts = _with_room(state.cache, texts, config, last - state.step)
        roomy = state._replace(cache=cache, **dict(zip(names, texts, strict=True)))
        # A graph that was traced for tables of any size forgets theirs.
        return (fill(roomy)._replace(banned=state.banned),)

    shapes = _of_any_size(state, names)
    (state,) = tf.while_loop(
        unfinished, grow_and_fill, (state,), shape_invariants=(shapes,)
    )
    return state


def is_full(cache: Cache) -> tf.Tensor:
    """Whether no token can be written into a cache, bool scalar."""
    return cache.start >= cache.places


def _with_room(
    cache: Cache,
    texts: Sequence[tf.Tensor],
    config: ModelConfig,
    to_come: tf.Tensor,
) -> tuple[Cache, list[tf.Tensor]]:
    """A cache that is not full, and tokens [..., places] for what it holds.

    Args:
        cache: full or not.
        texts: int32 [..., places], as many as the cache has.
        config: of the model.
        to_come: int32 scalar, tokens that are still to be written into it.
    """

    def grown() -> tuple[Cache, list[tf.Tensor]]:
        needed = cache.start + tf.maximum(to_come, 1)
        places = _bounded(_rounded(cache.start + 1), config, needed)
        new = places - cache.places

        def longer(x: tf.Tensor) -> tf.Tensor:
            return tf.pad(x, [[0, 0]] * (x.shape.rank - 1) + [[0, new]])

        return cache.with_places(places), [longer(x) for x in texts]

    return tf.cond(is_full(cache), grown, lambda: (cache, list(texts)))


def _of_any_size(state, names: Sequence[str]):
    """Shapes of what a loop carries while its cache grows.

    Args:
        state: a named tuple of tensors, with a `cache`.
        names: those of its tensors that have as many places as the cache, last.
    """
    # What is gathered and scattered in a loop forgets how many rows it has.
    shapes = tf.nest.map_structure(
        lambda x: tf.TensorShape([None] * bool(x.shape.rank) + x.shape[1:]), state
    )
    layers = tf.nest.map_structure(
        lambda x: tf.TensorShape(
            [None, x.shape[1], None, *x.shape[3:]][: x.shape.rank]
        ),
        state.cache.layers,
    )
    texts = {}
    for name in names:
        _, *middle, _ = getattr(state, name).shape
        texts[name] = tf.TensorShape([None, *middle, None])
    return shapes._replace(cache=shapes.cache._replace(layers=layers), **texts)


def _bounded(places: tf.Tensor, config: ModelConfig, needed: tf.Tensor):
    """No more than the context, unless more are needed."""
    return tf.minimum(places, tf.maximum(config.max_length, needed))


def _rounded(n: tf.Tensor) -> tf.Tensor:
    """The least power of two, or one and a half, that is at least `n`."""
    sizes = [size for i in range(30) for size in (2**i, 3 * 2**i // 2)]
    return _least(tf.maximum(n, _FEWEST_PLACES), sizes)


def _least(n: int | tf.Tensor, sizes: list[int]) -> tf.Tensor:
    n = tf.convert_to_tensor(n)
    sizes = tf.constant(sizes, n.dtype)
    return tf.reduce_min(tf.boolean_mask(sizes, sizes >= n))
