"""What a causal model learns from: texts, shards of them, or conversations."""

from __future__ import annotations

from collections.abc import Mapping
from numbers import Number

import tensorflow as tf

from massivetext_keras import data
from massivetext_keras.tasks.datasets import Datasets
from massivetext_keras.tasks.inputs import are_files, rows_of, texts_of
from massivetext_keras.tasks.language_model.chat import Chat
from massivetext_keras.text.examples import Conversation


class TextsOrChats(Chat):
    """A mixin for `CausalLM`: `datasets` of all three."""

    batches_of = {"batch_size": 16}
    objective = "causal"

    @property
    def own_objective(self) -> str:
        return "prefix" if self.config.stack == "prefix" else self.objective

    def make_datasets(self, train, validation, share, how, reading):
        """As `datasets`; also of folders of shards, with weights or without, as
        `data.open_shards` takes them. Of several, the loss of each is logged."""
        weighted = isinstance(train, Mapping) and all(
            isinstance(weight, Number) for weight in train.values()
        )
        shards = None
        if weighted or isinstance(train, data.Shards) or are_files(train):
            shards = data.open_shards(train)
        self.name_corpora(shards.names if shards and len(shards.names) > 1 else [])
        if shards is None:
            return super().make_datasets(train, validation, share, how, reading)
        if self.config.stack == "prefix":
            raise ValueError("a prefix language model takes text, not shards")
        if how.objective is not None and how.objective.name != "causal":
            raise ValueError(f"objective {how.objective.name!r} takes text, not shards")
        if validation is not None:
            raise ValueError("shards have validation rows of their own: leave them")
        config = self.config
        sizes = config.vocabulary_size, config.max_length, how.length
        shards.check(self.tokenizer, *sizes)
        batches = shards.training(how.rows, how.seed, how.start).epochs()
        return batches, None if share == 0.0 else shards.validation(how.rows)

    def read_data(self, source, **reading):
        """Texts; or conversations, where dicts have them or a format is named."""
        if reading.get("format") is not None:
            return super().read_data(source, **reading)
        if are_files(source):
            return Datasets.read_data(self, source, **reading)
        rows = list(rows_of(source))
        first = rows[0] if rows else ""
        talks = isinstance(first, Mapping) and "text" not in first
        if talks or isinstance(first, list | tuple):
            return super().read_data(rows)
        return texts_of(rows)

    def share_of(self, items):
        if isinstance(items[0], Conversation):
            return 0.0
        return self.share_of_texts(items)

    def split_data(self, items, share):
        if isinstance(items[0], Conversation):
            return super().split_data(items, share)
        return Datasets.split_data(self, items, share)

    def training_data(self, items, how):
        if isinstance(items[0], Conversation):
            return super().training_data(items, how)
        return Datasets.training_data(self, items, how)

    def validation_data(self, items, how):
        if isinstance(items[0], Conversation):
            return super().validation_data(items, how)
        return Datasets.validation_data(self, items, how)

    fits_strings = True

    def encode_texts(self, x, y=None, sample_weight=None):
        """Texts to be learnt themselves, each in a row of its own."""
        if y is not None:
            raise ValueError("of texts a CausalLM learns the next token: give no y")
        if isinstance(x, Mapping):
            x = x["text"]
        ids, mask = self.text_features.documents(x)
        features, labels, weights = data.text_example(ids, mask)
        if sample_weight is not None:
            weights *= tf.reshape(tf.cast(sample_weight, tf.float32), [-1, 1])
        return features, labels, weights
