"""The shape of an encoder of words as one frozen value: vectors and their readers."""

from __future__ import annotations

import dataclasses
from typing import Any

from massivetext_keras.architecture.model import ModelConfig
from massivetext_keras.architecture.recurrent import DIRECTIONS, GATES, layer_leaves
from massivetext_keras.architecture.weights import dense_leaves, embedding_leaf
from massivetext_keras.support.values import setting

# The ids of the bytes that spell words, of tokenizers that do.
BYTES = range(2, 258)
# Bytes that a product of the character features sees (Ma & Hovy, 2016).
CHARACTER_WIDTH = 3


@dataclasses.dataclass(frozen=True)
class WordEncoderConfig(ModelConfig):
    """The shape of an encoder of words: their vectors alone, or recurrent layers on
    them (Kim, 2014; Huang et al., 2015; Lample et al., 2016; Ma & Hovy, 2016).

    Attributes:
        stack: "word_encoder".
        vocabulary_size: rows of the word embedding.
        num_layers: recurrent layers on the vectors (0: none, they are what it gives).
        hidden_size: width of what it gives; of a bidirectional layer one half is from
            each direction.
        embedding_size: width of a word's vector (None: `hidden_size`, without the
            features of its characters where there is no recurrent layer).
        cell: of the recurrent layers, see `RecurrentConfig`.
        bidirectional: whether they read a text from both ends (Schuster & Paliwal,
            1997).
        character_size: width of the embedding of a byte; features of the bytes of a
            word, by a convolution of width 3 and the largest value over all places,
            stand behind its vector then (Ma & Hovy, 2016), and the tokenizer is one
            that spells (0: there are none).
        character_maps: how many features of the bytes there are.
        max_length: tokens that are read at the most; where words are spelled, their
            bytes too.
        dropout: rate on the vectors, and between recurrent layers; of a task's head,
            too, unless it says otherwise.
        word_dropout: share of the words of a text whose vectors are left out in
            training (Iyyer et al., 2015); the features of their bytes stay, so that
            these learn to tell words that nobody knows.
        head: of a classifier on it that asks for none, see `TextClassifier`.
        crf: whether the tags of a tagger on it that does not say are a linear chain.

    Raises:
        ValueError: a number is out of range, or widths do not fit.
    """

    stacks = ("word_encoder",)
    tied_embeddings = True  # there is no other output layer
    logit_scale = 1.0
    logit_bias = False

    stack: str = setting("word_encoder", choices=stacks)
    vocabulary_size: int = setting(20000, least=1)
    num_layers: int = setting(0, least=0)
    hidden_size: int = setting(300, least=1)
    embedding_size: int | None = setting(None, least=1)
    cell: str = setting("lstm", choices=tuple(GATES))
    bidirectional: bool = True
    character_size: int = setting(0, least=0)
    character_maps: int = setting(30, least=1)
    max_length: int = setting(512, least=1)
    dropout: float = setting(0.5, least=0, below=1)
    word_dropout: float = setting(0.0, least=0, below=1)
    head: str = "mean"
    crf: bool = False

    def __post_init__(self):
        super().__post_init__()
        if self.num_layers and self.hidden_size % self.directions:
            raise ValueError(
                f"hidden_size {self.hidden_size} has no half for each direction"
            )
        if not self.num_layers and self.width_of_words != self.hidden_size:
            raise ValueError(
                f"words are {self.width_of_words} wide, which is no hidden_size of "
                f"{self.hidden_size}, and there is no layer in between: leave out "
                "embedding_size, or set num_layers"
            )
        if self.width_of_embedding < 1:
            raise ValueError(
                f"hidden_size {self.hidden_size} has no room for words beside "
                f"character_maps {self.character_maps}"
            )

    @property
    def directions(self) -> int:
        """In how many directions the hidden states read."""
        return 1 + (self.bidirectional and self.num_layers > 0)

    @property
    def reads_spelling(self) -> bool:
        """Whether it reads the bytes of words."""
        return self.character_size > 0

    @property
    def character_features(self) -> int:
        """How many features of its bytes a word has."""
        return self.character_maps if self.reads_spelling else 0

    @property
    def width_of_embedding(self) -> int:
        """Width of a word's vector."""
        if self.embedding_size:
            return self.embedding_size
        rest = 0 if self.num_layers else self.character_features
        return self.hidden_size - rest

    @property
    def width_of_words(self) -> int:
        """Of the vector of a word and the features of its bytes."""
        return self.width_of_embedding + self.character_features

    @property
    def numbers_per_place(self) -> int:
        """None: it does not decode."""
        return 0

    def weight_tree(self) -> dict[str, Any]:
        width = self.width_of_embedding
        tree: dict[str, Any] = {"tokens": embedding_leaf(self.vocabulary_size, width)}
        if size := self.character_size:
            product = dense_leaves(CHARACTER_WIDTH * size, self.character_maps)
            bytes_ = embedding_leaf(len(BYTES), size)
            tree["character_embeddings"] = {"bytes": bytes_, "product": product}
        units, names = self.hidden_size // self.directions, DIRECTIONS
        inputs, stack = self.width_of_words, {}
        for i in range(self.num_layers):
            layer = layer_leaves(self.cell, inputs, units)
            stack[f"block_{i}"] = dict.fromkeys(names[: self.directions], layer)
            inputs = self.hidden_size
        if stack:
            tree["stack"] = stack
        return tree
