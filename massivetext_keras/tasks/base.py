"""What all tasks share: configuration, tokenizer, presets and the training step."""

from __future__ import annotations

import logging
from pathlib import Path

import keras
import tensorflow as tf

from massivetext_keras import interop, presets, tokenizers
from massivetext_keras.configs import TransformerConfig, nearest
from massivetext_keras.tasks.training_step import TrainingStep

logger = logging.getLogger(__name__)

HUGGING_FACE = "hf:"


class Task(TrainingStep):
    """A model, its tokenizer and its loss; strings in, strings out.

    Args:
        config: shape of the model.
        tokenizer: strings to ids; None for a task on ids alone.
    """

    def __init__(
        self,
        config: TransformerConfig,
        tokenizer: tokenizers.Tokenizer | None = None,
        **kwargs,
    ):
        super().__init__(**kwargs)
        if tokenizer is not None and tokenizer.vocabulary_size > config.vocabulary_size:
            raise ValueError(
                f"the tokenizer has {tokenizer.vocabulary_size} tokens, the model "
                f"embeds {config.vocabulary_size}"
            )
        self.config = config
        self.tokenizer = tokenizer
        self.no_tokenizer = f"this {type(self).__name__} was made without a tokenizer"
        self._label_bytes = None
        sizes = None if tokenizer is None else tokenizer.token_bytes()
        if sizes is not None:
            sizes += [0] * (config.vocabulary_size - len(sizes))
            self._label_bytes = tf.constant(sizes, tf.float32)
            self.bits_tracker = keras.metrics.Mean(name="bits_per_byte")

    @classmethod
    def from_preset(
        cls, source: str, tokenizer: tokenizers.Tokenizer | None = None, **changes
    ):
        """A task from a preset's name, a folder, or a Hugging Face folder.

        Args:
            source: a name in `presets.PRESETS` (random weights), a folder written by
                `save_preset`, or "hf:folder" with a Hugging Face model.
            tokenizer: for a name; its size replaces the preset's vocabulary size. For
                a folder, instead of the folder's own.
            **changes: fields of the config to replace, such as `dropout`.

        Raises:
            ValueError: the name is unknown or the folder's contents do not fit; the
                message says which and names the nearest right one.
            FileNotFoundError: a file of the folder is missing.
        """
        source = str(source)
        if source in presets.PRESETS:
            if tokenizer is not None:
                changes.setdefault("vocabulary_size", tokenizer.vocabulary_size)
            return cls(presets.preset(source).replace(**changes), tokenizer)
        if source.startswith(HUGGING_FACE):
            return cls._from_hugging_face(
                source.removeprefix(HUGGING_FACE), tokenizer, changes
            )
        if not Path(source).is_dir():
            raise ValueError(
                f"{source!r} is neither a preset nor a folder: "
                f"{nearest(source, presets.PRESETS)}"
            )
        header, tensors = interop.read_preset(source, cls.__name__)
        if tokenizer is None and header["tokenizer"]:
            tokenizer = tokenizers.load(source)
            if tokenizer.fingerprint != header["tokenizer"]:
                raise ValueError(f"{source}: the tokenizer is not the preset's own")
        config = TransformerConfig.from_dict(header["model"]).replace(**changes)
        task = cls(config, tokenizer)
        interop.assign(task.backbone, tensors)
        return task

    @classmethod
    def _from_hugging_face(cls, folder, tokenizer, changes):
        config, tensors = interop.load_huggingface(folder)
        problem = None
        if tokenizer is None:
            try:
                tokenizer = tokenizers.from_huggingface(folder)
            except (ValueError, FileNotFoundError) as error:
                problem = f"{folder}: the model works on ids only: {error}"
                logger.warning(problem)
        task = cls(config.replace(**changes), tokenizer)
        if problem:
            task.no_tokenizer = problem
        interop.assign(task.backbone, tensors)
        return task

    def save_preset(self, folder: str | Path) -> None:
        """Writes config, weights and tokenizer, for `from_preset` to read.

        Each file replaces its predecessor at once and the config, which holds the
        hashes of the others, comes last; other files of the folder stay.
        """
        interop.write_preset(
            folder, type(self).__name__, self.config, self.backbone, self.tokenizer
        )

    def need_tokenizer(self) -> tokenizers.Tokenizer:
        """The tokenizer.

        Raises:
            ValueError: there is none; the message says why.
        """
        if self.tokenizer is None:
            raise ValueError(self.no_tokenizer)
        return self.tokenizer

    def label_bytes(self, labels: tf.Tensor) -> tf.Tensor | None:
        """UTF-8 bytes behind each label, float32, or None if not known."""
        if self._label_bytes is None:
            return None
        return tf.gather(self._label_bytes, labels)

    def get_config(self):
        return {"config": self.config.to_dict()}

    @classmethod
    def from_config(cls, values):
        return cls(TransformerConfig.from_dict(values["config"]))
