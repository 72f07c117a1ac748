"""Strings that end a text, as a trie that is data of one graph."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from massivetext_keras.generation.checks import checked
from massivetext_keras.text.framing import utf8
from massivetext_keras.text.strings import Texts, as_python

REPLACEMENT = "\ufffd"
_LAST = np.iinfo(np.int64).max  # behind all edges
_NOWHERE = np.iinfo(np.int32).max
_MARK = b"\xff"  # the end of a text: no byte of UTF-8


class StopStrings(NamedTuple):
    """What a text is cut at: the earliest place where one of some strings begins.

    What is left is that of the text that would be written without them, whatever their
    order and however it is cut into tokens. So where one is complete, but another that
    began before it may still become so, the text goes on until that is known.

    The strings are a trie over the bytes of UTF-8, in which all places of all texts go
    down at once: thousands of strings, which are too many for one regular expression
    of RE2, take as many steps as the longest beginning of one that is in a text.

    Attributes:
        edges: int64 [nodes], rising. Node 0 is the root; edge i leads to node i + 1 and
            is 256 times the node it comes from plus its byte. The last one leads
            nowhere.
        complete: bool [nodes], whether a string ends where an edge leads to.

    >>> stop = StopStrings.make(["ab", "xa"])
    >>> stop.cut(tf.constant(["xab", "bab", "a"])).numpy().tolist()
    [b'', b'b', b'a']
    >>> stop.settled(tf.constant(["xab", "cx", "ca"])).numpy().tolist()
    [b'', b'c', b'c']
    >>> stop.stops(tf.constant(["xab", "cx", "ca"])).numpy().tolist()
    [True, False, False]
    """

    edges: tf.Tensor
    complete: tf.Tensor

    @classmethod
    def make(cls, strings: Texts = ()) -> StopStrings:
        """From one string or several, of any kind.

        Raises:
            ValueError: one is empty or no string.
        """
        strings = checked_stop_strings(strings)
        with tf.init_scope():
            if not strings:
                return cls(tf.constant([_LAST], tf.int64), tf.constant([False]))
            return cls(*_trie(tf.constant([*map(utf8, strings)])))

    @classmethod
    def given(cls, strings: tf.Tensor) -> StopStrings:
        """From string [n], in a graph that gets what strings it gets: an empty one
        raises `InvalidArgumentError`."""
        wanted = "a stop string is empty: it would end every text at once"
        return cls(*_trie(checked(strings, tf.strings.length(strings) > 0, wanted)))

    @classmethod
    def spec(cls) -> StopStrings:
        """The signature of any strings."""
        return cls(
            tf.TensorSpec([None], tf.int64, "edges"),
            tf.TensorSpec([None], tf.bool, "complete"),
        )

    def is_any(self) -> tf.Tensor:
        """Whether there is a string, bool scalar."""
        return tf.size(self.edges) > 1

    def if_any(self, some: Callable, none: Callable) -> tf.Tensor:
        """What one of two functions gives, the first where there is a string.

        Where that is known while the graph is made there is no branch: Grappler cannot
        sort a graph where one with a loop in it is never taken, and says so on stderr.
        """
        edges = tf.get_static_value(self.edges)
        if edges is None:
            return tf.cond(self.is_any(), some, none)
        return some() if edges.size > 1 else none()

    def cut(self, texts: tf.Tensor) -> tf.Tensor:
        """Texts up to where a string begins, string [batch]."""
        return _first(texts, self._places(texts)[0])

    def settled(self, texts: tf.Tensor) -> tf.Tensor:
        """Of texts that are not finished, what nothing can change that follows: without
        a character whose bytes may not all be there, or what may become a string."""
        return self.look(texts)[1]

    def stops(self, texts: tf.Tensor) -> tf.Tensor:
        """Whether unfinished texts can be cut, whatever follows, bool [batch]."""
        texts = _without_halves(texts)
        return _is_cut(texts, *self._places(texts))

    def look(self, texts: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        """`cut`, `settled` and `stops` at once."""
        so_far = _without_halves(texts)
        places = self._places(tf.concat([texts, so_far], axis=0))
        (cut, complete), (_, begun) = (tf.split(x, 2) for x in places)
        settled = _first(so_far, tf.minimum(complete, begun))
        return _first(texts, cut), settled, _is_cut(so_far, complete, begun)

    def _places(self, texts: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Where in each text the first string begins that is complete, and the first
        that its end leaves open; its length where there is none; int32 [batch] each.
        """
        text = tf.io.decode_raw(tf.strings.reduce_join(texts + _MARK), tf.uint8)
        text = tf.cast(text, tf.int64)
        sizes = tf.strings.length(texts) + 1
        begins = tf.cumsum(sizes, exclusive=True)
        rows = tf.repeat(tf.range(tf.size(sizes)), sizes)

        def step(starts, depth, nodes, complete, begun):
            """All places that are on the way down read one byte more."""
            edges = 256 * nodes + tf.gather(text, starts + depth)
            found = tf.searchsorted(self.edges, edges)
            on = tf.where(tf.gather(self.edges, found) == edges)[:, 0]
            starts, found, depth = (
                tf.gather(starts, on),
                tf.gather(found, on),
                depth + 1,
            )
            row = tf.gather(rows, starts)[:, None]
            ends = tf.gather(text, starts + depth) == _MARK[0]
            complete, begun = (
                tf.tensor_scatter_nd_min(places, row, tf.where(is_it, starts, _NOWHERE))
                for places, is_it in (
                    (complete, tf.gather(self.complete, found)),
                    (begun, ends),
                )
            )
            return starts, depth, tf.cast(found, tf.int64) + 1, complete, begun

        ends = begins + sizes - 1
        state = tf.range(tf.size(text)), 0, tf.zeros_like(text), ends, ends
        walked = tf.while_loop(lambda starts, *_: tf.size(starts) > 0, step, state)
        return walked[3] - begins, walked[4] - begins


def checked_stop_strings(strings: Texts) -> list[str]:
    """One string or several, of any kind, as a list.

    Raises:
        ValueError: one is empty or no string.

    >>> checked_stop_strings(b"x"), checked_stop_strings([b"x", "y"])
    (['x'], ['x', 'y'])
    """
    strings = as_python(strings)
    if isinstance(strings, str) or not isinstance(strings, Iterable):
        strings = [strings]
    strings = [*map(as_python, strings)]
    for string in strings:
        if not isinstance(string, str):
            raise ValueError(f"a stop string is a string, got {string!r}")
        if not string:
            raise ValueError("a stop string is empty: it would end every text at once")
    return strings


def _first(texts: tf.Tensor, sizes: tf.Tensor) -> tf.Tensor:
    return tf.strings.substr(texts, tf.zeros_like(sizes), sizes)


def _is_cut(texts: tf.Tensor, complete: tf.Tensor, begun: tf.Tensor) -> tf.Tensor:
    return (complete < tf.strings.length(texts)) & (complete <= begun)


def _without_halves(texts: tf.Tensor) -> tf.Tensor:
    return tf.strings.regex_replace(texts, f"{REPLACEMENT}+$", "")


@functools.partial(
    tf.function, input_signature=[tf.TensorSpec([None], tf.string)], autograph=False
)
def _trie(strings: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """The edges of a trie, level by level, and which of them complete a string; behind
    them one that leads nowhere.

    Args:
        strings: string [n], none of them empty.

    >>> edges, complete = _trie(tf.constant(["ab", "a", "b"]))
    >>> edges.numpy()[:-1].tolist(), complete.numpy().tolist()
    ([97, 98, 354], [True, True, True, False])
    """
    sizes = tf.strings.length(strings)
    flat = tf.io.decode_raw(tf.strings.reduce_join(strings), tf.uint8)
    text = tf.RaggedTensor.from_row_lengths(tf.cast(flat, tf.int64), sizes).to_tensor()

    def grow(depth, nodes, edges, complete):
        """All strings that are longer go down by one edge."""
        on = tf.where(sizes > depth)[:, 0]
        taken = 256 * tf.gather(nodes, on) + tf.gather(text[:, depth], on)
        new = tf.sort(tf.unique(taken)[0])
        place = tf.searchsorted(new, taken)
        ends = tf.cast(tf.gather(sizes, on) == depth + 1, tf.int32)
        is_end = tf.math.unsorted_segment_max(ends, place, tf.size(new)) > 0
        nodes = tf.tensor_scatter_nd_update(
            nodes, on[:, None], tf.cast(tf.size(edges) + place + 1, tf.int64)
        )
        both = [edges, new], [complete, is_end]
        return depth + 1, nodes, *(tf.concat(pair, axis=0) for pair in both)

    nodes = tf.zeros_like(sizes, tf.int64)
    begin = tf.constant(0), nodes, tf.zeros([0], tf.int64), tf.zeros([0], tf.bool)
    shapes = tf.TensorShape([]), nodes.shape, *[tf.TensorShape([None])] * 2
    _, _, edges, complete = tf.while_loop(
        lambda depth, *_: depth < tf.shape(text)[1], grow, begin, shapes
    )
    return tf.concat([edges, [_LAST]], axis=0), tf.concat([complete, [False]], axis=0)
