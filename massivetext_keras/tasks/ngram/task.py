"""An n-gram language model: counts texts, scores texts, writes texts."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Unpack

import numpy as np
import tensorflow as tf
from tqdm import tqdm

from massivetext_keras.evaluation import bits_per_byte
from massivetext_keras.generation.sampling import choose, penalize
from massivetext_keras.generation.settings import Numbers, Sampling, settle
from massivetext_keras.ngram.arpa import SPECIAL, read_arpa, write_arpa
from massivetext_keras.ngram.binary import read_binary, write_binary
from massivetext_keras.ngram.counting import BEGIN, END, UNKNOWN, count
from massivetext_keras.ngram.estimation import estimate
from massivetext_keras.ngram.scratch import Scratch
from massivetext_keras.ngram.tables import NEVER, BackoffModel
from massivetext_keras.saving.export import Probe, compare, write_saved_model
from massivetext_keras.support.arguments import Positive
from massivetext_keras.support.files import check_free, expanded
from massivetext_keras.support.values import parse_size
from massivetext_keras.tasks.ngram.graph import ScoringGraph
from massivetext_keras.tasks.ngram.units import Tokens, units_named
from massivetext_keras.text.strings import Texts, as_texts

_AT_ONCE = 64  # bytes of memory for each token of a sort
_TAKEN = ("temperature", "top_k", "top_p", "min_p", "repetition_penalty", "seed")
_SAMPLES = ["the cat sat", "Ein Haus, ein Hund.", "今天天气很好。", ""]


class NgramLM:
    """An interpolated modified Kneser-Ney model of texts.

    With units="spaced" it is the model of KenLM's `lmplz`, and scores as KenLM does: a
    line is a sequence, its end is predicted, and a word that is not known is `<unk>`.
    Sources: Chen & Goodman (1999), "An empirical study of smoothing techniques for
    language modeling"; Heafield et al. (2013), "Scalable modified Kneser-Ney language
    model estimation". For a baseline on token ids, without files, see `KneserNey`.

    Args:
        order: length of the longest n-grams.
        units: what they are made of: "words" are between white space, but letters of
            scripts without spaces, such as Chinese, stand alone; "spaced" is all that
            stands between white space; in both, each line is a sequence. "characters",
            "bytes" and the "tokens" of a tokenizer are of whole texts.
        tokenizer: makes units="tokens".
        min_count: words that occur less often are `<unk>`.

    Raises:
        ValueError: the order or min_count is below 1, or the units are unknown.

    Example:
        >>> lm = NgramLM(order=2).fit(["the cat sat", "the cat ran", "a dog sat"])
        >>> lm.score("the cat sat") > lm.score("sat the cat")
        True
        >>> lm.generate("the", temperature=0)
        'the cat sat'
    """

    def __init__(
        self,
        order: Positive = 5,
        units: str = "words",
        *,
        tokenizer: Any = None,
        min_count: Positive = 1,
    ):
        for name, value in {"order": order, "min_count": min_count}.items():
            if value < 1:
                raise ValueError(f"{name} must be positive, got {value}")
        self.order, self.min_count = order, min_count
        units = "tokens" if tokenizer is not None else units
        self.units = units_named(units, tokenizer)
        self._model: BackoffModel | None = None
        self._names: list[str] = []
        self._ids: dict[Any, int] = {}

    @property
    def model(self) -> BackoffModel:
        """Its tables.

        Raises:
            RuntimeError: it was neither fitted nor loaded.
        """
        if self._model is None:
            raise RuntimeError("fit the model, or load one by NgramLM.load")
        return self._model

    @property
    def vocabulary(self) -> list[str]:
        """The names of its units; `<unk>`, `<s>` and `</s>` come first."""
        return list(self._names)

    def fit(
        self,
        texts: Iterable[str],
        max_memory: int | str = "1GB",
        progress: bool = False,
    ) -> NgramLM:
        """Counts texts; a second call starts anew.

        Args:
            texts: documents, such as `corpus.read_documents` gives; read once.
            max_memory: of what is sorted at a time, as "500MB"; what is beyond is in
                temporary files, whose place TMPDIR names.
            progress: show a bar.

        Returns:
            The model itself.

        Raises:
            ValueError: there is no text, or every word is rarer than `min_count`.
        """
        chunk = max(parse_size(max_memory, "max_memory") // _AT_ONCE, 1000)
        scratch = Scratch(chunk, tempfile.gettempdir())
        with tqdm(unit="token", unit_scale=True, disable=not progress) as bar:
            bar.set_description("read")
            stream, pieces = self._read(texts, scratch, bar.update)
            if len(stream) <= chunk:  # no need of files
                stream, scratch = np.array(stream), Scratch(chunk)
            stream, pieces = self._frequent(stream, pieces, scratch)
            bar.set_description("count")
            bar.reset(len(stream) * self.order)
            counts = count(stream, len(pieces), self.order, scratch, bar.update)
        self._take(
            BackoffModel(estimate(counts, scratch)),
            [*SPECIAL, *map(self.units.name_of, pieces[len(SPECIAL) :])],
        )
        return self

    def _read(self, texts, scratch: Scratch, done) -> tuple[np.ndarray, list]:
        """Texts as ids in one row, and the pieces that they are of."""
        ids, writer = _Growing(dict.fromkeys(SPECIAL)), scratch.writer(np.int32)
        ids.update({name: i for i, name in enumerate(SPECIAL)})
        row: list[Any] = []
        for text in texts:
            for sequence in self.units.sequences(text):
                row += ["<s>", *self.units.split(sequence), "</s>"]
            if len(row) >= min(scratch.chunk, 1_000_000):
                writer.append(np.fromiter(map(ids.__getitem__, row), np.int32))
                done(len(row))
                row = []
        writer.append(np.fromiter(map(ids.__getitem__, row), np.int32))
        done(len(row))
        if len(ids) == len(SPECIAL):
            raise ValueError("there is no text to count")
        return writer.array(), list(ids)

    def _frequent(self, stream, pieces: list, scratch: Scratch):
        """The same with rare pieces as `UNKNOWN`."""
        if self.min_count == 1:
            return stream, pieces
        counts = np.zeros(len(pieces), np.int64)
        for start, stop in scratch.spans(len(stream)):
            counts += np.bincount(stream[start:stop], minlength=len(pieces))
        kept = counts >= self.min_count
        if not kept[len(SPECIAL) :].any():
            most = counts[len(SPECIAL) :].max()
            raise ValueError(
                f"min_count={self.min_count} leaves none of {len(pieces) - 3:,} units: "
                f"the most frequent one occurs {most:,} times"
            )
        kept[: len(SPECIAL)] = True
        places = np.where(kept, np.cumsum(kept) - 1, UNKNOWN).astype(np.int32)
        for start, stop in scratch.spans(len(stream)):
            stream[start:stop] = places[stream[start:stop]]
        return stream, [pieces[i] for i in np.flatnonzero(kept)]

    def _take(self, model: BackoffModel, names: Sequence[str]) -> None:
        self._model, self._names = model, list(names)
        self.order = model.order
        own = self._names[len(SPECIAL) :]
        pieces = map(self.units.piece_of, own)
        self._ids = {piece: i for i, piece in enumerate(pieces, start=len(SPECIAL))}

    def ids(self, text: str) -> list[np.ndarray]:
        """The sequences of a text as ids, int64, from `<s>` to `</s>`."""
        return [
            np.array(
                [
                    BEGIN,
                    *(self._ids.get(x, UNKNOWN) for x in self.units.split(sequence)),
                    END,
                ]
            )
            for sequence in self.units.sequences(text)
        ]

    def score(self, texts: Texts) -> float | list[float]:
        """Log-probability of texts, in nats, of all their units and ends together.

        An empty text has 0. KenLM's scores are this divided by ln 10.
        """
        texts, one = as_texts("text", texts)
        scores = [sum(found) for found, _ in self._scored(texts)]
        scores = [float(score) * math.log(10) for score in scores]
        return scores[0] if one else scores

    def _scored(self, texts: Sequence[str]) -> list[tuple[np.ndarray, np.ndarray]]:
        """log10 p of what is predicted in each text, and its ids."""
        parts = [self.ids(text) for text in texts]
        sizes = [sum(map(len, rows)) for rows in parts]
        stream = np.concatenate([np.zeros(0, np.int64), *sum(parts, [])])
        found, _ = self.model.score(stream)
        cuts = np.cumsum(sizes)[:-1]
        return [
            (part[ids != BEGIN], ids[ids != BEGIN])
            for part, ids in zip(
                np.split(found, cuts), np.split(stream, cuts), strict=True
            )
        ]

    def perplexity(self, texts: Texts) -> float:
        """exp of the mean negative log-probability of a unit or end, over all texts.

        Raises:
            ValueError: there is no text in them.
        """
        return self.evaluate(texts)["perplexity"]

    def evaluate(self, texts: Texts) -> dict[str, float]:
        """How well texts are predicted.

        Returns:
            loss (nats for each unit or end), perplexity, bits_per_byte (of the texts in
            UTF-8, with their line ends), units, and unknown, the share of the units
            that are `<unk>`.

        Raises:
            ValueError: there is no text in them.
        """
        texts, _ = as_texts("text", texts)
        scored = self._scored(texts)
        found = np.concatenate([part for part, _ in scored] or [np.zeros(0)])
        if not len(found):
            raise ValueError("there is no text to score")
        ids = np.concatenate([ids for _, ids in scored])
        loss = -float(found.mean()) * math.log(10)
        size = sum(len(text.encode(errors="replace")) + 1 for text in texts)
        return {
            "loss": loss,
            "perplexity": math.exp(loss),
            "bits_per_byte": bits_per_byte(loss * len(found), size),
            "units": int((ids != END).sum()),
            "unknown": float((ids == UNKNOWN).sum() / max((ids != END).sum(), 1)),
        }

    def generate(
        self,
        prompts: Texts,
        max_new_tokens: int | None = None,
        *,
        include_prompt: bool = True,
        sampling: Sampling | None = None,
        **numbers: Unpack[Numbers],
    ) -> str | list[str]:
        """Goes on with texts until their end, or a number of units.

        Args:
            prompts: one text or several; of several lines the last goes on.
            max_new_tokens: units at most (None: 64).
            include_prompt: give back the prompt, too.
            sampling: how units are chosen.
            **numbers: its fields: temperature, top_k, top_p, min_p, repetition_penalty,
                seed.

        Raises:
            ValueError: a number is out of its range.
            TypeError: one is unknown.
        """
        prompts, one = as_texts("prompt", prompts)
        given = {"max_new_tokens": max_new_tokens, **numbers}
        usual = {"max_new_tokens": 64}
        how = settle(given, {}, _TAKEN, usual, 2**31, sampling=sampling)
        pieces = list(self._ids)
        texts = []
        for row, prompt in enumerate(prompts):
            ids = self._continued(prompt, how.max_new_tokens, how.sampling, row)
            new = [pieces[i - len(SPECIAL)] for i in ids]
            joined = self.units.join(new, prompt)
            texts.append(prompt + joined if include_prompt else joined)
        return texts[0] if one else texts

    def _continued(self, prompt: str, most: int, how: Sampling, row: int) -> list[int]:
        """The ids of what follows on a prompt."""
        text = prompt.rsplit("\n", 1)[-1] if self.units.by_line else prompt
        known = (self._ids.get(piece, UNKNOWN) for piece in self.units.split(text))
        ids = [BEGIN, *known]
        new: list[int] = []
        seen = np.zeros(self.model.vocabulary_size, bool)
        seen[ids] = True
        tensors = how.tensors()
        while len(new) < most:
            logits = self.model.next_words(ids[-self.order :]) * math.log(10)
            logits[[UNKNOWN, BEGIN]] = NEVER * math.log(10)
            logits = tf.constant(logits[None], tf.float32)
            if how.penalizes:
                logits = penalize(logits, seen[None], tensors.repetition_penalty)
            step = tf.constant(len(new))
            chosen = int(_choose(logits, tensors, tf.constant([row]), step)[0])
            if chosen == END:
                break
            ids.append(chosen)
            new.append(chosen)
            seen[chosen] = True
        return new

    def save(self, path: str | Path, progress: bool = False) -> None:
        """Writes the model: a name that ends with .arpa gets text for KenLM, SRILM and
        others, any other our format, which is smaller and at hand at once.

        Args:
            path: of the file.
            progress: show a bar.
        """
        about = {"units": self.units.name}
        if isinstance(self.units, Tokens):
            about["tokenizer"] = self.units.tokenizer.fingerprint
        if Path(path).suffix != ".arpa":
            write_binary(path, self.model, self._names, about)
            return
        comment = " ".join(f"{name}={value}" for name, value in about.items())
        total = sum(len(table.keys) for table in self.model.tables)
        with _bar("write", total, progress) as bar:
            write_arpa(path, self.model, self._names, comment, bar.update)

    @classmethod
    def load(
        cls,
        path: str | Path,
        *,
        units: str | None = None,
        tokenizer: Any = None,
        progress: bool = False,
    ) -> NgramLM:
        """Reads what `save` wrote, or any ARPA file.

        Args:
            path: of the file; what is in it decides how it is read.
            units: what the n-grams are made of (None: as the file says; of an ARPA file
                that says nothing, "spaced", as KenLM).
            tokenizer: whose tokens they are.
            progress: show a bar.

        Raises:
            FileNotFoundError: there is no such file.
            ValueError: it is cut or damaged, or of another tokenizer.
        """
        with open(expanded(path), "rb") as file:
            is_text = not file.read(8).endswith(b"\0\0")  # of a length of 64 bits
        if is_text:
            with _bar("read", None, progress) as bar:
                model, names, comment = read_arpa(path, bar.update)
            about = dict(x.split("=", 1) for x in comment.split() if "=" in x)
        else:
            model, names, about = read_binary(path)
        units = units or about.get("units", "spaced")
        own = tokenizer.fingerprint if tokenizer is not None else None
        if own is not None and about.get("tokenizer", own) != own:
            raise ValueError(f"{path} is of another tokenizer")
        lm = cls(model.order, units, tokenizer=tokenizer)
        lm._take(model, names)
        return lm

    def export(self, path: str | Path, overwrite: bool = False) -> None:
        """Writes a SavedModel whose signature `score` takes strings and gives their
        `log_probability` in nats; it is also `serving_default`.

        N-grams are looked up in sorted arrays within the graph. The export is loaded
        again and compared with the model before it takes its place.

        Raises:
            FileExistsError: the folder is not empty and `overwrite` is false.
        """
        check_free(path, overwrite)
        module = ScoringGraph(self.model, self.units, list(self._ids))
        wanted = {"log_probability": self.score(_SAMPLES)}
        probes = [Probe("score", {"text": _SAMPLES}, wanted)]
        write_saved_model(
            path,
            module,
            {"score": module.score, "serving_default": module.score},
            {
                "format": "massivetext_keras export",
                "task": "NgramLM",
                "options": {"order": self.order, "units": self.units.name},
            },
            lambda signatures: compare(signatures, probes),
            overwrite,
        )


_choose = tf.function(choose, autograph=False, reduce_retracing=True)


class _Growing(dict):
    """Numbers what it is asked for, in the order of the first questions."""

    def __missing__(self, piece: Any) -> int:
        self[piece] = number = len(self)
        return number


def _bar(what: str, total: int | None, progress: bool) -> tqdm:
    return tqdm(
        desc=what, total=total, unit="n-gram", unit_scale=True, disable=not progress
    )
