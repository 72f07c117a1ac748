"""Adapters of a task: trained beside weights that stay, merged, saved on their own."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import json
import logging
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np

from massivetext_keras.generation.threads import forget_what_was_made
from massivetext_keras.huggingface.peft import Lora, is_peft, read_lora
from massivetext_keras.layers import adapters
from massivetext_keras.layers.dense import Dense
from massivetext_keras.optimization.freezing import settle
from massivetext_keras.saving.weights import (
    Tensors,
    assign,
    named_weights,
    read_tensors,
    save_weights,
)
from massivetext_keras.support.files import expanded, file_hash, read_json, write_json
from massivetext_keras.support.values import matching

FORMAT = "massivetext_keras adapters"
CONFIG, WEIGHTS = "adapters.json", "adapters.safetensors"

logger = logging.getLogger(__name__)


class Adapting:
    """A mixin for tasks: low-rank adapters beside the products of the backbone."""

    _frozen: tuple[str, ...] = ()  # paths of what `add_adapters` froze
    _train_heads = True

    def add_adapters(
        self,
        pattern: str = "attention",
        rank: int = 8,
        alpha: float = 16.0,
        dropout: float = 0.0,
        train_heads: bool = True,
    ) -> list[str]:
        """Puts adapters beside products and freezes the rest (LoRA; Hu et al., 2022).

        Heads are trained as they are, since those of a new task are random. The task
        answers as before until it is trained; compile it after this. The optimizer
        then holds the state of what is trained alone.

        Args:
            pattern: regular expression, searched for in the paths of the backbone's
                products, such as "stack/block_0/attention/qkv" or
                "stack/block_3/feed_forward/down".
            rank: of what is added to a kernel; of several outputs in one, together.
            alpha: divided by the rank, scales what is added.
            dropout: rate on what goes into the adapters, in training.
            train_heads: whether heads are trained too.

        Returns:
            The paths of the products with an adapter.

        Raises:
            ValueError: the pattern is found in none, an argument is out of range, or
                there are adapters.
        """
        products = self._products()
        names = matching("adapters", pattern, products, "product")
        self.add_adapters_to(names, rank, alpha, dropout, train_heads)
        return names

    def add_adapters_to(
        self,
        products: Sequence[str],
        rank: int,
        alpha: float,
        dropout: float,
        train_heads: bool,
    ) -> None:
        """`add_adapters` to products by their paths.

        Raises:
            ValueError: an argument is out of range, or there are adapters.
        """
        if self.adapted():
            raise ValueError("there are adapters: see remove_adapters and save_preset")
        heads_of = self._all_heads() if train_heads else {}
        kept = {id(weight) for weight in heads_of.values()}
        frozen = [w for w in self.trainable_weights if id(w) not in kept]
        layers = self._products()
        with self.distribute_strategy.scope():
            for name in products:
                adapters.attach(layers[name], rank, alpha, dropout)
        for weight in frozen:
            weight.trainable = False
        settle(self)
        self._frozen, self._train_heads = tuple(w.path for w in frozen), train_heads
        self._changed()

    def adapted(self) -> dict[str, Dense]:
        """The products with an adapter, by path."""
        return {k: v for k, v in self._products().items() if v.adapter is not None}

    def adapter_settings(self) -> dict[str, Any]:
        """The arguments of `add_adapters_to` that made the adapters.

        Raises:
            ValueError: there are none.
        """
        layers = self._need_adapters()
        one = next(iter(layers.values())).adapter
        return {
            "products": list(layers),
            "rank": one.rank,
            "alpha": one.alpha,
            "dropout": one.dropout.rate,
            "train_heads": self._train_heads,
        }

    def merge_adapters(self) -> None:
        """Adds adapters to their kernels: answers stay and cost what they cost without.

        Training needs `unmerge_adapters`.

        Raises:
            ValueError: there are none.
        """
        for layer in self._need_adapters().values():
            adapters.merge(layer)
        self._forget_graphs()

    def unmerge_adapters(self) -> None:
        """Undoes `merge_adapters`: every kernel is what it was, bit for bit.

        Raises:
            ValueError: there are no adapters.
        """
        for layer in self._need_adapters().values():
            adapters.unmerge(layer)
        self._forget_graphs()

    def remove_adapters(self) -> None:
        """Takes adapters away and trains again what they froze.

        Merged ones stay in their kernels for good.

        Raises:
            ValueError: there are none.
        """
        for layer in self._need_adapters().values():
            adapters.detach(layer)
        frozen = set(self._frozen)
        for weight in self.weights:
            if weight.path in frozen:
                weight.trainable = True
        settle(self)
        self._frozen = ()
        self._changed()

    @contextlib.contextmanager
    def adapters_merged(self) -> Iterator[None]:
        """Inside, graphs are made without adapters, which are merged."""
        layers = [x for x in self.adapted().values() if x.adapter.original is None]
        if not layers:
            yield
            return
        try:
            for layer in layers:
                adapters.merge(layer)
            self._forget_graphs(training=False)
            yield
        finally:
            for layer in layers:
                adapters.unmerge(layer)
            self._forget_graphs(training=False)

    def base_weights(self) -> dict[str, keras.Variable]:
        """The backbone's weights by name, without adapters."""
        named = named_weights(self.backbone)
        return {k: v for k, v in named.items() if f"/{adapters.NAME}/" not in k}

    def whole_weights(self) -> dict[str, Any]:
        """`named_weights`, in which kernels do what their adapters do beside them."""
        named = dict(self.named_weights())
        for name, layer in self.adapted().items():
            named[f"{name}/kernel"] = adapters.merged_kernel(layer)
        return named

    def save_adapters(self, folder: str | Path) -> None:
        """Writes what adapters, and heads trained with them, have learnt, alone.

        `adapters.safetensors` holds their weights, `adapters.json`, which is written
        last, what they are for: which task with which options, and the fingerprint of
        the weights that stayed.

        Args:
            folder: made if missing; its other files stay.

        Raises:
            ValueError: there are no adapters.
        """
        folder = Path(folder)
        self._need_adapters()
        save_weights(self._learnt(), folder / WEIGHTS)
        header = {
            "format": FORMAT,
            "task": type(self).__name__,
            "options": self.chosen(),
            **self.adapter_settings(),
            "base": self.base_fingerprint(),
            "sha256": file_hash(folder / WEIGHTS),
        }
        write_json(folder / CONFIG, header)

    def load_adapters(self, folder: str | Path) -> None:
        """Takes what `save_adapters` or PEFT wrote, in place of adapters that are.

        LoRA of PEFT gives the same products; its `modules_to_save` are refused. Where
        these are of the same shape training can go on; else compile after this.

        Raises:
            FileNotFoundError: a file is missing.
            ValueError: the adapters are of another task, of other options or of another
                base; the message says which. Nothing has changed then.
        """
        folder = expanded(folder)
        if is_peft(folder):
            self._take_lora(read_lora(folder, self.config), folder)
            return
        header, tensors = _read(folder)
        self._check(header, folder)
        settings = [header[k] for k in ("rank", "alpha", "dropout", "train_heads")]
        if (before := self.adapted()) and any(
            layer.adapter.original is not None for layer in before.values()
        ):
            self.unmerge_adapters()
        if not self._has(header):
            if before:
                self.remove_adapters()
            self.add_adapters_to(header["products"], *settings)
        assign(self._learnt(), tensors)

    @classmethod
    def from_adapters(cls, source: str, folder: str | Path, **changes):
        """`from_preset` with the options that adapters were trained with, and these.

        Args:
            source: of the base, as `from_preset` takes it.
            folder: of `save_adapters`, or of PEFT.
            **changes: for `from_preset`.

        Raises:
            FileNotFoundError, ValueError: as `from_preset` and `load_adapters`.
        """
        folder = expanded(folder)
        if is_peft(folder):
            task = cls.from_preset(source, **changes)
            task.load_adapters(folder)
            return task
        header, _ = _read(folder)
        if header["task"] != cls.__name__:
            raise _other_task(folder, header["task"], cls.__name__)
        task = cls.from_preset(source, **{**header["options"], **changes})
        task.load_adapters(folder)
        return task

    def _take_lora(self, lora: Lora, folder: Path) -> None:
        products = self._products()
        for name in lora.products:
            if name not in products:
                raise ValueError(f"{folder}: {type(self).__name__} has no {name!r}")
        if self.adapted():
            self.unmerge_adapters()
            self.remove_adapters()
        settings = lora.rank, lora.alpha, lora.dropout
        self.add_adapters_to(list(lora.products), *settings, train_heads=False)
        for name, layer in self.adapted().items():
            for weight, array in zip("ab", lora.products[name], strict=True):
                getattr(layer.adapter, weight).assign(array)

    def _check(self, header: dict[str, Any], folder: str | Path) -> None:
        if header["task"] != type(self).__name__:
            raise _other_task(folder, header["task"], type(self).__name__)
        for name, value in json.loads(json.dumps(self.chosen())).items():
            if header["options"].get(name, value) != value:
                raise ValueError(
                    f"{folder}: adapters for {name}={header['options'].get(name)!r}, "
                    f"the task has {value!r}: see from_adapters"
                )
        base = self.base_fingerprint(header["train_heads"])
        if base != header["base"]:
            raise ValueError(
                f"{folder}: adapters of another base: its weights have the fingerprint "
                f"{header['base'][:12]}, those of this task {base[:12]}"
            )

    def _has(self, header: dict[str, Any]) -> bool:
        """Whether the adapters that there are have the shapes of these."""
        layers = self.adapted()
        return (
            list(layers) == header["products"]
            and all(
                (layer.adapter.rank, layer.adapter.alpha, layer.adapter.dropout.rate)
                == (header["rank"], header["alpha"], header["dropout"])
                for layer in layers.values()
            )
            and self._train_heads == header["train_heads"]
        )

    def _learnt(self) -> dict[str, keras.Variable]:
        """What is saved: adapters, and heads that are trained with them, by name."""
        named = {
            f"{name}/{adapters.NAME}/{part}": getattr(layer.adapter, part)
            for name, layer in self.adapted().items()
            for part in ("a", "b")
        }
        return named | (self._all_heads() if self._train_heads else {})

    def base_fingerprint(self, train_heads: bool | None = None) -> str:
        """SHA-256 of all that is not learnt; merged kernels count as they were."""
        train_heads = self._train_heads if train_heads is None else train_heads
        named = self.base_weights() | ({} if train_heads else self._all_heads())
        originals = {
            f"{name}/kernel": layer.adapter.original
            for name, layer in self.adapted().items()
            if layer.adapter.original is not None
        }
        digest = hashlib.sha256()
        for name, weight in sorted(named.items()):
            if (array := originals.get(name)) is None:
                array = keras.ops.convert_to_tensor(weight).numpy()
            digest.update(f"{name} {array.shape} {array.dtype}\n".encode())
            digest.update(np.ascontiguousarray(array).tobytes())
        return digest.hexdigest()

    def _products(self) -> dict[str, Dense]:
        """The backbone's layers that an adapter fits, by path."""
        start = f"{self.backbone.name}/"
        found = {
            layer.path.removeprefix(start): layer
            for layer in self.backbone._flatten_layers()
            if isinstance(layer, Dense)
        }
        ends = (name.removesuffix("/kernel") for name in self.base_weights())
        return {name: found[name] for name in ends if name in found}

    def _need_adapters(self) -> dict[str, Dense]:
        if not (layers := self.adapted()):
            raise ValueError(f"this {type(self).__name__} has no adapters")
        return layers

    def _all_heads(self) -> dict[str, keras.Variable]:
        named: dict[str, keras.Variable] = {}
        for prefix in self.heads():
            named |= self._head_weights(prefix)
        return named

    def _changed(self) -> None:
        """What is trained is another: `compile` has to see it."""
        self._forget_graphs()
        self.compiled = False

    def _forget_graphs(self, training: bool = True) -> None:
        """What was made with the layers as they were is made anew."""
        if training:
            self.train_function = self.test_function = self.predict_function = None
        for cls in type(self).__mro__:
            for name, value in vars(cls).items():
                if isinstance(value, functools.cached_property):
                    vars(self).pop(name, None)
        forget_what_was_made(self)

    def train_step(self, data):
        if any(layer.adapter.original is not None for layer in self.adapted().values()):
            raise ValueError("the adapters are merged: unmerge_adapters, then train")
        return super().train_step(data)


def _read(folder: str | Path) -> tuple[dict[str, Any], Tensors]:
    folder = Path(folder)
    for name in (CONFIG, WEIGHTS):
        if not (folder / name).exists():
            raise FileNotFoundError(f"{folder / name} is missing: no adapters are here")
    header = read_json(folder / CONFIG)
    if header.get("format") != FORMAT:
        raise ValueError(f"{folder / CONFIG} is not of {FORMAT}")
    if file_hash(folder / WEIGHTS) != header["sha256"]:
        raise ValueError(
            f"{folder / WEIGHTS} is not what {CONFIG} describes: half written or "
            "changed"
        )
    return header, read_tensors(folder / WEIGHTS)


def _other_task(folder: str | Path, theirs: str, ours: str) -> ValueError:
    return ValueError(f"{folder}: adapters of a {theirs}, not of a {ours}")
