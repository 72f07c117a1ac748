"""Vectors of words, learnt from texts: near where the words are used alike."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from massivetext_keras.configs import WordVectorsConfig
from massivetext_keras.reading.texts import read_documents
from massivetext_keras.saving.presets import read_preset, write_preset
from massivetext_keras.support.files import expanded
from massivetext_keras.tasks.ngram.units import units_named
from massivetext_keras.tasks.word_vectors import glove, updates
from massivetext_keras.tasks.word_vectors.batches import blocks
from massivetext_keras.tasks.word_vectors.files import read_vectors, write_vectors
from massivetext_keras.tasks.word_vectors.graph import export_answers
from massivetext_keras.tasks.word_vectors.huffman import huffman
from massivetext_keras.tasks.word_vectors.neighbours import Neighbours
from massivetext_keras.tasks.word_vectors.rows import PartRows, Rows, parts_of
from massivetext_keras.tasks.word_vectors.vocabulary import (
    Stream,
    Vocabulary,
    read_words,
)
from massivetext_keras.text.strings import Texts, as_texts

_RATES = {"skipgram": 0.025, "cbow": 0.05, "glove": 0.05}
_LEAST_RATE = 1e-4 / 0.025  # of the first one: where it ends


class WordVectors(keras.Model):
    """Vectors of words by skip-gram, CBOW (Mikolov et al., 2013) or GloVe (Pennington
    et al., 2014), of whole words or with their parts (Bojanowski et al., 2017).

    Args:
        config: how they are learnt.
        vocabulary: the words, if they are known.
        **changes: fields of the config, such as `method="cbow"`.

    Example:
        >>> texts = ["the cat sat on the mat", "the dog sat on the log"] * 50
        >>> vectors = WordVectors(size=8, sample=0, seed=1)
        >>> history = vectors.fit(texts, epochs=2, verbose=0)
        >>> len(vectors.similar("cat", k=3)), vectors.embed(["cat"]).shape
        (3, (1, 8))
    """

    def __init__(
        self,
        config: WordVectorsConfig | None = None,
        vocabulary: Vocabulary | None = None,
        **changes: Any,
    ):
        super().__init__(name="word_vectors", dtype="float32")
        self.config = (config or WordVectorsConfig()).replace(**changes)
        self.vocabulary = vocabulary
        self._near: Neighbours | None = None
        self._loss = keras.metrics.Mean(name="loss")
        self.compile()
        if vocabulary is not None:
            self._make_weights()

    def compile(self, learning_rate: float | None = None, **kwargs) -> None:
        """Sets the rate that learning begins with.

        Args:
            learning_rate: falls linearly to 1/250 of it, of glove it stays (None: 0.025
                of skipgram, 0.05 of cbow and glove).
            **kwargs: of `keras.Model.compile`.
        """
        rate = learning_rate or _RATES[self.config.method]
        self.first_rate = float(rate)
        super().compile(optimizer=None, loss=None, jit_compile=False, **kwargs)

    def adapt(self, texts: Any, progress: bool = False) -> Stream:
        """Counts the words of texts and makes their vectors, if they are not known.

        Args:
            texts: as for `fit`.
            progress: show a bar.

        Returns:
            The texts as ids.

        Raises:
            ValueError: there are no words, or all are rarer than `min_count`.
        """
        config = self.config
        found, stream = read_words(
            texts,
            config.units,
            config.lowercase,
            config.min_count,
            self.vocabulary,
            progress,
        )
        if self.vocabulary is None:
            self.vocabulary = found
            self._make_weights()
        else:  # which words are frequent is a matter of these texts
            counts = np.bincount(stream.array(), minlength=stream.mark + 1)
            self.vocabulary.counts = np.maximum(counts[:-1], 1)
        return stream

    def _make_weights(self) -> None:
        config, words = self.config, len(self._known_words())
        rows = words + (config.buckets if config.has_parts else 0)
        columns = config.size + (config.method == "glove")
        start = keras.initializers.RandomUniform(
            -0.5 / config.size, 0.5 / config.size, seed=config.seed
        )
        make = self.add_weight
        self.table = make((rows, columns), start, name="vectors")
        is_glove = config.method == "glove"
        start = keras.initializers.RandomUniform(
            -0.5 / config.size, 0.5 / config.size, seed=config.seed + 1
        )
        self.context = make(
            (words, columns), start if is_glove else "zeros", name="contexts"
        )
        self._squares: tuple[keras.Variable, ...] = ()
        if is_glove:
            self._squares = tuple(
                make((words, columns), "ones", trainable=False, name=f"{name}_squares")
                for name in ("vectors", "contexts")
            )
        self._batches = make((), "zeros", dtype="int64", trainable=False, name="step")
        self._total = make((), "ones", dtype="int64", trainable=False, name="steps")
        self._rows = self._input_rows()
        self.built = True

    def _input_rows(self) -> Rows:
        config = self.config
        if not config.has_parts:
            return Rows(self.table.value)
        words = self._known_words().words
        parts = [[i, *self._parts(word)] for i, word in enumerate(words)]
        return PartRows(self.table.value, parts)

    def _parts(self, word: str) -> list[int]:
        config = self.config
        return parts_of(
            word,
            config.min_ngram,
            config.max_ngram,
            config.buckets,
            len(self._known_words()),
        )

    def fit(
        self,
        texts: Any,
        epochs: int = 5,
        *,
        progress: bool = False,
        verbose: Any = "auto",
        **kwargs: Any,
    ) -> keras.callbacks.History:
        """Learns from texts; called again, it goes on from the first rate.

        Args:
            texts: an iterable of texts; or files: a string that names one, a pattern or
                a folder, or paths.
            epochs: passes over the texts.
            progress: show a bar while the words are counted.
            verbose, **kwargs: of `keras.Model.fit`.

        Raises:
            ValueError: there are no words, or all are rarer than `min_count`.
        """
        stream = self.adapt(_documents(texts), progress)
        if self.config.method == "glove":
            entries = glove.cooccurrences(stream, self.config.window)
            if not len(entries.rows):
                raise ValueError("no two words occur together: each is alone in a line")
            shuffled = glove.Shuffled(entries, self.config.seed)
            data, steps = shuffled.dataset, shuffled.records
        else:
            data = blocks(stream, self._known_words(), self.config)
            steps = stream.records
        self._predict: Any = self._objective()  # None: GloVe has none
        self.make_train_function(force=True)
        self._batches.assign(0)
        self._total.assign(steps * epochs)
        self._near = None
        history = super().fit(
            data,
            steps_per_epoch=steps,
            epochs=epochs,
            verbose=verbose,
            shuffle=False,
            **kwargs,
        )
        self._near = None
        return history

    def _objective(self) -> Callable[..., updates.Update] | None:
        config = self.config
        if config.method == "glove":
            return None
        if config.loss == "hierarchical":
            tree = updates.Hierarchical(*huffman(self._known_words().counts))
            return getattr(tree, config.method)
        return getattr(updates, config.method)

    def train_step(self, batch: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        """Several updates, one after another; the loss is their mean."""
        self._batches.assign_add(1)
        step = self._update_cells if "rows" in batch else self._update_blocks
        count = tf.shape(next(iter(batch.values())))[0]

        def body(number: tf.Tensor, total: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            loss, done = step({name: x[number] for name, x in batch.items()})
            with tf.control_dependencies(done):
                return number + 1, total + loss

        _, total = tf.while_loop(
            lambda number, _: number < count, body, (0, 0.0), parallel_iterations=1
        )
        self._loss.update_state(total / tf.cast(count, total.dtype))
        return {"loss": self._loss.result()}

    @property
    def metrics(self) -> list:
        return [self._loss]

    def _update_blocks(self, batch: dict[str, tf.Tensor]):
        """One update by blocks: its mean loss, and what changes the vectors."""
        config, contexts = self.config, Rows(self.context.value)
        found = self._predict(
            updates.Blocks(**batch),
            self._rows,
            contexts,
            config.window,
            config.negatives,
        )
        done_share = tf.cast(self._batches / self._total, tf.float32)
        rate = self.first_rate * tf.maximum(1.0 - done_share, _LEAST_RATE)
        done = [
            rows.add(ids, changes, curvature, rate)
            for rows, (ids, changes, curvature) in (
                (self._rows, found.inputs),
                (contexts, found.outputs),
            )
        ]
        return tf.math.divide_no_nan(*found.loss), done

    def _update_cells(self, batch: dict[str, tf.Tensor]):
        loss, done = glove.update(
            **batch,
            tables=(self.table.value, self.context.value),
            squares=[square.value for square in self._squares],
            rate=tf.constant(self.first_rate),
            x_max=self.config.x_max,
        )
        count = tf.reduce_sum(tf.cast(batch["counts"] > 0, tf.float32))
        return tf.math.divide_no_nan(loss, count), done

    @property
    def words(self) -> list[str]:
        """By falling frequency.

        Raises:
            RuntimeError: there are none yet.
        """
        return self._known_words().words

    def _known_words(self) -> Vocabulary:
        if self.vocabulary is None:
            raise RuntimeError("fit the vectors, or load some by WordVectors.load")
        return self.vocabulary

    @property
    def vectors(self) -> np.ndarray:
        """float32 [words, d]: of glove, the sums of both vectors of a word."""
        words = self.words
        if self.config.method == "glove":
            return (self.table.numpy() + self.context.numpy())[:, :-1]
        return self._rows.words()[: len(words)]

    @property
    def neighbours(self) -> Neighbours:
        """What answers are made of."""
        if self._near is None:
            self._near = Neighbours(self.words, self.vectors, self._unknown)
        return self._near

    def _unknown(self, word: str) -> np.ndarray | None:
        """The vector of a word that was not learnt, of its parts if they have any."""
        rows = self._parts(word) if self.config.has_parts else []
        return self.table.numpy()[rows].mean(0) if rows else None

    def similarity(self, one: str, other: str) -> float:
        """See `Neighbours.similarity`."""
        return self.neighbours.similarity(one, other)

    def similar(self, word: str, k: int = 10) -> list[tuple[str, float]]:
        """See `Neighbours.similar`."""
        return self.neighbours.similar(word, k)

    def analogy(self, expression: str, k: int = 10) -> list[tuple[str, float]]:
        """See `Neighbours.analogy`."""
        return self.neighbours.analogy(expression, k)

    def doesnt_match(self, words: Iterable[str]) -> str:
        """See `Neighbours.doesnt_match`."""
        return self.neighbours.doesnt_match(words)

    def embed(self, texts: Texts) -> np.ndarray:
        """Means of the vectors of the words of texts, float32 [texts, d] or, of one
        text, [d]; 0 where no word is known."""
        texts, one = as_texts("text", texts)
        units, ids = units_named(self.config.units), self.neighbours.ids
        table = self.vectors
        found = np.zeros((len(texts), self.config.size), np.float32)
        for row, text in enumerate(texts):
            text = text.lower() if self.config.lowercase else text
            pieces = (x for part in units.sequences(text) for x in units.split(part))
            words = (piece for piece in pieces if isinstance(piece, bytes))
            names = (word.decode(errors="replace") for word in words)
            known = [ids[name] for name in names if name in ids]
            if known:
                found[row] = table[known].mean(0)
        return found[0] if one else found

    def save_preset(self, folder: str | Path) -> None:
        """Writes config, words and weights, for `from_preset` to read."""
        vocabulary = self._known_words()
        weights = {"vectors": self.table, "contexts": self.context}
        weights |= {square.name: square for square in self._squares}
        write_preset(expanded(folder), "WordVectors", self.config, weights, vocabulary)

    @classmethod
    def from_preset(cls, folder: str | Path) -> WordVectors:
        """Reads what `save_preset` wrote.

        Raises:
            FileNotFoundError: a file is missing.
            ValueError: the folder is another task's, or damaged.
        """
        header, tensors = read_preset(expanded(folder))
        if header["task"] != "WordVectors":
            raise ValueError(f"{folder} is of {header['task']}, not of WordVectors")
        vocabulary = Vocabulary.load(expanded(folder))
        if vocabulary.fingerprint != header["tokenizer"]:
            raise ValueError(f"{folder}: its words are not those of its weights")
        found = cls(WordVectorsConfig.from_dict(header["model"]), vocabulary)
        weights = (found.table, found.context, *found._squares)
        for weight in weights:
            weight.assign(tensors[weight.name])
        return found

    def save_vectors(self, path: str | Path, format: str = "word2vec") -> None:
        """Writes words and vectors for other programs; see `files.write_vectors`."""
        write_vectors(path, self.words, self.vectors, format)

    @classmethod
    def load(cls, path: str | Path) -> WordVectors:
        """Vectors of a file of word2vec, GloVe or fastText, or of a preset folder.

        Raises:
            FileNotFoundError: there is no such file.
            ValueError: it is cut or damaged; names the line.
        """
        if expanded(path).is_dir():
            return cls.from_preset(path)
        words, table = read_vectors(path)
        vocabulary = Vocabulary(words, np.arange(len(words), 0, -1))
        found = cls(WordVectorsConfig(size=table.shape[1], units="spaced"), vocabulary)
        found.table.assign(table)
        return found

    def export(self, path: str | Path, overwrite: bool = False) -> None:
        """Writes a SavedModel of strings with the signatures `similar` (word, k ->
        words, scores), `analogy` (expression, k -> the same) and `embed` (text ->
        embedding), which is `serving_default`.

        The export is loaded again and compared with this model before it takes its
        place.

        Raises:
            FileExistsError: the folder is not empty and `overwrite` is false.
        """
        export_answers(self, path, overwrite)


def _documents(texts: Any) -> Iterable[str]:
    """Texts, or those of files."""
    is_files = isinstance(texts, Sequence) and all(isinstance(x, Path) for x in texts)
    if isinstance(texts, str | Path) or is_files:
        return read_documents(texts)
    return texts
