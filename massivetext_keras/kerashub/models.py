"""Presets of KerasHub in and out: JSON, HDF5 and the files of the tokenizer."""

from __future__ import annotations

import functools
import logging
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np

from massivetext_keras.architecture.config import TransformerConfig
from massivetext_keras.architecture.weights import head_layout
from massivetext_keras.huggingface.folder import config_file
from massivetext_keras.huggingface.rules import Table
from massivetext_keras.kerashub.families.family import Backbone
from massivetext_keras.kerashub.families.table import FAMILIES, family_named
from massivetext_keras.kerashub.h5 import MODEL, TASK, read_h5, write_h5
from massivetext_keras.kerashub.objects import (
    CONFIG,
    METADATA,
    PREPROCESSOR,
    TASK_CONFIG,
    TOKENIZER,
    backbone_values,
    check_floats,
    hub_object,
    policy,
    weights_file,
)
from massivetext_keras.kerashub.tasks import (
    MODULES,
    classification_head,
    classifier_options,
    embedder_options,
    fields_of_head,
    preprocessor_object,
    start_options,
    task_named,
    task_values,
)
from massivetext_keras.kerashub.tokenizers import (
    fits,
    read_tokenizer,
    write_tokenizer,
)
from massivetext_keras.saving.weights import Tensors, arrays_of, check_shapes
from massivetext_keras.support.files import (
    expanded,
    read_json,
    replacing_file,
    write_json,
)
from massivetext_keras.tokenizers.base import Tokenizer

logger = logging.getLogger(__name__)

_OUTPUT = "layers/reversible_embedding/vars/1"
_OURS = "massivetext_keras"  # in metadata.json: what KerasHub has no place for
_KEPT = ("labels", "problem")
_LOST = ("generation", "chat_template", "never_ids", "banned", "prompts", "prefix")
_POOLER = "pooler"


class Folder:
    """A preset of KerasHub whose files are read once, when they are asked for.

    Args:
        path: a local folder, as `save_to_preset` writes it.

    Raises:
        FileNotFoundError: of whatever is asked: the folder or a file is missing.
        ValueError: a file is damaged, or asks for what would give other numbers.
    """

    def __init__(self, path: str | os.PathLike):
        self.path = Path(path)

    @functools.cached_property
    def _described(self) -> tuple[str, TransformerConfig]:
        file = config_file(self.path)
        class_name, values = backbone_values(file)
        try:
            name = family_named(class_name)
            check_floats(values)
            config = FAMILIES[name].read(values)
        except (ValueError, TypeError) as error:
            raise ValueError(f"{file}: {error}") from None
        return name, config

    @property
    def family(self) -> Backbone:
        """How such models are written down."""
        return FAMILIES[self._described[0]]

    @functools.cached_property
    def config(self) -> TransformerConfig:
        """The shape of the model. A length that the class has no limit for is that of
        the preset that we wrote, or the family's."""
        config = self._described[1]
        kept = self.kept.get("max_length")
        if "max_length" in self.family.optional and kept:
            config = config.replace(max_length=kept)
        if "tied_embeddings" in self.family.optional and not config.tied_embeddings:
            config = config.replace(tied_embeddings=_OUTPUT not in self.tensors)
        return config

    @functools.cached_property
    def tensors(self) -> Tensors:
        """The weights of the backbone."""
        return read_h5(weights_file(self.path))

    @functools.cached_property
    def kept(self) -> dict[str, Any]:
        """What of ours a preset has that `save` wrote."""
        return self._json(METADATA).get(_OURS) or {}

    @property
    def is_nameless(self) -> bool:
        """Whether nobody wrote down what the classes are called."""
        return "labels" not in self.kept

    @functools.cached_property
    def _task(self) -> tuple[str | None, dict[str, Any]]:
        """Its name, and its arguments."""
        described = self._json(TASK_CONFIG)
        name = task_named(described.get("class_name"), self.family.architecture)
        return name, described.get("config") or {}

    @property
    def task(self) -> str | None:
        """Our task of the same name as that of `task.json`, if there is one."""
        return self._task[0]

    def head_named(self) -> str | None:
        """The head of the class that `task.json` names, if its weights are there."""
        heads = self.family.heads
        found = (head for head in heads if heads[head].architecture == self.task)
        head = next(found, None)
        if head is not None and not (self.path / TASK).is_file():
            logger.warning("%s: %s is missing: the head is new", self.path, TASK)
            return None
        return head

    def load(self, head: str | None = None) -> tuple[TransformerConfig, Tensors]:
        """The model: its shape, and weights by our names.

        Args:
            head: of an encoder, to be loaded with it, see `head_named`; its weights are
                named head/…

        Raises:
            FileNotFoundError: a file is missing.
            ValueError: weights are missing, left over or of another shape.
        """
        config, tensors = self.config, self.tensors
        outside = read_h5(self.path / TASK) if head is not None else tensors.only(())
        classes = self._classes(head, outside)
        table, of_head = self.family.tables(config, head, classes)
        read: dict[str, Tensors] = {}
        for some, there, file in ((table, tensors, MODEL), (of_head, outside, TASK)):
            wanted = {k: s for rule in some.values() for k, s in rule.parts.items()}
            problem = f"{self.path}: the weights in {file} do not fit {CONFIG}"
            check_shapes(wanted, there.shapes, problem)
            read |= dict.fromkeys(some, there)
        rules = table | of_head
        shapes = {ours: rule.shape for ours, rule in rules.items()}
        return config, Tensors(shapes, lambda ours: rules[ours].join(read[ours]))

    def _classes(self, head: str | None, outside: Tensors) -> int:
        """How many a head tells."""
        layer = "head/classes"
        if head is None or layer not in self.family.heads[head].names:
            return 2
        bias = f"layers/{self.family.heads[head].names[layer]}/vars/1"
        return outside.shapes.get(bias, (2,))[0]

    def tokenizer(self) -> Tokenizer:
        """See `tokenizers.read_tokenizer`."""
        return self._tokenizer[0]

    @functools.cached_property
    def _tokenizer(self) -> tuple[Tokenizer, tuple[int, ...]]:
        begins = self._preprocessor.get("add_start_token")
        return read_tokenizer(self.path, begins)

    @property
    def _preprocessor(self) -> dict[str, Any]:
        return self._json(PREPROCESSOR).get("config") or {}

    def options(self, head: str | None, classes: int) -> dict[str, Any]:
        """The options of our tasks, a new head's too.

        Args:
            head: that is loaded, or None.
            classes: that it tells.

        Raises:
            ValueError: `task.json` asks for what we do not have.
        """
        task, values = self._task
        options: dict[str, Any] = {}
        try:
            for name, there in self.family.heads.items():
                if there.architecture == "MaskedLM":
                    options["head_fields"] = fields_of_head(there, self.config)
                elif name == head:
                    kept = {k: v for k, v in self.kept.items() if k in _KEPT}
                    options |= classifier_options(values, there, classes) | kept
                else:
                    options["head"] = classification_head(there)
            if task == "TextEmbedder":
                length = self._preprocessor.get("sequence_length")
                options |= {**embedder_options(values), "sequence_length": length}
        except ValueError as error:
            raise ValueError(f"{self.path / TASK_CONFIG}: {error}") from None
        return options

    def options_of_tokenizer(self) -> dict[str, Any]:
        """The options that are ids: what ends texts, and what decoders begin with."""
        tokenizer, ends = self._tokenizer
        options = {"end_ids": ends} if len(ends) > 1 else {}
        if self.config.stack == "encoder_decoder":
            options |= start_options(self.family, tokenizer)
        return options

    def _json(self, name: str) -> dict[str, Any]:
        """An object, {} where there is no such file."""
        file = self.path / name
        return read_json(file) if file.is_file() else {}


def save(
    folder: str | os.PathLike,
    config: TransformerConfig,
    model: keras.Model | Mapping[str, np.ndarray],
    tokenizer: Tokenizer | None = None,
    options: Mapping[str, Any] | None = None,
) -> None:
    """Writes a preset of KerasHub: weights, tokenizer, task and, last, `config.json`.

    Each file replaces its predecessor at once; other files of the folder stay.

    Args:
        folder: made if missing.
        config: shape of the model.
        model: the backbone, or its weights by name and those of a head as head/…
        tokenizer: to write too, or None.
        options: of our task.

    Raises:
        ValueError: no class of KerasHub can hold the model, its head, its tokenizer or
            an option; nothing is written then.
    """
    if not isinstance(config, TransformerConfig):
        raise ValueError(f"no backbone of KerasHub is a {type(config).__name__}")
    folder, arrays, options = expanded(folder), arrays_of(model), dict(options or {})
    config, arrays = _as_there(config, arrays)
    parts = {name for name in arrays if name.startswith("head/")}
    name, family = _family_for(config, parts, tokenizer)
    head = _head_of(family, config, parts)
    if family.base.pooler and not config.pooler:
        config, arrays = _with_pooler(config, arrays)
    classes = len(arrays.get("head/classes/bias", ())) or 2
    tables = family.tables(config, head, classes)
    shapes = {k: rule.shape for table in tables for k, rule in table.items()}
    found = {k: array.shape for k, array in arrays.items()}
    check_shapes(shapes, found, f"the weights are not those of a {name} model")
    objects, files = _objects(name, family, config, head, tokenizer, options)
    kept = {k: v for k, v in options.items() if k in _KEPT and head is not None}
    metadata = {
        "keras_version": keras.__version__,
        "parameter_count": sum(arrays[path].size for path in tables[0]),
        _OURS: {"max_length": config.max_length, **kept},
    }
    if lost := [option for option in _LOST if options.get(option)]:
        logger.warning("KerasHub has no place for %s", ", ".join(lost))

    for table, file in zip(tables, (MODEL, TASK), strict=True):
        if table:
            write_h5(folder / file, _theirs(table, arrays))
    for file, data in files.items():
        with replacing_file(folder / file) as draft:
            draft.write_bytes(data)
    for file, there in ((TASK_CONFIG, TASK_CONFIG in objects), (TASK, tables[1])):
        if not there:  # that of another model would be read
            (folder / file).unlink(missing_ok=True)
    for file, described in {METADATA: metadata, **objects}.items():
        write_json(folder / file, described)


def _objects(
    name: str,
    family: Backbone,
    config: TransformerConfig,
    head: str | None,
    tokenizer: Tokenizer | None,
    options: Mapping[str, Any],
) -> tuple[dict[str, dict[str, Any]], dict[str, bytes]]:
    """JSON files, `config.json` the last, and the files of the tokenizer."""
    prefix, objects = family.architecture, {}
    files: dict[str, bytes] = {}
    values = {"dtype": policy("float32"), **family.write(config)}
    backbone = hub_object(name, f"{prefix}Backbone", "backbone", values)
    task = _task_of(family, config, head, options)
    preprocessor = None
    if tokenizer is not None:
        described, files = write_tokenizer(tokenizer, name, prefix)
        objects[TOKENIZER] = described
        if task is not None:
            preprocessor = objects[PREPROCESSOR] = preprocessor_object(
                task,
                name,
                prefix,
                tokenizer,
                described,
                config,
                options.get("sequence_length"),
            )
    if task is not None:
        own_head = None if head is None else family.heads[head]
        own = task_values(task, options, own_head, config)
        task_object = hub_object(name, f"{prefix}{task}", MODULES[task], own)
        del task_object["config"]["trainable"]
        task_object["config"] |= {"backbone": backbone, "preprocessor": preprocessor}
        objects[TASK_CONFIG] = task_object
    return {**objects, CONFIG: backbone}, files


def _task_of(
    family: Backbone,
    config: TransformerConfig,
    head: str | None,
    options: Mapping[str, Any],
) -> str | None:
    """The task of KerasHub that a model is written as, None of a backbone alone."""
    if head is not None:
        return family.heads[head].architecture
    if config.stack == "encoder":
        is_embedder = "pooling" in options and family.architecture == "Bert"
        return "TextEmbedder" if is_embedder else None
    return "CausalLM" if config.stack == "decoder" else "Seq2SeqLM"


def _theirs(table: Table, arrays: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    theirs: dict[str, np.ndarray] = {}
    for ours, rule in table.items():
        theirs |= rule.split(arrays[ours])
    return theirs


def _as_there(
    config: TransformerConfig, arrays: dict[str, np.ndarray]
) -> tuple[TransformerConfig, dict[str, np.ndarray]]:
    """The same model without rows of positions that no token has, without a bias of
    zeros, and with the only row of segments, if there is but one, in the positions."""
    arrays = dict(arrays)
    if config.logit_bias and not arrays["logit_bias"].any():
        config = config.replace(logit_bias=False)
        del arrays["logit_bias"]
    for name in [name for name in arrays if name.endswith("/positions/embeddings")]:
        arrays[name] = arrays[name][config.position_offset :]
    if config.segment_types == 1 and config.position == "learned":
        positions = "embeddings/positions/embeddings"
        row = arrays.pop("embeddings/segments/embeddings")
        arrays[positions] = arrays[positions] + row
        config = config.replace(segment_types=0)
    return config.replace(position_offset=0), arrays


def _with_pooler(
    config: TransformerConfig, arrays: dict[str, np.ndarray]
) -> tuple[TransformerConfig, dict[str, np.ndarray]]:
    """The same model with a pooler that is new, as that of a new backbone."""
    logger.warning("KerasHub has a pooler here and the model none: it is written new")
    size, random = config.hidden_size, np.random.default_rng(0)
    kernel = 0.02 * np.clip(random.standard_normal([size, size]), -2.0, 2.0)
    pooler = {"kernel": kernel.astype(np.float32), "bias": np.zeros(size, np.float32)}
    more = {f"{_POOLER}/{name}": array for name, array in pooler.items()}
    return config.replace(pooler=True), arrays | more


def _family_for(
    config: TransformerConfig, head: set[str], tokenizer: Tokenizer | None
) -> tuple[str, Backbone]:
    """The first family that can hold a model, the weights of its head, and best also
    its tokenizer."""
    lacks = {name: family.differences(config) for name, family in FAMILIES.items()}
    holding = [name for name in lacks if not lacks[name]]
    fitting = [
        name
        for name in holding
        if not head or _head_of(FAMILIES[name], config, head) is not None
    ]
    if holding and not fitting:
        raise ValueError(
            f"{FAMILIES[holding[0]].architecture}Backbone of KerasHub holds this "
            f"model, and no task there has a head of {', '.join(sorted(head))}"
        )
    if fitting:
        best = (x for x in fitting if fits(tokenizer, FAMILIES[x].architecture))
        name = next(best, fitting[0])
        return name, FAMILIES[name]

    def distance(name: str) -> tuple[bool, int]:
        return FAMILIES[name].base.stack != config.stack, len(lacks[name])

    name = min(lacks, key=distance)
    raise ValueError(
        f"no backbone of KerasHub holds this model; the nearest, "
        f"{FAMILIES[name].architecture}Backbone, has " + ", ".join(lacks[name])
    )


def _head_of(
    family: Backbone, config: TransformerConfig, parts: set[str]
) -> str | None:
    """The head that has exactly these weights."""
    return next(
        (h for h in family.heads if head_layout(config, h).keys() == parts), None
    )
