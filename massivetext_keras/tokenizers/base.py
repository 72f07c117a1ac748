"""The interface that all tokenizers share, and their files."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

from massivetext_keras.kernels.threads import overlap_operations
from massivetext_keras.support.files import replacing_file, write_json
from massivetext_keras.support.values import nearest
from massivetext_keras.tokenizers.parts.special_tokens import (
    SpecialTokens,
    tokenize_pieces,
)
from massivetext_keras.tokenizers.parts.vocabulary import Vocabulary

CONFIG_FILE = "tokenizer_config.json"

_MASKS = ("[MASK]", "<mask>")

_TYPES: dict[str, type[Tokenizer]] = {}


def valid_utf8(text: tf.Tensor) -> tf.Tensor:
    """Replaces each invalid byte sequence by U+FFFD; valid text is unchanged.

    >>> valid_utf8(tf.constant([b"caf\\xe9"])).numpy()[0].decode()
    'caf\ufffd'
    """
    return tf.strings.unicode_transcode(
        text, "UTF-8", "UTF-8", errors="replace", replace_control_characters=False
    )


class Tokenizer(keras.layers.Layer):
    """Strings to ids and back, inside the graph; the base of all tokenizers.

    A subclass gives `_tokenize`, `_tokenize_with_offsets`, `_settings`, `_files` and
    `_from_files`, and either surfaces (the text of each id) or its own `_detokenize`.

    Arguments:
        vocabulary: `Vocabulary`.
        surfaces: the UTF-8 text or bytes of each id; None with an own `_detokenize`.
        add_bos, add_eos: whether a document shall begin with `bos_id` and end with
            `eos_id`. Tasks obey these flags; `tokenize` itself adds nothing.
        separators: how many `eos_id` stand between two texts of a row.
        lstrip, rstrip: special tokens that, where their names are looked for in a text,
            take the white space before or after them along.
    Raises:
        ValueError: `add_bos` or `add_eos` without such a token.

    >>> from massivetext_keras.tokenizers import ByteTokenizer
    >>> ByteTokenizer()(["ab", ""]).to_list()
    [[100, 101], []]
    """

    def __init_subclass__(cls, **kwargs):
        super().__init_subclass__(**kwargs)
        keras.saving.register_keras_serializable("massivetext_keras")(cls)
        _TYPES[cls.__name__] = cls

    def __init__(
        self,
        vocabulary: Vocabulary,
        *,
        surfaces: Sequence[str | bytes] | None = None,
        add_bos: bool = False,
        add_eos: bool = False,
        separators: int = 1,
        lstrip: Sequence[str] = (),
        rstrip: Sequence[str] = (),
        **kwargs,
    ):
        overlap_operations()
        kwargs.setdefault("dtype", "int32")
        super().__init__(**kwargs)
        self._convert_input_args = False
        self._allow_non_tensor_positional_args = True
        # Not `build`, after which a subclass could hold no other tokenizer.
        self.built = True
        self._build_shapes_dict = {"input_shape": (None,)}  # strings, for `summary`
        self._vocabulary = vocabulary
        for flag, index in ((add_bos, self.bos_id), (add_eos, self.eos_id)):
            if flag and index is None:
                raise ValueError(
                    "add_bos and add_eos need a bos and an eos token in the vocabulary"
                )
        self.add_bos = add_bos
        self.add_eos = add_eos
        self.separators = separators
        special = set(self.special_ids)
        with tf.init_scope():
            self._has_text = tf.constant(
                [i not in special for i in range(self.vocabulary_size)] + [False]
            )
            self._surfaces = None if surfaces is None else tf.constant(list(surfaces))
        named = special if self.unk_id is None else {*special, self.unk_id}
        names = {vocabulary.tokens[index]: index for index in sorted(named)}
        self.special_tokens = SpecialTokens(names, lstrip, rstrip)

    @property
    def vocabulary_size(self) -> int:
        return len(self._vocabulary.tokens)

    @property
    def pad_id(self) -> int | None:
        return self._vocabulary.pad_id

    @property
    def bos_id(self) -> int | None:
        return self._vocabulary.bos_id

    @property
    def eos_id(self) -> int | None:
        return self._vocabulary.eos_id

    @property
    def unk_id(self) -> int | None:
        return self._vocabulary.unk_id

    @property
    def mask_id(self) -> int | None:
        """The id that hides a token from a masked language model, if there is one."""
        return next(
            (self.token_to_id(t) for t in _MASKS if t in self._vocabulary.ids), None
        )

    @property
    def special_ids(self) -> tuple[int, ...]:
        """The ids that stand for no text, sorted; the unknown token is not one."""
        return self._vocabulary.special_ids

    def target_side(self) -> Tokenizer:
        """What reads the texts that a model shall write, with the same ids."""
        return self

    @property
    def fingerprint(self) -> str:
        """16 hexadecimal digits of a SHA-256 over type, settings and model files."""
        digest = hashlib.sha256(json.dumps(self._header()).encode())
        return digest.hexdigest()[:16]

    def id_to_token(self, index: int) -> str:
        """Returns the name of one id; raises ValueError outside the vocabulary."""
        if not 0 <= index < self.vocabulary_size:
            raise ValueError(f"id {index} is outside [0, {self.vocabulary_size})")
        return self._vocabulary.tokens[index]

    def token_to_id(self, token: str) -> int | None:
        """Returns the id of a token, or None."""
        return self._vocabulary.ids.get(token)

    def token_texts(self, first: bool = False) -> list[bytes] | None:
        """Returns the UTF-8 text behind each id, b"" for special ones; maybe a part of
        a character.

        None where a text is not the sum of its tokens, as with WordPiece.

        Arguments:
            first: how they read where no other has a text before them.

        >>> from massivetext_keras.tokenizers import ByteTokenizer
        >>> ByteTokenizer().token_texts()[65 + 3]
        b'A'
        """
        if self._surfaces is None:
            return None
        special = set(self.special_ids)
        texts, size = self._surfaces.numpy(), self.vocabulary_size
        texts = texts[-size:] if first else texts[:size]
        return [b"" if i in special else text for i, text in enumerate(texts)]

    def token_bytes(self) -> list[int] | None:
        """Returns the UTF-8 bytes behind each id, 0 for special ones.

        None where a text is not the sum of its tokens, as with WordPiece.

        >>> from massivetext_keras.tokenizers import ByteTokenizer
        >>> ByteTokenizer().token_bytes()[:5]
        [0, 0, 0, 1, 1]
        """
        texts = self.token_texts()
        return None if texts is None else list(map(len, texts))

    def begins_word(self) -> list[bool]:
        """Returns for each id whether a word begins with it, as one after a space does.

        Special ids stand alone. Only WordPiece tells punctuation from the word before.

        >>> from massivetext_keras.tokenizers import ByteTokenizer
        >>> [i for i, begins in enumerate(ByteTokenizer().begins_word()) if begins]
        [0, 1, 2, 12, 13, 14, 15, 16, 35]
        """
        if self._surfaces is None:
            raise NotImplementedError(f"{type(self).__name__} has no begins_word")
        special = set(self.special_ids)
        return [
            i in special or surface[:1].isspace()
            for i, surface in enumerate(self._surfaces.numpy())
        ][: self.vocabulary_size]

    def call(self, inputs) -> tf.RaggedTensor | tf.Tensor:
        return self.tokenize(inputs)

    def tokenize(
        self, inputs, parse_special: bool | tf.Tensor = False
    ) -> tf.RaggedTensor | tf.Tensor:
        """Turns strings into ids, without bos and eos.

        Arguments:
            inputs: string [batch] or a list of str, or one string. Invalid UTF-8 is
                read as U+FFFD.
            parse_special: whether the name of a special token in a text is that token;
                else it is characters, as in what other people typed it should be.
        Returns:
            int32 [batch, None], ragged; for one string int32 [length].
        Raises:
            ValueError: the inputs have another rank.
        """
        text = tf.convert_to_tensor(inputs, tf.string)
        if text.shape.rank == 0:
            return self.tokenize(text[tf.newaxis], parse_special).flat_values
        if text.shape.rank != 1:
            raise ValueError(
                f"tokenize needs strings of shape [batch] or [], not {text.shape}"
            )
        text = valid_utf8(text)
        if parse_special is False:
            return self._tokenize(text)
        if parse_special is not True:
            text = tf.where(parse_special, text, self.special_tokens.escape(text))
        return self.tokenize_pieces(text[:, tf.newaxis])

    def escape(self, text: tf.Tensor) -> tf.Tensor:
        """Strings of any shape as `tokenize_pieces` takes what somebody typed: no
        special token is found in them."""
        return self.special_tokens.escape(valid_utf8(text))

    def tokenize_pieces(self, pieces: tf.Tensor) -> tf.RaggedTensor:
        """Tokenizes texts that are given in pieces, inside a graph.

        Names of special tokens are those tokens. A token never spans two pieces, but a
        piece does not begin a text anew: no space is put before it.

        Arguments:
            pieces: string [batch, pieces], UTF-8 or what `escape` gave.
        Returns:
            int32 [batch * pieces, (ids)].

        >>> from massivetext_keras.tokenizers import ByteTokenizer
        >>> tokenizer = ByteTokenizer()
        >>> typed = tokenizer.escape(tf.constant("</s>"))
        >>> ids = tokenizer.tokenize_pieces(tf.stack([[typed, "a</s>"]]))
        >>> ids.row_lengths().numpy().tolist(), ids[1].numpy().tolist()
        ([4, 2], [100, 2])
        """
        return tokenize_pieces(self, pieces)

    def tokenize_with_offsets(self, inputs) -> tuple:
        """Turns strings into ids, and says which part of the text each stands for.

        Pieces of one character share its offsets, a space before a word belongs to the
        word's first piece where the tokenizer sees it so, and what a normalizer drops
        may belong to none.

        Arguments:
            inputs: as `tokenize` takes them.
        Returns:
            ids, starts and ends, all int32 [batch, None], ragged, or [length] for one
            string: what `tokenize` gives, the first character (code point, from 0) of
            each id, and the one behind its last. Invalid UTF-8 counts as the U+FFFD
            that it is read as.
        Raises:
            ValueError: the inputs have another rank.

        >>> from massivetext_keras.tokenizers import ByteTokenizer
        >>> ids, starts, ends = ByteTokenizer().tokenize_with_offsets("é!")
        >>> starts.numpy().tolist(), ends.numpy().tolist()
        ([0, 0, 1], [1, 1, 2])
        """
        text = tf.convert_to_tensor(inputs, tf.string)
        if text.shape.rank == 0:
            rows = self._tokenize_with_offsets(valid_utf8(text[tf.newaxis]))
            return tuple(x.flat_values for x in rows)
        if text.shape.rank != 1:
            raise ValueError(
                f"tokenize_with_offsets needs strings of shape [batch] or [], "
                f"not {text.shape}"
            )
        return self._tokenize_with_offsets(valid_utf8(text))

    def detokenize(
        self, ids, skip_special_tokens: bool | tf.Tensor = True
    ) -> tf.Tensor:
        """Turns ids into strings.

        Arguments:
            ids: integers [batch, length], dense, ragged or nested lists, or one row
                [length]. Ids outside the vocabulary give no text.
            skip_special_tokens: special ids give no text; else their names.
        Returns:
            string [batch], or one string []; always valid UTF-8.
        Raises:
            ValueError: the ids have another rank.
        """
        if isinstance(ids, (list, tuple)):
            ids = tf.ragged.constant(ids, tf.int64)
        if not isinstance(ids, tf.RaggedTensor):
            ids = tf.convert_to_tensor(ids)
        if ids.shape.rank == 1:
            return self.detokenize(ids[tf.newaxis], skip_special_tokens)[0]
        if ids.shape.rank != 2:
            raise ValueError(
                f"detokenize needs ids of shape [batch, length] or [length], "
                f"not {ids.shape}"
            )
        if not isinstance(ids, tf.RaggedTensor):
            ids = tf.RaggedTensor.from_tensor(ids)
        ids = tf.cast(ids.with_row_splits_dtype(tf.int64), tf.int64)
        flat, size = ids.flat_values, self.vocabulary_size
        known = tf.where((flat >= 0) & (flat < size), flat, size)
        shown = tf.gather(self._has_text, known)
        shown |= (known < size) & tf.logical_not(skip_special_tokens)
        text_only = ids.with_flat_values(shown)
        kept = tf.cast(tf.ragged.boolean_mask(ids, text_only), tf.int32)
        return valid_utf8(self._detokenize(kept))

    def compute_output_shape(self, input_shape):
        return (*input_shape, None)

    def compute_output_spec(self, inputs) -> keras.KerasTensor:
        return keras.KerasTensor((*inputs.shape, None), dtype="int32", ragged=True)

    def _tokenize(self, text: tf.Tensor) -> tf.RaggedTensor:
        """Valid UTF-8 strings [batch] -> int32 [batch, None]."""
        raise NotImplementedError

    # whether the bytes of a word follow the word's own id
    spelled = False

    # what a space is put before: None, "first" (a text) or "always" (and what follows a
    # special token)
    _prefixed: str | None = None

    def _tokenize_further(self, text: tf.Tensor) -> tf.RaggedTensor:
        """The same without that space."""
        return self._tokenize(text)

    def _tokenize_with_offsets(self, text: tf.Tensor) -> tuple:
        """The same, and where each is from: ids, starts, ends, int32 [batch, None]."""
        raise NotImplementedError

    def _detokenize(self, ids: tf.RaggedTensor) -> tf.Tensor:
        """int32 [batch, None] of ids that have a text -> strings [batch]."""
        return tf.strings.reduce_join(tf.gather(self._surfaces, ids), axis=-1)

    def _settings(self) -> dict:
        """The constructor's small arguments, as JSON values."""
        more: dict[str, Any] = {}
        if self.separators != 1:
            more["separators"] = self.separators
        strips = self.special_tokens.strips
        more |= {flag: list(tokens) for flag, tokens in strips.items() if tokens}
        return {"add_bos": self.add_bos, "add_eos": self.add_eos, **more}

    def _files(self) -> dict[str, bytes]:
        """The model files, by name."""
        return {}

    @classmethod
    def _from_files(cls, files: Mapping[str, bytes], **settings) -> Tokenizer:
        return cls(**settings)

    def _header(self) -> dict:
        hashes = {
            name: hashlib.sha256(data).hexdigest()
            for name, data in sorted(self._files().items())
        }
        return {"type": type(self).__name__, **self._settings(), "files": hashes}

    def get_config(self) -> dict:
        files = {
            name: base64.b64encode(data).decode()
            for name, data in self._files().items()
        }
        return {**super().get_config(), **self._settings(), "files": files}

    @classmethod
    def from_config(cls, config: dict) -> Tokenizer:
        config = dict(config)
        files = {
            name: base64.b64decode(data) for name, data in config.pop("files").items()
        }
        return cls._from_files(files, **config)

    def save(self, folder: str | Path) -> None:
        """Writes `tokenizer_config.json` and the model files into a folder.

        Each file is replaced as a whole and the config comes last, with the hashes
        of the others, so that `load` never takes a half-written tokenizer.
        """
        for name, data in self._files().items():
            with replacing_file(Path(folder) / name) as draft:
                draft.write_bytes(data)
        write_json(Path(folder) / CONFIG_FILE, self._header())

    @staticmethod
    def load(folder: str | Path) -> Tokenizer:
        """Reads the tokenizer of any type that `save` wrote into a folder.

        Raises:
            FileNotFoundError: the config or a model file is missing.
            ValueError: a file is damaged, or the type is unknown.
        """
        path = Path(folder) / CONFIG_FILE
        config = _read_config(path)
        name = config.pop("type")
        if name not in _TYPES:
            hint = nearest(str(name), _TYPES)
            raise ValueError(f"{path}: unknown tokenizer type {name!r}: {hint}")
        files = {}
        for file, expected in config.pop("files").items():
            data = (Path(folder) / file).read_bytes()
            if hashlib.sha256(data).hexdigest() != expected:
                raise ValueError(
                    f"{Path(folder) / file}: damaged or of another tokenizer, "
                    f"its hash is not the one in {CONFIG_FILE}"
                )
            files[file] = data
        return _TYPES[name]._from_files(files, **config)


def _read_config(path: Path) -> dict:
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise FileNotFoundError(f"{path}: no tokenizer was saved here") from None
    except ValueError as error:
        raise ValueError(f"{path}: not JSON, perhaps half written ({error})") from None
    if not isinstance(config, dict) or not {"type", "files"} <= config.keys():
        raise ValueError(
            f"{path}: no `type` and `files` in it; "
            "a Hugging Face folder is read by from_huggingface"
        )
    return config
