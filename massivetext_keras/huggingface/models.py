"""Hugging Face folders in and out: `config.json` and safetensors."""

from __future__ import annotations

import functools
import logging
import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np

from massivetext_keras.architecture.config import TransformerConfig
from massivetext_keras.architecture.storage import Storage, stored_shapes
from massivetext_keras.architecture.weights import head_layout
from massivetext_keras.huggingface.chat_templates import chat_template_files
from massivetext_keras.huggingface.compressed import (
    Matrix,
    in_floats,
    is_whole,
    read_part,
    split,
    storages_of,
)
from massivetext_keras.huggingface.families.family import Family
from massivetext_keras.huggingface.families.table import FAMILIES, unknown_family
from massivetext_keras.huggingface.folder import CONFIG, config_file
from massivetext_keras.huggingface.generation import GENERATION, generation_values
from massivetext_keras.huggingface.labels import (
    OF_TOKENS,
    architecture,
    head_of,
    in_order,
    label_options,
    label_values,
)
from massivetext_keras.huggingface.rules import Table
from massivetext_keras.huggingface.schemes import (
    FIELD,
    Group,
    quantization_config,
    read_groups,
)
from massivetext_keras.huggingface.sentence_transformers import embedding_files
from massivetext_keras.huggingface.tokenizers.write import huggingface_files
from massivetext_keras.saving.weights import (
    FILE,
    Tensors,
    arrays_of,
    check_shapes,
    read_tensors,
    save_arrays,
)
from massivetext_keras.support.files import read_json, replacing_file, write_json
from massivetext_keras.support.values import choose
from massivetext_keras.tokenizers import Tokenizer

logger = logging.getLogger(__name__)

_ROLES = ("pad", "bos", "eos")
_TAGGING = "token_classification"
_WITHOUT_POOLER = ("masked_lm", "question_answering", _TAGGING)
_TIED = "lm_head"  # in memory, whatever its name in a file
_CLASSES = ("head/classes", "head")  # layers with an output for each class


def read_config(folder: str | os.PathLike) -> TransformerConfig:
    """The shape of the model that the `config.json` of a folder describes.

    What the file leaves out has the value that transformers gives it. GPT-2's two rates
    of dropout outside attention become one, that of the residual stream.

    Args:
        folder: a local folder.

    Raises:
        FileNotFoundError: there is no such folder, or no `config.json` in it.
        ValueError: the file is damaged or asks for what would give other numbers.
    """
    return Folder(folder).config


def head_named(folder: str | os.PathLike) -> str | None:
    """See `Folder.head_named`."""
    return Folder(folder).head_named()


def heads_in(folder: str | os.PathLike) -> tuple[str, ...]:
    """See `Folder.heads`."""
    return Folder(folder).heads()


def load(
    folder: str | os.PathLike, head: str | None = None
) -> tuple[TransformerConfig, Tensors]:
    """See `Folder.load`."""
    return Folder(folder).load(head)


class Folder:
    """A Hugging Face folder whose files are read once, when they are asked for.

    Args:
        path: a local folder with `config.json` and `model.safetensors`, or shards.

    Raises:
        FileNotFoundError: of whatever is asked: the folder or a file is missing.
        ValueError: a file is damaged, or asks for what would give other numbers.
    """

    def __init__(self, path: str | os.PathLike):
        self.path = Path(path)

    @functools.cached_property
    def values(self) -> dict[str, Any]:
        """What `config.json` says."""
        return read_json(config_file(self.path))

    @functools.cached_property
    def _described(self) -> tuple[Family, TransformerConfig, tuple[Group, ...]]:
        values = self.values
        try:
            family = FAMILIES.get(values.get("model_type") or "")
            if family is None:
                raise unknown_family(values)
            return family, family.read(values), read_groups(values)
        except (ValueError, TypeError) as error:
            raise ValueError(f"{self.path / CONFIG}: {error}") from None

    @property
    def family(self) -> Family:
        """How such models are written down."""
        return self._described[0]

    @property
    def config(self) -> TransformerConfig:
        """The shape that `config.json` describes, see `read_config`."""
        return self._described[1]

    @functools.cached_property
    def _read(self) -> tuple[Tensors, dict[str, Matrix]]:
        """The weights by the names that `Family` has, and which are whole numbers."""
        groups, renames = self._described[2], self.family.renames
        read = read_tensors(self.path, is_whole if groups else None)
        floats, matrices = in_floats(read, groups, str(self.path))
        matrices = {_renamed(name, renames): x for name, x in matrices.items()}
        return _merged(floats, renames, str(self.path)), matrices

    @property
    def tensors(self) -> Tensors:
        """The weights by the names that `Family` has, as floats."""
        return self._read[0]

    def head_named(self) -> str | None:
        """The head of the class that `config.json` names, if it has one."""
        name, heads = architecture(self.values), self.family.heads
        return next((head for head in heads if heads[head].architecture == name), None)

    def heads(self) -> tuple[str, ...]:
        """The heads that `load` can load."""
        family, config, tensors = self.family, self.config, self.tensors
        names = {head: _head_names(family, config, head) for head in family.heads}
        there = [head for head in names if names[head] <= set(tensors)]
        # Classes of tokens and those of texts may have the same names.
        tags: bool | None = architecture(self.values).endswith(OF_TOKENS)
        if tags and not label_options(self.values):
            logger.warning("%s: id2label has no tags such as O, B-X and I-X", self.path)
            tags = None
        return tuple(
            head
            for head in there
            if "classification" not in head or (head == _TAGGING) is tags
        )

    def load(self, head: str | None = None) -> tuple[TransformerConfig, Tensors]:
        """The model in a Hugging Face folder: its shape, and weights by our names, as
        floats.

        Args:
            head: of an encoder, to be loaded with it, one of
                `architecture.weights.head_layout`; its weights are named head/… Those
                of other heads that the family has are passed over.

        Returns:
            The config, and the weights for `weights.assign`, each read when asked for.
            Whether there is a pooler, T5's own output layer, or Marian's and BART's
            bias of it is what the file says, not `config.json`.

        Raises:
            FileNotFoundError: the folder or one of its files is missing.
            ValueError: a file is damaged, the config asks for what would give other
                numbers, there is no such head, or tensors are missing, left over or of
                another shape.
        """
        return self._load(head)[:2]

    def load_stored(
        self, head: str | None = None
    ) -> tuple[TransformerConfig, Tensors, dict[str, Storage]]:
        """As `load`, with matrices in whole numbers as they are.

        Returns:
            The config; the weights, in which such matrices are what is stored in their
            place; and how they are stored, by path. What has no such form here is in
            floats, and said in the log.
        """
        config, weights, table = self._load(head)
        matrices = self._read[1]
        if head == _TAGGING and not self._order_is_ours(table["head/kernel"].shape[-1]):
            table = {k: x for k, x in table.items() if not k.startswith("head/")}
        storages = storages_of(table, matrices, str(self.path))

        def read(name: str) -> np.ndarray:
            path, _, part = name.rpartition("/")
            if path in storages:
                return read_part(part, table[path], storages[path], matrices)
            return weights[name]

        return config, Tensors(stored_shapes(weights.shapes, storages), read), storages

    def _load(self, head: str | None) -> tuple[TransformerConfig, Tensors, Table]:
        family, config, tensors = self.family, self.config, self.tensors
        if head is not None:
            _check_head(family, config, head, str(self.path), tensors)
        prefix = family.prefix
        if not any(name.startswith(prefix) for name in tensors):
            prefix = ""
        for field in family.optional:
            config = config.replace(**{field: _decide(field, family, prefix, tensors)})
        if config.tied_embeddings:
            words, output = _vocabulary_names(family, config, prefix)
            hint = f", though {CONFIG} ties them"
            if "tied_embeddings" in family.fields:
                hint += '; set "tie_word_embeddings": false to keep both'
            pattern = f"^{re.escape(output)}$"
            tensors = _merged(tensors, ((pattern, words),), str(self.path), hint)

        classes = 2
        names = {} if head is None else family.heads[head].names
        for layer in _CLASSES:
            bias = f"{names.get(layer)}.bias"
            classes = tensors.shapes.get(bias, (classes,))[0]
        table = family.table(config, prefix, head, tensors, classes)
        wanted = {name: s for rule in table.values() for name, s in rule.parts.items()}
        heads = [_head_names(family, config, name) for name in family.heads]
        aside = set().union(*heads) - wanted.keys()
        found = {
            name: shape
            for name, shape in tensors.shapes.items()
            if not (name in aside or re.fullmatch(family.buffers, name))
        }
        check_shapes(wanted, found, f"{self.path}: the tensors do not fit {CONFIG}")
        shapes = {ours: rule.shape for ours, rule in table.items()}
        weights = Tensors(shapes, lambda ours: table[ours].join(tensors))
        weights = self._tags_in_order(weights) if head == _TAGGING else weights
        return config, weights, table

    def _order_is_ours(self, tags: int) -> bool:
        """Whether a head has its tags in the order of ours."""
        return np.array_equal(in_order(self.values, np.arange(tags)), np.arange(tags))

    def _tags_in_order(self, weights: Tensors) -> Tensors:
        """The weights, those of the head in the order of our tags."""
        head = {
            k: in_order(self.values, weights[k])
            for k in weights
            if k.startswith("head/")
        }
        shapes = weights.shapes | {name: array.shape for name, array in head.items()}
        return Tensors(shapes, lambda k: head[k] if k in head else weights[k])


def save(
    folder: str | os.PathLike,
    config: TransformerConfig,
    model: keras.Model | Mapping[str, np.ndarray],
    tokenizer: Tokenizer | None = None,
    model_type: str | None = None,
    options: Mapping[str, Any] | None = None,
    storages: Mapping[str, Storage] | None = None,
) -> None:
    """Writes a Hugging Face folder: weights, tokenizer and, at last, `config.json`.

    Each file replaces its predecessor at once; other files of the folder stay. A pooler
    is not written beside a masked-LM head: the class of transformers has none.

    Args:
        folder: made if missing.
        config: shape of the model.
        model: the backbone, or its weights by name and those of a head as head/…
        tokenizer: to write too, or None.
        model_type: family to write it as (None: the first that can hold it).
        options: as `generation.read_options` gives them.
        storages: of matrices that are stored in fewer bits, by path. Codes of 8 and 4
            bits are written as `compressed-tensors` has them, numbers of 16 as they
            are; what has no place there is written in floats, and said in the log.

    Raises:
        ValueError: no family can hold the model, or the tokenizer cannot be written;
            nothing is written then.
    """
    if not isinstance(config, TransformerConfig):
        raise ValueError(f"no family of Hugging Face is a {type(config).__name__}")
    folder, arrays = Path(folder), arrays_of(model)
    stored, options = dict(storages or {}), options or {}
    parts = {name for name in _floats(arrays, stored) if name.startswith("head/")}
    name, family = _family_for(config, parts, model_type)
    head = _head_of(family, config, parts)
    if head in _WITHOUT_POOLER and config.pooler:
        config = config.replace(pooler=False)
        arrays = {k: v for k, v in arrays.items() if not k.startswith("pooler/")}
        stored.pop("pooler/kernel", None)
    if head is not None:
        _check_head(family, config, head, str(folder))
        kind, own = family.heads[head].architecture, options.get("head")
        if own not in (None, head_of(kind)):
            raise ValueError(f"{kind} has the head {head_of(kind)!r}, not {own!r}")
        fields = options.get("head_fields") or {}
        if any(getattr(config, name) != value for name, value in fields.items()):
            raise ValueError(
                f"{kind} has no place for head_fields={fields!r}: "
                "from_preset(…, head_fields={}) does without them"
            )
    theirs, numbers = _their_weights(name, family, config, head, arrays, stored)
    # without a tokenizer none: the family's own may be beyond this vocabulary
    special = {
        f"{role}_token_id": getattr(tokenizer, f"{role}_id", None) for role in _ROLES
    }
    writing = special | generation_values(options)
    values = {
        "architectures": [(family.heads[head] if head else family).architecture],
        "model_type": name,
        **numbers,
        **special,
        **family.write(config),
        **(label_values(options) if "classification" in (head or "") else {}),
    }
    if config.stack == "encoder_decoder":
        writing.setdefault("decoder_start_token_id", 0)
        values["decoder_start_token_id"] = writing["decoder_start_token_id"]
    files = _tokenizer_files(name, config, tokenizer, values)
    if "pooling" in options:
        files |= embedding_files(options, config)
    files |= chat_template_files(options)

    save_arrays(theirs, folder / FILE, {"format": "pt"})
    for file, data in files.items():
        with replacing_file(folder / file) as draft:
            draft.write_bytes(data)
    if config.stack != "encoder":
        write_json(folder / GENERATION, writing)
    write_json(folder / CONFIG, values)


def _their_weights(
    name: str,
    family: Family,
    config: TransformerConfig,
    head: str | None,
    arrays: Mapping[str, np.ndarray],
    storages: Mapping[str, Storage],
) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Tensors by their names, and what `config.json` says of their numbers."""
    bare = head is None and family.heads
    classes = max(len(arrays.get(f"{layer}/bias", ())) for layer in _CLASSES) or 2
    prefix = "" if bare else family.prefix
    table = family.table(config, prefix, head, classes=classes)
    shapes = {ours: rule.shape for ours, rule in table.items()}
    found = {ours: array.shape for ours, array in arrays.items()}
    problem = f"the weights are not those of a {name} model"
    check_shapes(stored_shapes(shapes, storages), found, problem)
    theirs, schemes = split(table, arrays, storages, family.packed)
    forms = {storage.form for storage in storages.values()}
    form = forms.pop() if len(forms) == 1 else ""
    numbers: dict[str, Any] = {"dtype": form if form.endswith("float16") else "float32"}
    codes = [k for k, x in storages.items() if not x.form.endswith("float16")]
    left = [k for k in codes if not all(_layer(x) in schemes for x in table[k].parts)]
    if left:
        logger.warning(
            "%d of %d matrices are written in floats, since compressed-tensors has no "
            "place for them: %s",
            len(left),
            len(codes),
            ", ".join(left[:3]) + ", …" * (len(left) > 3),
        )
    if schemes:
        others = _matrices_of(family, config, prefix) - schemes.keys()
        numbers[FIELD] = quantization_config(schemes, sorted(others))
    return theirs, numbers


def _floats(names: Iterable[str], storages: Mapping[str, Storage]) -> set[str]:
    """Names of weights as if all were stored in floats."""
    owners = {name: name.rpartition("/")[0] for name in names}
    return {owners[x] if owners[x] in storages else x for x in owners}


def _layer(name: str) -> str:
    """Of a tensor of theirs that is a matrix."""
    return name.removesuffix(".weight")


def _matrices_of(family: Family, config: TransformerConfig, prefix: str) -> set[str]:
    """Layers with a matrix, whatever the class of the family and its head."""
    tied, config = config.tied_embeddings, config.replace(tied_embeddings=False)
    if "pooler" in family.optional:
        config = config.replace(pooler=True)
    tables = [family.table(config, prefix, head) for head in (None, *family.heads)]
    found = {
        _layer(name)
        for table in tables
        for path, rule in table.items()
        for name in rule.parts
        if path.endswith(("/kernel", "/embeddings"))
    }
    return found | {_TIED} if tied else found


def _tokenizer_files(
    name: str,
    config: TransformerConfig,
    tokenizer: Tokenizer | None,
    values: Mapping[str, Any],
) -> dict[str, bytes]:
    if tokenizer is None:
        return {}
    if values["pad_token_id"] != tokenizer.pad_id:  # RoBERTa's positions hang on it
        raise ValueError(
            f"a {name} model with position_offset={config.position_offset} needs the "
            f"padding token {values['pad_token_id']}, the tokenizer has "
            f"{tokenizer.pad_id}"
        )
    if name == "qwen2":
        logger.warning(
            "transformers reads the tokenizer of every qwen2 folder as Qwen2Tokenizer; "
            "PreTrainedTokenizerFast.from_pretrained gives the ids of this one"
        )
    inputs = ["input_ids", "attention_mask"]
    if config.segment_types > 1:
        inputs.insert(1, "token_type_ids")
    return huggingface_files(
        tokenizer, model_max_length=config.max_length, model_input_names=inputs
    )


def _family_for(
    config: TransformerConfig, head: set[str], model_type: str | None
) -> tuple[str, Family]:
    """The first family that can hold a model and the weights of its head."""
    families = FAMILIES
    if model_type is not None:
        families = {model_type: choose("model_type", model_type, FAMILIES)}
    lacks: dict[str, list[str]] = {}
    for name, family in families.items():
        lacks[name] = family.differences(config)
        if head and not lacks[name] and _head_of(family, config, head) is None:
            lacks[name] = [f"no head of {', '.join(sorted(head))}"]
        if not lacks[name]:
            return name, family

    def distance(name: str) -> tuple[bool, int]:
        return families[name].base.stack != config.stack, len(lacks[name])

    name = min(lacks, key=distance)
    problem = f"{name} of Hugging Face cannot hold this model: "
    if model_type is None:
        problem = (
            f"no family of Hugging Face holds this model; the nearest, {name}, has "
        )
    raise ValueError(problem + ", ".join(lacks[name]))


def _check_head(
    family: Family,
    config: TransformerConfig,
    head: str,
    where: str,
    tensors: Tensors | None = None,
) -> None:
    """Refuses a head that family or file do not have, or have with other numbers."""
    if head not in family.heads:
        raise ValueError(
            f"{where}: {family.architecture} has no head {head!r}; known: "
            + (", ".join(family.heads) or "none")
        )
    there = [
        name
        for name in family.heads
        if tensors is None or not _head_names(family, config, name).isdisjoint(tensors)
    ]
    if head not in there:
        raise ValueError(
            f"{where}: there is no head {head!r} in the weights; there is "
            + (", ".join(there) or "none")
        )
    only = family.heads[head].activation
    if only not in (None, config.activation):
        raise ValueError(
            f"{where}: activation {config.activation!r} is not that of "
            f"{family.heads[head].architecture}'s head, which is always {only!r}"
        )


def _head_of(family: Family, config: TransformerConfig, parts: set[str]) -> str | None:
    """The head that has exactly these weights."""
    return next(
        (h for h in family.heads if head_layout(config, h).keys() == parts), None
    )


def _head_names(family: Family, config: TransformerConfig, head: str) -> set[str]:
    """Their names of the weights of a head."""
    table = family.table(config, "", head)
    rules = (rule for name, rule in table.items() if name.startswith("head/"))
    return {name for rule in rules for name in rule.parts}


def _vocabulary_names(family: Family, config: TransformerConfig, prefix: str):
    """Their names of the token embedding and of the output layer."""
    table = family.table(config.replace(tied_embeddings=False), prefix)
    layers = (table["tokens/embeddings"], table["output/embeddings"])
    return [next(iter(layer.parts)) for layer in layers]


def _decide(field: str, family: Family, prefix: str, tensors: Tensors) -> bool:
    """What the file says about a field of `Family.optional`."""
    if field == "tied_embeddings":
        pair = _vocabulary_names(family, family.base, prefix)
        both = all(name in tensors for name in pair)
        return not both or np.array_equal(*(tensors[name] for name in pair))
    table = family.table(family.base.replace(**{field: True}), prefix)
    rules = (rule for name, rule in table.items() if name.startswith(field))
    return any(name in tensors for rule in rules for name in rule.parts)


def _renamed(name: str, renames: tuple[tuple[str, str], ...]) -> str:
    for pattern, replacement in renames:
        name = re.sub(pattern, replacement, name)
    return name


def _merged(
    tensors: Tensors, renames: tuple[tuple[str, str], ...], folder: str, hint: str = ""
) -> Tensors:
    """The tensors by other names, where copies of one tensor may meet.

    Raises:
        ValueError: they are no copies.
    """
    homes: dict[str, list[str]] = {}
    for old in tensors:
        homes.setdefault(_renamed(old, renames), []).append(old)
    for new, olds in homes.items():
        olds.sort(key=lambda old: old != new)
        for copy in olds[1:]:
            if not np.array_equal(tensors[olds[0]], tensors[copy]):
                raise ValueError(f"{folder}: {copy} differs from {olds[0]}{hint}")
    shapes = {new: tensors.shapes[olds[0]] for new, olds in homes.items()}
    return Tensors(shapes, lambda name: tensors[homes[name][0]])
