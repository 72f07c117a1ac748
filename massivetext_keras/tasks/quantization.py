"""Matrices of a task in fewer bits: stored, read from presets, given back as floats."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import keras
import tensorflow as tf

from massivetext_keras.architecture.storage import FEWEST, FORMS, Storage
from massivetext_keras.layers.stored import (
    StoredMatrix,
    matrix_of,
    matrix_or_none,
    store,
)
from massivetext_keras.optimization.freezing import settle
from massivetext_keras.optimization.keras_seams import layers_of
from massivetext_keras.quantization import calibration
from massivetext_keras.support.threads import forget_what_was_made
from massivetext_keras.support.values import choose
from massivetext_keras.tasks import weights


class Quantization:
    """In how many bits the matrices of a task are stored.

    Args:
        task: that has them.
    """

    def __init__(self, task: Any):
        self.task = task

    def matrices(self) -> dict[str, keras.Layer]:
        """The layers whose matrices can be stored in fewer bits, by the matrix's path.

        Kernels, tables of embeddings and positions, the heads' kernels too; not what
        has fewer than 16 rows or columns, nor what chooses experts.
        """
        named = weights.of_preset(self.task)
        paths = {id(weight): path for path, weight in named.items()}
        found = {}
        for layer in layers_of(self.task):
            matrix = matrix_or_none(layer)
            if isinstance(matrix, StoredMatrix):
                path = paths.get(id(matrix.codes), "").removesuffix("/codes")
            elif matrix is None or min(matrix.shape[-2:]) < FEWEST:
                continue
            else:
                path = paths.get(id(matrix), "")
            if path and getattr(layer, "may_round", True):
                found[path] = layer
        return {path: found[path] for path in sorted(found)}

    def storages(self) -> dict[str, Storage]:
        """How each matrix is stored that is not in floats of 32 bits, by path."""
        found = {path: matrix_of(layer) for path, layer in self.matrices().items()}
        return {k: x.storage for k, x in found.items() if isinstance(x, StoredMatrix)}

    def apply(
        self,
        form: str = "int8",
        texts: str | Sequence[Any] | None = None,
        group_size: int = 32,
        method: str = "best",
    ) -> dict[str, Storage]:
        """Stores all `matrices` in fewer bits; what the task was trained with stays as
        it is, and what is left to train are biases, norms, and adapters.

        Args:
            form: "int8", "int4", "float16" or "bfloat16".
            texts: to calibrate "int4" on, as the task reads them: some hundred of the
                kind that it is for; pairs (source, target) of what writes for a text
                (None: each number is rounded to the nearest).
            group_size: numbers that share a scale, of "int4".
            method: with texts: "nearest", "gptq" (Frantar et al., 2023), "awq" (Lin et
                al., 2024), or "best", that which changes the answers to the last
                quarter of the texts least.

        Returns:
            How each matrix is stored, by path.

        Raises:
            ValueError: the task is stored so already, has adapters beside its kernels
                or is on a mesh; the texts are empty; or a name is unknown.
        """
        choose("form", form, dict.fromkeys(FORMS))
        choose("method", method, dict.fromkeys(calibration.METHODS))
        self._check(form)
        storage = Storage(form, group_size)
        layers = self.matrices()
        if texts is None:
            self._replace({path: (storage, None) for path in layers})
        else:
            if form != "int4":
                raise ValueError(f"texts are to calibrate 'int4' on, not {form!r}")
            found = calibration.calibrated(self.task, layers, storage, texts, method)
            self._replace(found)
        self._changed()
        return self.storages()

    def round_in_training(self, form: str | None, group_size: int = 32) -> None:
        """From now on the task answers, and is trained, with its kernels and tables as
        they will be read when they are stored so (Jacob et al., 2018).

        Gradients go through the rounding as if it were not there. `apply`, with the
        same form, then stores what the task has answered with. Matrices of experts and
        of recurrent states are rounded at the end alone.

        Args:
            form: "int8" or "int4" (None: no longer).
            group_size: numbers that share a scale, of "int4".

        Raises:
            ValueError: the form is unknown, or the task is stored in fewer bits.
        """
        if form is not None:
            choose("form", form, dict.fromkeys(FORMS))
            self._check(form)
        storage = None if form is None else Storage(form, group_size)
        for layer in self.matrices().values():
            if hasattr(layer, "rounds_as"):
                layer.rounds_as = storage
        self._changed()

    def store_rounded(self) -> None:
        """Stores matrices as `round_in_training` said, if it did."""
        said = (getattr(x, "rounds_as", None) for x in self.matrices().values())
        if storage := next(filter(None, said), None):
            self.apply(storage.form, group_size=storage.group_size)

    def prepare(self, storages: Mapping[str, Storage]) -> None:
        """Puts zeros that are stored in another form where matrices were.

        Args:
            storages: by path, of `matrices`.
        """
        layers = self.matrices()
        with self.task.distribute_strategy.scope():
            for path, storage in storages.items():
                store(choose("matrix", path, layers), storage)
        settle(self.task)
        self._changed()

    def undo(self) -> None:
        """Gives all matrices back as float32; they mean what they meant.

        Raises:
            ValueError: they are floats.
        """
        if not (storages := self.storages()):
            raise ValueError(f"this {type(self.task).__name__} is stored in float32")
        layers = self.matrices()
        with self.task.distribute_strategy.scope():
            for path in storages:
                array = matrix_of(layers[path]).numpy()
                store(layers[path], None)
                matrix_of(layers[path]).assign(array)
        settle(self.task)
        self._changed()

    def in_floats(self, named: Mapping[str, Any]) -> dict[str, Any]:
        """Weights by name, in which matrices are what they mean, in float32."""
        found = dict(named)
        layers = self.matrices()
        for path, storage in self.storages().items():
            parts = storage.parts(matrix_of(layers[path]).shape)
            if all(f"{path}/{name}" in found for name in parts):
                for name in parts:
                    del found[f"{path}/{name}"]
                found[path] = matrix_of(layers[path]).numpy()
        return found

    def _replace(self, found: Mapping[str, tuple[Storage, Any]]) -> None:
        """Stores matrices, by path: how, and what is encoded (None: the nearest)."""
        layers = self.matrices()
        with self.task.distribute_strategy.scope():
            for path, (storage, parts) in found.items():
                matrix = tf.convert_to_tensor(matrix_of(layers[path]).value)
                store(layers[path], storage)
                after = matrix_of(layers[path])
                after.take(matrix) if parts is None else after.assign(parts)
                if hasattr(layers[path], "rounds_as"):
                    layers[path].rounds_as = None
        settle(self.task)

    def _check(self, form: str) -> None:
        name = type(self.task).__name__
        if storages := self.storages():
            forms = " and ".join(_unique(x.form for x in storages.values()))
            raise ValueError(
                f"this {name} is stored in {forms} already: quantize({form!r}) is for "
                "one in float32, see dequantize"
            )
        if self.task.adapters.layers():
            raise ValueError(
                "quantize: merge_adapters and remove_adapters before, or add_adapters "
                "after it"
            )
        if self.task.mesh is not None:
            raise ValueError("quantize: a task on a mesh is stored in float32")

    def _changed(self) -> None:
        task = self.task
        task.train_function = task.test_function = task.predict_function = None
        task.compiled = False
        forget_what_was_made(task)


def _unique(words: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(words))
