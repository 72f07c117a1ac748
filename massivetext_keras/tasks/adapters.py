"""Adapters of a task: trained beside weights that stay, merged, saved on their own."""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np

from massivetext_keras.architecture.storage import Storage
from massivetext_keras.distribution.sharded import beside
from massivetext_keras.huggingface.peft import Lora, is_peft, read_lora
from massivetext_keras.layers import adapters
from massivetext_keras.layers.dense import Dense
from massivetext_keras.layers.stored import StoredMatrix
from massivetext_keras.optimization.freezing import settle
from massivetext_keras.optimization.keras_seams import held_by
from massivetext_keras.saving.weights import Tensors, assign, read_tensors, save_weights
from massivetext_keras.support.arguments import Positive
from massivetext_keras.support.files import expanded, file_hash, read_json, write_json
from massivetext_keras.support.threads import forget_what_was_made
from massivetext_keras.support.values import matching
from massivetext_keras.tasks import weights

FORMAT = "massivetext_keras adapters"
CONFIG, WEIGHTS = "adapters.json", "adapters.safetensors"

logger = logging.getLogger(__name__)


class Adapters:
    """Low-rank adapters beside the products of a task's backbone.

    Args:
        task: that has them.
    """

    def __init__(self, task: Any):
        self.task = task
        self.train_heads = True
        self.frozen: tuple[str, ...] = ()  # paths of what `add` froze

    def add(
        self,
        pattern: str = "attention",
        rank: Positive = 8,
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
        names = matching("adapters", pattern, self._products(), "product")
        self.add_to(names, rank, alpha, dropout, train_heads)
        return names

    def add_to(
        self,
        products: Sequence[str],
        rank: int,
        alpha: float,
        dropout: float,
        train_heads: bool,
    ) -> None:
        """`add` to products by their paths.

        Raises:
            ValueError: an argument is out of range, or there are adapters.
        """
        task = self.task
        if self.layers():
            raise ValueError("there are adapters: see remove_adapters and save_preset")
        heads_of = weights.of_heads(task) if train_heads else {}
        kept = {id(weight) for weight in heads_of.values()}
        frozen = [w for w in task.trainable_weights if id(w) not in kept]
        layers = self._products()
        with task.distribute_strategy.scope():
            for layer in (layers[name] for name in products):
                kernel = layer.kernel
                if isinstance(kernel, StoredMatrix):
                    kernel = kernel.codes
                with beside(held_by(kernel)):
                    adapters.attach(layer, rank, alpha, dropout)
        for weight in frozen:
            weight.trainable = False
        settle(task)
        self.frozen, self.train_heads = tuple(w.path for w in frozen), train_heads
        self._changed()

    def layers(self) -> dict[str, Dense]:
        """The products with an adapter, by path."""
        return {k: v for k, v in self._products().items() if v.adapter is not None}

    def parts(self) -> dict[str, adapters.Adapter]:
        """The adapters, by the paths of their products."""
        found = {k: v.adapter for k, v in self._products().items()}
        return {k: adapter for k, adapter in found.items() if adapter is not None}

    def settings(self) -> dict[str, Any]:
        """The arguments of `add_to` that made the adapters.

        Raises:
            ValueError: there are none.
        """
        self._needed()
        parts = self.parts()
        one = next(iter(parts.values()))
        return {
            "products": list(parts),
            "rank": one.rank,
            "alpha": one.alpha,
            "dropout": one.dropout.rate,
            "train_heads": self.train_heads,
        }

    def merge(self) -> None:
        """Adds adapters to their kernels: answers stay and cost what they cost without.

        Training needs `unmerge_adapters`.

        Raises:
            ValueError: there are none, or a kernel is stored in fewer bits, in which
                their sum would be another one.
        """
        if stored := self.over_stored():
            raise ValueError(
                f"the adapter of {next(iter(stored))} is beside a kernel of few bits: "
                "dequantize before, or leave it beside"
            )
        for layer in self._needed().values():
            adapters.merge(layer)
        self._forget_graphs()

    def unmerge(self) -> None:
        """Undoes `merge_adapters`: every kernel is what it was, bit for bit.

        Raises:
            ValueError: there are no adapters.
        """
        for layer in self._needed().values():
            adapters.unmerge(layer)
        self._forget_graphs()

    def remove(self) -> None:
        """Takes adapters away and trains again what they froze.

        Merged ones stay in their kernels for good.

        Raises:
            ValueError: there are none.
        """
        for layer in self._needed().values():
            adapters.detach(layer)
        frozen = set(self.frozen)
        for weight in self.task.weights:
            if weight.path in frozen:
                weight.trainable = True
        settle(self.task)
        self.frozen = ()
        self._changed()

    @contextlib.contextmanager
    def merged(self) -> Iterator[None]:
        """Inside, graphs are made without adapters, which are merged; those of kernels
        in few bits stay beside."""
        stored = self.over_stored()
        products = self.layers()
        layers = [
            products[name]
            for name, adapter in self.parts().items()
            if adapter.original is None and name not in stored
        ]
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

    def are_merged(self) -> bool:
        """Whether kernels have them in them, so that they cannot be trained."""
        return any(x.original is not None for x in self.parts().values())

    def merged_weights(self) -> dict[str, Any]:
        """The task's weights, in which kernels do what adapters do beside them.

        A kernel in few bits that has an adapter is one of float32 there: rounded again,
        the sum would answer otherwise.
        """
        named: dict[str, Any] = weights.of_preset(self.task)
        for name, layer in self.layers().items():
            path = f"{name}/kernel"
            named = {k: v for k, v in named.items() if not k.startswith(f"{path}/")}
            named[path] = adapters.merged_kernel(layer)
        return named

    def merged_storages(self) -> dict[str, Storage]:
        """How matrices of `merged_weights` are stored, by path."""
        merged = {f"{name}/kernel" for name in self.layers()}
        found = self.task.quantization.storages()
        return {path: x for path, x in found.items() if path not in merged}

    def over_stored(self) -> dict[str, Dense]:
        """The products with an adapter whose kernels are in few bits, by path."""
        layers = self.layers().items()
        return {k: x for k, x in layers if isinstance(x.kernel, StoredMatrix)}

    def save(self, folder: str | Path) -> None:
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
        self._needed()
        base = self.base_fingerprint()
        if weights.helped_chief(self.task, self._learnt()):
            return
        save_weights(self._learnt(), folder / WEIGHTS)
        header = {
            "format": FORMAT,
            "task": type(self.task).__name__,
            "options": self.task.chosen(),
            **self.settings(),
            "base": base,
            "sha256": file_hash(folder / WEIGHTS),
        }
        write_json(folder / CONFIG, header)

    def load(self, folder: str | Path) -> None:
        """Takes what `save` or PEFT wrote, in place of adapters that are.

        LoRA of PEFT gives the same products; its `modules_to_save` are refused. Where
        these are of the same shape training can go on; else compile after this.

        Raises:
            FileNotFoundError: a file is missing.
            ValueError: the adapters are of another task, of other options or of another
                base; the message says which. Nothing has changed then.
        """
        folder = expanded(folder)
        if is_peft(folder):
            self._take_lora(read_lora(folder, self.task.config), folder)
            return
        header, tensors = _read(folder)
        self._check(header, folder)
        settings = [header[k] for k in ("rank", "alpha", "dropout", "train_heads")]
        if self.are_merged():
            self.unmerge()
        if not self._has(header):
            if self.layers():
                self.remove()
            self.add_to(header["products"], *settings)
        assign(self._learnt(), tensors)

    def _take_lora(self, lora: Lora, folder: Path) -> None:
        products = self._products()
        for name in lora.products:
            if name not in products:
                raise ValueError(
                    f"{folder}: {type(self.task).__name__} has no {name!r}"
                )
        if self.layers():
            self.unmerge()
            self.remove()
        settings = lora.rank, lora.alpha, lora.dropout
        self.add_to(list(lora.products), *settings, train_heads=False)
        for name, layer in self.layers().items():
            for weight, array in zip("ab", lora.products[name], strict=True):
                getattr(layer.adapter, weight).assign(array)

    def _check(self, header: dict[str, Any], folder: str | Path) -> None:
        own = type(self.task).__name__
        if header["task"] != own:
            raise _other_task(folder, header["task"], own)
        options = json.loads(json.dumps(self.task.chosen()))
        for name, value in options.items():
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
        parts = self.parts()
        return (
            list(parts) == header["products"]
            and all(
                (adapter.rank, adapter.alpha, adapter.dropout.rate)
                == (header["rank"], header["alpha"], header["dropout"])
                for adapter in parts.values()
            )
            and self.train_heads == header["train_heads"]
        )

    def _learnt(self) -> dict[str, keras.Variable]:
        """What is saved: adapters, and heads that are trained with them, by name."""
        named = {
            f"{name}/{adapters.NAME}/{part}": getattr(layer.adapter, part)
            for name, layer in self.layers().items()
            for part in ("a", "b")
        }
        return named | (weights.of_heads(self.task) if self.train_heads else {})

    def base_fingerprint(self, train_heads: bool | None = None) -> str:
        """SHA-256 of all that is not learnt; merged kernels count as they were."""
        train_heads = self.train_heads if train_heads is None else train_heads
        named = weights.of_backbone(self.task)
        named |= {} if train_heads else weights.of_heads(self.task)
        originals = {
            f"{name}/kernel": adapter.original
            for name, adapter in self.parts().items()
            if adapter.original is not None
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
        backbone = self.task.backbone
        start = f"{backbone.name}/"
        found = {
            layer.path.removeprefix(start): layer
            for layer in backbone._flatten_layers()
            if isinstance(layer, Dense)
        }
        names = (x.removesuffix("/codes") for x in weights.of_backbone(self.task))
        ends = (name.removesuffix("/kernel") for name in names)
        return {name: found[name] for name in ends if name in found}

    def _needed(self) -> dict[str, Dense]:
        if not (layers := self.layers()):
            raise ValueError(f"this {type(self.task).__name__} has no adapters")
        return layers

    def _changed(self) -> None:
        """What is trained is another: `compile` has to see it."""
        self._forget_graphs()
        self.task.compiled = False

    def _forget_graphs(self, training: bool = True) -> None:
        """What was made with the layers as they were is made anew."""
        task = self.task
        if training:
            task.train_function = task.test_function = task.predict_function = None
        forget_what_was_made(task)


def load_task(cls: Any, source: str, folder: str | Path, changes: Mapping) -> Any:
    """A task with the options that adapters were trained with, and these: see
    `Task.from_adapters`."""
    folder = expanded(folder)
    options: Mapping[str, Any] = {}
    if not is_peft(folder):
        header, _ = _read(folder)
        if header["task"] != cls.__name__:
            raise _other_task(folder, header["task"], cls.__name__)
        options = header["options"]
    task = cls.from_preset(source, **{**options, **changes})
    task.load_adapters(folder)
    return task


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
