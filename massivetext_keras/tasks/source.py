"""What `from_preset` takes: the name of a shape, a folder, or what
`architecture.sources` lists."""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

from massivetext_keras import tokenizers
from massivetext_keras.architecture import shapes, sources
from massivetext_keras.architecture.model import ModelConfig
from massivetext_keras.architecture.sources import is_shape
from massivetext_keras.architecture.storage import Storage
from massivetext_keras.architecture.storage import read_header as storages_in
from massivetext_keras.checkpoints.bert import BertFolder
from massivetext_keras.checkpoints.folder import CheckpointFolder
from massivetext_keras.checkpoints.t5 import T5Folder
from massivetext_keras.huggingface.generation import read_options
from massivetext_keras.huggingface.models import Folder
from massivetext_keras.kerashub.models import Folder as HubFolder
from massivetext_keras.runtimes.gguf import SUFFIX, read_gguf
from massivetext_keras.saving.presets import read_header, read_preset
from massivetext_keras.saving.weights import Tensors
from massivetext_keras.support.files import expanded
from massivetext_keras.support.values import UnknownName, nearest
from massivetext_keras.tokenizers import Tokenizer

logger = logging.getLogger(__name__)

_HEAD = "head/"


class Parts(NamedTuple):
    """What a task is made of.

    Attributes:
        config: the shape.
        tokenizer: strings to ids, or None.
        options: of the task, those that the source has where the caller gives none.
        tensors: the weights by our names, None for random ones.
        no_tokenizer: why there is none, "" if nobody knows.
        storages: of matrices that are stored in fewer bits, by path.
    """

    config: ModelConfig
    tokenizer: Tokenizer | None
    options: dict[str, Any]
    tensors: Tensors | None = None
    no_tokenizer: str = ""
    storages: Mapping[str, Storage] = MappingProxyType({})


class Source:
    """Where a task is from. `open` finds out of which kind it is.

    Attributes:
        name: as the caller wrote it, with the home of whoever asks for ~.
        task: name of the class that wrote it, None if nobody says.
        head: of `architecture.weights.head_layout`, which its class has, or None.
        config: the shape of its model.
    """

    name: str
    task: str | None = None
    _config: ModelConfig

    @property
    def head(self) -> str | None:
        return None

    @property
    def config(self) -> ModelConfig:
        return self._config

    @staticmethod
    def open(text: str | Path) -> Source:
        """What a text stands for.

        Raises:
            ValueError: it is neither a shape nor a folder; names the nearest one.
            FileNotFoundError: a folder of Hugging Face or KerasHub is not there.

        >>> Source.open("bert_tiny").config.num_layers
        2
        """
        text = str(text)
        kind = next((x for x in _FOREIGN if text.startswith(x)), "")
        path = text.removeprefix(kind)
        path = str(expanded(path)) if path.startswith("~") else path
        if kind:
            return _FOREIGN[kind](path)
        if is_shape(path):
            return Shape(path)
        if not Path(path).is_dir():
            beside = Path(path).parent.glob("*/config.json")
            known = [*shapes.PRESETS, *(str(file.parent) for file in beside)]
            hint = nearest(path, known)
            if Path(path).suffix == SUFFIX:
                hint = f"a file of llama.cpp is read as {sources.GGUF + path!r}"
            raise UnknownName(f"{path!r} is neither a preset nor a folder: {hint}")
        return PresetFolder(path)

    def parts(
        self, cls: type, tokenizer: Tokenizer | None, options: Mapping[str, Any]
    ) -> Parts:
        """What a task of a class is made of.

        Args:
            cls: of the task.
            tokenizer: instead of the source's own.
            options: of the task, instead of the source's own.
        """
        raise NotImplementedError


class Shape(Source):
    """A named shape with random weights."""

    def __init__(self, name: str):
        self.name, self._config = name, shapes.preset(name)

    def parts(self, cls, tokenizer, options):
        _say_random(self.name)
        config = self.config
        if tokenizer is not None:
            config = config.replace(vocabulary_size=cls.embedded_tokens(tokenizer))
        return Parts(config, tokenizer, dict(options))


class PresetFolder(Source):
    """A folder written by `save_preset`."""

    def __init__(self, name: str):
        self.name = name
        header = read_header(name)
        self.task = header["task"]
        self._config = ModelConfig.from_dict(header["model"])

    def parts(self, cls, tokenizer, options):
        header, tensors = read_preset(self.name)
        options = dict(options)
        if tokenizer is None and header["tokenizer"]:
            tokenizer = tokenizers.load(self.name)
            if tokenizer.fingerprint != header["tokenizer"]:
                raise ValueError(f"{self.name}: the tokenizer is not the preset's own")
        if self.task.rpartition(":")[2] == cls.__name__:
            written = header.get("options", {})
            tensors = _with_labels(written, options, tensors)
            options = {**written, **options}
        storages = storages_in(header.get("quantization"))
        return Parts(self.config, tokenizer, options, tensors, storages=storages)


class HuggingFaceFolder(Source):
    """A folder of Hugging Face."""

    def __init__(self, name: str):
        self.name, self.folder = name, Folder(name)

    @functools.cached_property
    def head(self) -> str | None:
        return self.folder.head_named()

    @property
    def config(self) -> ModelConfig:
        return self.folder.config

    def parts(self, cls, tokenizer, options):
        there = self.folder.heads() if cls.hugging_face_heads else ()
        head = next((head for head in cls.hugging_face_heads if head in there), None)
        config, tensors, storages = self.folder.load_stored(head)
        options = dict(options)
        written = read_options(
            self.name,
            head,
            cls.accepted_options(),
            config.stack == "encoder_decoder",
            options.get("prefix"),
            tensors.shapes.get("head/classes/bias", (None,))[0],
        )
        if tokenizer is not None:  # they are ids of the folder's own
            written.pop("end_ids", None)
        tensors = _with_labels(written, options, tensors)
        options = {k: v for k, v in written.items() if k in cls.options} | options
        problem = ""
        if tokenizer is None:
            read = functools.partial(tokenizers.from_huggingface, self.name)
            tokenizer, problem = _tokenizer_of(self.name, read)
        return Parts(config, tokenizer, options, tensors, problem, storages)


def _tokenizer_of(
    name: str, read: Callable[[], Tokenizer]
) -> tuple[Tokenizer | None, str]:
    """The tokenizer of a folder, or why the model works on ids only: that is logged."""
    try:
        return read(), ""
    except (ValueError, FileNotFoundError) as error:
        problem = f"{name}: the model works on ids only: {error}"
        logger.warning(problem)
        return None, problem


class KerasHubFolder(Source):
    """A preset of KerasHub."""

    def __init__(self, name: str):
        self.name, self.folder = name, HubFolder(name)
        self.task = self.folder.task

    @property
    def config(self) -> ModelConfig:
        return self.folder.config

    def parts(self, cls, tokenizer, options):
        head = self.folder.head_named()
        head = head if head in cls.hugging_face_heads else None
        config, tensors = self.folder.load(head)
        options = dict(options)
        classes = tensors.shapes.get("head/classes/bias", (2,))[0]
        written = self.folder.options(head, classes)
        if len(options.get("labels") or ()) == classes and self.folder.is_nameless:
            written["labels"] = tuple(options["labels"])
        problem = ""
        if tokenizer is None:
            tokenizer, problem = _tokenizer_of(self.name, self.folder.tokenizer)
            written |= self.folder.options_of_tokenizer() if tokenizer else {}
        tensors = _with_labels(written, options, tensors)
        options = {k: v for k, v in written.items() if k in cls.options} | options
        return Parts(config, tokenizer, options, tensors, problem)


class Checkpoint(Source):
    """A checkpoint of TensorFlow as its authors published it."""

    def __init__(self, kind: type[CheckpointFolder], name: str):
        self.name, self.folder = name, kind(name)

    @property
    def config(self) -> ModelConfig:
        return self.folder.config

    def parts(self, cls, tokenizer, options):
        there = self.folder.heads()
        head = next((head for head in cls.hugging_face_heads if head in there), None)
        config, tensors = self.folder.load(head)
        options = dict(options)
        if "labels" in cls.options and head is not None and "labels" not in options:
            count = tensors.shapes["head/classes/bias"][0]
            options["labels"] = tuple(f"LABEL_{i}" for i in range(count))
        if tokenizer is None:
            tokenizer = self.folder.tokenizer()
        return Parts(config, tokenizer, options, tensors)


class GGUFFile(Source):
    """A file of llama.cpp."""

    def __init__(self, name: str):
        self.name, self._read = name, read_gguf(name)
        self._config = self._read.config

    def parts(self, cls, tokenizer, options):
        problem = self._read.problem
        if tokenizer is None and (tokenizer := self._read.tokenizer) is None:
            logger.warning(problem)
        tensors = self._read.tensors
        return Parts(self.config, tokenizer, dict(options), tensors, problem)


# What a text begins with -> what reads the rest.
_FOREIGN: dict[str, Callable[[str], Source]] = {
    sources.HUGGING_FACE: HuggingFaceFolder,
    sources.KERAS_HUB: KerasHubFolder,
    sources.BERT: functools.partial(Checkpoint, BertFolder),
    sources.T5: functools.partial(Checkpoint, T5Folder),
    sources.GGUF: GGUFFile,
}


@functools.cache
def _say_random(name: str) -> None:
    logger.warning("%s is a shape: the weights are random, to be trained", name)


def _with_labels(
    written: Mapping[str, Any], options: dict[str, Any], tensors: Tensors
) -> Tensors:
    """The tensors, without a head that is for other labels than those in `options`; the
    same labels are put in the order in which the head tells them."""
    labels, there = options.get("labels"), written.get("labels")
    if labels is None or there is None:
        return tensors
    if sorted(labels) == sorted(there):
        options["labels"] = there
        return tensors
    return tensors.only(name for name in tensors if not name.startswith(_HEAD))
