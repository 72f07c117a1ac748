"""A folder with a checkpoint of TensorFlow and a file that describes the model."""

from __future__ import annotations

import functools
import os
from pathlib import Path

from massivetext_keras.architecture.config import TransformerConfig
from massivetext_keras.checkpoints.names import Variables
from massivetext_keras.checkpoints.variables import read_variables
from massivetext_keras.huggingface.rules import Table
from massivetext_keras.saving.weights import Tensors, check_shapes
from massivetext_keras.tokenizers.base import Tokenizer

_CLASSES = "head/classes/bias"


class CheckpointFolder:
    """A folder whose files are read once, when they are asked for.

    Args:
        path: a local folder.

    Attributes:
        descriptions: names of files that describe a model: the first that is there
            counts.

    Raises:
        FileNotFoundError: of whatever is asked: the folder or a file is missing.
        ValueError: a file is damaged, or asks for what would give other numbers.
    """

    descriptions: tuple[str, ...]

    def __init__(self, path: str | os.PathLike):
        self.path = Path(path)

    @functools.cached_property
    def description(self) -> Path:
        """The file that describes the model; the first one where there is none."""
        files = [self.path / name for name in self.descriptions]
        return next((file for file in files if file.is_file()), files[0])

    @property
    def config(self) -> TransformerConfig:
        """The shape of the model."""
        raise NotImplementedError

    @property
    def family(self) -> Variables:
        """How the variables are called."""
        raise NotImplementedError

    @functools.cached_property
    def tensors(self) -> Tensors:
        """The weights by the names of the checkpoint."""
        return read_variables(self.path)

    def tokenizer(self) -> Tokenizer:
        """Of the vocabulary beside the checkpoint.

        Raises:
            FileNotFoundError: there is none.
            ValueError: it is damaged.
        """
        raise NotImplementedError

    def heads(self) -> tuple[str, ...]:
        """The heads whose weights are there."""
        return tuple(
            head
            for head in self.family.heads
            if _names(self._table(head), "head/") <= {*self.tensors}
        )

    def load(self, head: str | None = None) -> tuple[TransformerConfig, Tensors]:
        """The model: its shape, and weights by our names.

        Args:
            head: one of `heads`, to be loaded with it.

        Raises:
            FileNotFoundError: a file is missing.
            ValueError: variables are missing, left over or of another shape.
        """
        tensors, table = self.tensors, self._table(head)
        if _CLASSES in table:
            [bias] = table[_CLASSES].parts
            table = self._table(head, tensors.shapes.get(bias, (2,))[0])
        wanted = {name: s for rule in table.values() for name, s in rule.parts.items()}
        others = (_names(self._table(other)) for other in (None, *self.heads()))
        aside = set().union(*others) - wanted.keys()
        found = {k: shape for k, shape in tensors.shapes.items() if k not in aside}
        problem = f"{self.path}: the variables do not fit {self.description.name}"
        check_shapes(wanted, found, problem)
        shapes = {ours: rule.shape for ours, rule in table.items()}
        return self.config, Tensors(shapes, lambda ours: table[ours].join(tensors))

    def _table(self, head: str | None, classes: int = 2) -> Table:
        return self.family.table(self.config, "", head, self.tensors, classes)


def _names(table: Table, beginning: str = "") -> set[str]:
    """Theirs, of those of ours that begin so."""
    rules = {path: table[path] for path in table if path.startswith(beginning)}
    return {name for rule in rules.values() for name in rule.parts}
