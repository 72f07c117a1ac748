"""Encoder-decoder language modelling: read one text, write another."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Unpack, overload

import numpy as np
import tensorflow as tf

from massivetext_keras import data
from massivetext_keras.architecture.model import ModelConfig
from massivetext_keras.data.objectives.denoising import Denoised
from massivetext_keras.evaluation.writing import MEASURES
from massivetext_keras.generation.beam import BeamDecoder
from massivetext_keras.generation.checks import checked as checked_number
from massivetext_keras.generation.constraints import Constraints, ids_or_sequences
from massivetext_keras.generation.decoding import Decoder
from massivetext_keras.generation.settings import (
    BEAMS,
    SAMPLING,
    Beams,
    Numbers,
    NumbersOfBeams,
    Sampling,
    Settings,
    checked_own,
    settle,
    values_of,
)
from massivetext_keras.generation.text_to_text import IdsToIds, TextToText, is_blank
from massivetext_keras.generation.texts import (
    checked_end_ids,
    earlier_copies,
    ids_that_end,
    ragged_ids,
    warn_of_long,
)
from massivetext_keras.kernels.cross_entropy import logits_losses
from massivetext_keras.models.recurrent_seq2seq import RecurrentSeq2Seq
from massivetext_keras.models.seq2seq import Seq2Seq
from massivetext_keras.runtimes.portable import Head
from massivetext_keras.saving.export import ROUNDING
from massivetext_keras.support.threads import made_once
from massivetext_keras.support.values import choose
from massivetext_keras.tasks.base import Task
from massivetext_keras.tasks.seq2seq.examples import TextPairs
from massivetext_keras.tasks.seq2seq.span_filling import fill_spans
from massivetext_keras.tasks.served import (
    FLOAT,
    INTEGER,
    STRING,
    Check,
    graph_of,
    served,
)
from massivetext_keras.text.batches import of_like_length
from massivetext_keras.text.framing import utf8
from massivetext_keras.text.strings import Texts, as_texts

_MOST_NEW_TOKENS = 128
_BEAMS = 4  # of an export
_CHOICE = ("temperature", "top_k", "top_p", "seed")
# Arguments that a caller, or the task's `generation`, can give.
_WRITES = ("max_new_tokens", *SAMPLING, *BEAMS)
_UNLIMITED = {"top_k": 0, "top_p": 1.0, "min_p": 0.0}
# What an export is checked with: several scripts and lengths.
_PROBES = ["Once upon a time", "Über", "中文 text\n\n", "a" * 50]
_PROBE_TOKENS = 8
_GREEDY = {"temperature": 0.0, "top_k": 0, "top_p": 1.0, "seed": 0}


class Seq2SeqLM(Task):
    """A model that writes a text for a text (Sutskever et al., 2014): a Transformer
    (Vaswani et al., 2017), or a recurrent network with attention (Bahdanau et al.,
    2015).

    Args:
        config: shape of the model: a `TransformerConfig` whose `stack` is
            "encoder_decoder", or a `RecurrentSeq2SeqConfig`.
        tokenizer: strings to ids, of both texts; without one, `generate_ids` takes ids.
        prefix: put before every source, such as T5's name of what is to be done.
        start_id: what the decoder reads first (None: that of `data.start_id`, or 0).
        first_id: the token that every answer begins with (None: any).
        last_id: the token that ends an answer where the room does (None: any).
        never_ids: tokens, and sequences of tokens, that no answer has.
        generation: arguments of `generate` where a caller gives none, such as
            {"num_beams": 4}.
        end_ids: ids that end an answer (None: the tokenizer's `eos_id`).
        language: ISO code, also with a country, for `measure` (None: that of what
            should be written).
        measures: what `measure` gives, names in `evaluation.writing.MEASURES`.

    >>> from massivetext_keras.architecture.shapes import preset
    >>> from massivetext_keras.tokenizers import ByteTokenizer
    >>> config = preset("transformer_base").replace(
    ...     vocabulary_size=259, num_layers=1, hidden_size=16, num_heads=2
    ... )
    >>> lm = Seq2SeqLM(config, ByteTokenizer())
    >>> ids = {"encoder_token_ids": [[100, 2]], "decoder_token_ids": [[0, 101, 102]]}
    >>> lm(ids).shape
    TensorShape([1, 3, 259])
    >>> len(lm.translate(["one", "two"], max_new_tokens=4, num_beams=2))
    2
    """

    backbone_class = (Seq2Seq, RecurrentSeq2Seq)
    data_class = TextPairs
    writes = _WRITES
    options = (
        "prefix",
        "start_id",
        "first_id",
        "last_id",
        "never_ids",
        "generation",
        "end_ids",
        "language",
        "measures",
    )

    def __init__(
        self,
        config: ModelConfig,
        tokenizer=None,
        prefix: str = "",
        start_id: int | None = None,
        first_id: int | None = None,
        last_id: int | None = None,
        never_ids: Sequence[int | Sequence[int]] = (),
        generation: Mapping[str, Any] | None = None,
        language: str | None = None,
        measures: str | Sequence[str] = ("chrf", "bleu"),
        end_ids: Sequence[int] | None = None,
        **kwargs,
    ):
        super().__init__(config, tokenizer, **kwargs)
        if tokenizer is not None and tokenizer.eos_id is None:
            raise ValueError("Seq2SeqLM needs a tokenizer with a token that ends texts")
        if start_id is None:
            start_id = 0 if tokenizer is None else data.start_id(tokenizer)
        self.prefix, self.start_id = prefix, start_id
        self.first_id, self.last_id = first_id, last_id
        self.never_ids = ids_or_sequences(never_ids)
        self.generation = checked_own(generation, _WRITES)
        self.end_ids = checked_end_ids(end_ids, config.vocabulary_size)
        self.language = language
        self.measures = (measures,) if isinstance(measures, str) else tuple(measures)
        for name in self.measures:
            choose("measure", name, MEASURES)
        self.label_smoothing = 0.0

    def portable_head(self):
        begins, ends = [], []
        if self.tokenizer is not None:
            begins = [self.tokenizer.bos_id] if self.tokenizer.add_bos else []
            ends = [self.tokenizer.eos_id]
        settings = {"begins_with": begins, "ends_with": ends}
        settings |= {"start_id": self.start_id, "stop_ids": list(ids_that_end(self))}
        return Head("language_model", settings)

    def call(self, inputs, training: bool | None = None) -> tf.Tensor:
        """Features of `Seq2Seq` -> float32 logits [batch, length, vocabulary]."""
        return self.backbone.logits(self.backbone(inputs, training=training))

    def compile(  # type: ignore[override]  # smoothing stands second here
        self, optimizer="adamw", label_smoothing: float = 0.0, **kwargs
    ):
        """As `TrainingStep.compile`.

        Args:
            optimizer: see `training.adamw`.
            label_smoothing: share, in [0, 1), of a label that is spread over the
                vocabulary in training (Szegedy et al., 2016); evaluation has none.
        """
        if not 0.0 <= label_smoothing < 1.0:
            raise ValueError(f"label_smoothing must be in [0, 1): {label_smoothing}")
        self.label_smoothing = label_smoothing
        super().compile(optimizer, **kwargs)
        self._compiled_with["label_smoothing"] = label_smoothing

    def summed_loss(self, features, labels, weights, training):
        smoothing = self.label_smoothing if training else 0.0
        if type(self).call is not Seq2SeqLM.call:
            given = self(features, training=training), labels, weights
            return logits_losses(*given, smoothing)
        hidden = self.backbone(features, training=training)
        loss, rows = self.backbone.summed_loss(hidden, labels, weights, smoothing)
        return [loss], rows

    def losses_of(self, output, features, labels, weights):
        return logits_losses(output, labels, weights, self.label_smoothing)

    def denoising_datasets(
        self,
        files: str | Path | Sequence[str | Path],
        damage: data.SpanCorruption | data.Infilling,
        batch_size: int = 16,
        sequence_length: int | None = None,
        validation_fraction: float = 0.05,
        seed: int = 0,
        start: int = 0,
        progress: bool = True,
    ) -> tuple[tf.data.Dataset, tf.data.Dataset | None]:
        """Text files to batches that teach to restore damaged texts, to pretrain on.

        Args:
            files: as `datasets` takes texts.
            damage: T5's or BART's.
            batch_size: rows of the global batch.
            sequence_length: tokens of a text before damage (None: what the model's
                `max_length` has room for).
            validation_fraction: share of the text held out (0: none).
            seed: of the training batches and their damage.
            start: number of the first training batch.
            progress: show a bar.

        Returns:
            As `datasets` does.

        Raises:
            FileNotFoundError: a pattern matches nothing.
            ValueError: there is no text, or too little of it.
        """
        return self.datasets(
            files,
            batch_size=batch_size,
            sequence_length=sequence_length,
            validation_fraction=validation_fraction,
            seed=seed,
            start=start,
            progress=progress,
            objective=Denoised(damage),
        )

    @overload
    def generate(
        self,
        sources: str,
        max_new_tokens: int | None = None,
        *,
        prefix: str | None = None,
        sampling: Sampling | None = None,
        beams: Beams | None = None,
        **numbers: Unpack[Numbers],
    ) -> str: ...
    @overload
    def generate(
        self,
        sources: Texts,
        max_new_tokens: int | None = None,
        *,
        prefix: str | None = None,
        sampling: Sampling | None = None,
        beams: Beams | None = None,
        **numbers: Unpack[Numbers],
    ) -> list[str]: ...
    def generate(
        self,
        sources: Texts,
        max_new_tokens: int | None = None,
        *,
        prefix: str | None = None,
        sampling: Sampling | None = None,
        beams: Beams | None = None,
        **numbers: Unpack[Numbers],
    ) -> str | list[str]:
        """Writes a text for each source, all at once; also called `translate` and
        `summarize`.

        With one beam the most probable token is taken again and again, or one at random
        if there is a temperature; with more, the best text that beam search finds. A
        text depends on its source, the arguments and the seed alone; it is computed in
        float32, whatever the precision of training. A number that is not given is what
        the task's `generation` says, and else its usual one, the temperature 0.

        Args:
            sources: one text or several. One that is too long keeps its beginning; one
                that is blank is answered with "".
            max_new_tokens: tokens to write at the most (None: 128, or the context).
            prefix: put before every source (None: the task's own).
            sampling: how tokens are chosen.
            beams: how texts are searched for.
            **numbers: fields of `Sampling` and `Beams` one by one, such as
                `num_beams=4`.

        Returns:
            A text for a text, a list for a list.

        Raises:
            TypeError: an argument is unknown.
            ValueError: an argument is out of range, or there is no tokenizer.
        """
        how = self._settled(max_new_tokens, sampling, beams, numbers)
        texts, one = as_texts("source", sources)
        if how.beams.num_beams > 1:
            answers = [found[0][0] for found in self._ranked(texts, how, prefix)]
        else:
            answers, _ = self.sure_answers(texts, how, prefix)
        return answers[0] if one else answers

    translate = summarize = generate

    def _settled(self, max_new_tokens, sampling, beams, numbers) -> Settings:
        given = {"max_new_tokens": max_new_tokens, **numbers}
        context = self.config.max_length
        usual = {"temperature": 0.0, "max_new_tokens": min(_MOST_NEW_TOKENS, context)}
        own = self.generation
        how = settle(given, own, _WRITES, usual, context, sampling, beams, 0.0)
        if not 1 <= how.max_new_tokens <= context:
            raise ValueError(
                f"max_new_tokens must be from 1 to the context of {context} tokens, "
                f"got {how.max_new_tokens}"
            )
        return how

    def sure_answers(
        self, sources: Sequence[str], how: Settings, prefix: str | None = None
    ) -> tuple[list[str], np.ndarray]:
        """A text for each source, and how sure its tokens were: see `State.lead`."""
        texts, some = self._asked(sources, prefix)
        answers, lead = [""] * len(sources), np.full(len(sources), np.inf)
        if not texts:
            return answers, lead
        size, penalize = how.beams.no_repeat_ngram_size, how.sampling.penalizes
        graph = self._text_graphs(1, size, penalize=penalize).sample
        copies = earlier_copies(tf.constant(texts)).numpy()
        asked = tf.constant(how.max_new_tokens), how.sampling.tensors()
        for rows in of_like_length(texts):
            found, sure = graph([texts[i] for i in rows], copies[rows], *asked)
            for i, text, by in zip(rows, found.numpy(), sure.numpy(), strict=True):
                answers[some[i]], lead[some[i]] = text.decode(), by
        return answers, lead

    def n_best(
        self,
        sources: Texts,
        n: int = 4,
        max_new_tokens: int | None = None,
        num_beams: int | None = None,
        *,
        prefix: str | None = None,
        **numbers: Unpack[NumbersOfBeams],
    ) -> list:
        """The `n` best texts for each source that beam search finds, with their scores.

        Args:
            sources: one text or several.
            n: texts of each, at most `num_beams`.
            num_beams: texts that are followed at a time (None: the task's own, but at
                least `n`).

        The other arguments are those of `generate`.

        Returns:
            `(text, score)` pairs, best first, a list of them for each of several
            sources. A score is the log-probability in nats, divided by the number of
            tokens to the power of `length_penalty`.

        Raises:
            ValueError: as `generate`.
        """
        num_beams = num_beams or max(n, self.generation.get("num_beams", 1))
        if not 1 <= n <= num_beams:
            raise ValueError(f"n must be from 1 to num_beams={num_beams}, got {n}")
        given = {"temperature": 0.0, **_UNLIMITED, **numbers, "num_beams": num_beams}
        how = self._settled(max_new_tokens, None, None, given)
        sources, one = as_texts("source", sources)
        best = [row[:n] for row in self._ranked(sources, how, prefix)]
        return best[0] if one else best

    def _ranked(
        self, sources: Sequence[str], how: Settings, prefix: str | None
    ) -> list[list[tuple[str, float]]]:
        """The texts that beam search finds for each source, best first."""
        best = [[("", 0.0)] for _ in sources]
        texts, some = self._asked(sources, prefix)
        size, penalize = how.beams.no_repeat_ngram_size, how.sampling.penalizes
        graph = self._text_graphs(how.beams.num_beams, size, True, penalize=penalize)
        asked = tf.constant(how.max_new_tokens), how.beams.rules(how.sampling)
        for rows in of_like_length(texts):
            found = (x.numpy() for x in graph.search([texts[i] for i in rows], *asked))
            for i, row, scores in zip(rows, *found, strict=True):
                pairs = zip(row, scores, strict=True)
                best[some[i]] = [(text.decode(), float(score)) for text, score in pairs]
        return best

    def generate_ids(
        self,
        ids,
        max_new_tokens: int | None = None,
        num_beams: int | None = None,
        *,
        stop_ids: Sequence[int] | None = None,
        sampling: Sampling | None = None,
        beams: Beams | None = None,
        **numbers: Unpack[NumbersOfBeams],
    ) -> tf.RaggedTensor:
        """Answers rows of token ids, with the arguments of `generate`.

        Args:
            ids: int32 [batch, length] or a RaggedTensor, no row empty.
            stop_ids: ids that end an answer and belong to it (None: the task's own).

        Returns:
            int32 RaggedTensor, the best answer to each row.

        Raises:
            ValueError: an argument is out of range, or a row empty or too long.
        """
        ids = ragged_ids(ids)
        lengths = ids.row_lengths().numpy()
        if lengths.min() < 1 or lengths.max() > self.config.max_length:
            raise ValueError(
                f"rows must have 1 to {self.config.max_length} ids, the context; they "
                f"have {lengths.min()} to {lengths.max()}"
            )
        given = {**numbers, "num_beams": num_beams}
        how = self._settled(max_new_tokens, sampling, beams, given)
        limit, penalize = tf.constant(how.max_new_tokens), how.sampling.penalizes
        stop_ids = ids_that_end(self) if stop_ids is None else tuple(stop_ids)
        num_beams, size = how.beams.num_beams, how.beams.no_repeat_ngram_size
        key = (num_beams, size, num_beams > 1, stop_ids, True, penalize)
        answers = self._id_graphs(*key)
        if num_beams > 1:
            best, _ = answers.search(ids, limit, how.beams.rules(how.sampling))
            return best[::num_beams]
        rows = tf.range(tf.cast(ids.nrows(), tf.int32))
        return answers.sample(ids, rows, limit, how.sampling.tensors())[0]

    @served(
        "generate",
        text=STRING,
        max_new_tokens=INTEGER,
        temperature=FLOAT,
        top_k=INTEGER,
        top_p=FLOAT,
        seed=INTEGER,
        defaults=lambda task: task._served_defaults(),
        checks=lambda task: [({"text": _PROBES, **task._few(), **_GREEDY}, None)],
        loops=True,
    )
    def generate_graph(self, text, max_new_tokens, *choice, compiled) -> dict:
        """`generate` (text, max_new_tokens, temperature, top_k, top_p, seed -> text),
        token by token."""
        sampling = self._own()[0].tensors()
        sampling = sampling._replace(**dict(zip(_CHOICE, choice, strict=True)))
        graph = self._own_graphs(compiled=compiled)
        asked, limit = self.prefix + text, self._checked(max_new_tokens)
        answers, lead = graph.sampled(
            asked, earlier_copies(asked), limit, sampling.checked()
        )
        return {"text": tf.where(is_blank(text), "", answers), "_lead": lead}

    @served(
        "translate",
        "summarize",
        text=STRING,
        max_new_tokens=INTEGER,
        length_penalty=FLOAT,
        defaults=lambda task: task._served_defaults(),
        checks=lambda task: task._beam_checks(),
        loops=True,
    )
    def translate_graph(self, text, max_new_tokens, length_penalty, compiled) -> dict:
        """`translate`, or `summarize` (text, max_new_tokens, length_penalty -> text,
        score), the best that beam search finds."""
        sampling, beams = self._own()
        rules = beams.rules(sampling)._replace(length_penalty=length_penalty).checked()
        graph = self._own_graphs(beams.num_beams, search=True, compiled=compiled)
        limit = self._checked(max_new_tokens)
        texts, scores = graph.searched(self.prefix + text, limit, rules)
        blank = is_blank(text)
        return {
            "text": tf.where(blank, "", texts[:, 0]),
            "score": tf.where(blank, 0.0, scores[:, 0]),
        }

    @served("serving_default", text=STRING, checks=lambda task: [], loops=True)
    def default_graph(self, text, compiled) -> dict:
        """The text of `translate`."""
        usual = self._served_defaults()
        numbers = usual["max_new_tokens"], usual["length_penalty"]
        found = graph_of(self, Seq2SeqLM.translate_graph, compiled)(text, *numbers)
        return {"text": found["text"]}

    def _served_defaults(self) -> dict[str, Any]:
        """What a request leaves out is as the task's `generation` says."""
        most, (sampling, beams) = self.generation.get("max_new_tokens"), self._own()
        most = min(most or _MOST_NEW_TOKENS, self.config.max_length)
        return {"max_new_tokens": most, **beams.to_dict(), **sampling.to_dict()}

    def _own(self) -> tuple[Sampling, Beams]:
        usual = {"temperature": 0.0, "seed": 0, "num_beams": _BEAMS}
        return values_of({**usual, **self.generation})

    def _own_graphs(self, num_beams: int = 1, **how) -> TextToText:
        sampling, beams = self._own()
        size, penalize = beams.no_repeat_ngram_size, sampling.penalizes
        return self.text_graphs(num_beams, size, penalize=penalize, **how)

    def _checked(self, count: tf.Tensor) -> tf.Tensor:
        longest = self.config.max_length
        wanted = f"max_new_tokens must be from 1 to the context of {longest} tokens"
        return checked_number(count, (count >= 1) & (count <= longest), wanted)

    def _few(self) -> dict[str, int]:
        return {"max_new_tokens": min(_PROBE_TOKENS, self.config.max_length)}

    def _beam_checks(self) -> list[Check]:
        """All that are as good as the best, but for rounding."""
        limit, beams = self._few(), self.generation.get("num_beams", _BEAMS)
        how = {**limit, "num_beams": beams, "length_penalty": 1.0}
        ranked = self.n_best(_PROBES, beams, **how)
        best = [[t for t, s in row if _as_good(s, row[0][1])] for row in ranked]
        wanted = {
            "text": [*map(frozenset, best)],
            "score": [row[0][1] for row in ranked],
        }
        return [({"text": _PROBES, **limit, "length_penalty": 1.0}, wanted)]

    def fill_spans(
        self,
        texts: Texts,
        max_new_tokens: int | None = None,
        num_beams: int = 1,
    ) -> dict[str, str] | list[dict[str, str]]:
        """Fills the spans that special tokens such as T5's `<extra_id_0>` stand for
        (Raffel et al., 2020).

        The names of special tokens in a text are those tokens here, so it should be no
        text that other people typed.

        Args:
            texts: one text or several.
            max_new_tokens, num_beams: see `generate`.

        Returns:
            What is written for each special token of a text, by its name and in its
            order; "" where nothing is. A list of such for several texts.

        Raises:
            ValueError: a text names no special token, or there is no tokenizer.
        """
        return fill_spans(self, texts, max_new_tokens, num_beams)

    def text_graphs(
        self,
        num_beams: int = 1,
        no_repeat_ngram_size: int = 0,
        search: bool = False,
        compiled: bool = True,
        penalize: bool = False,
    ) -> TextToText:
        """Graphs from strings to strings.

        Args:
            num_beams: texts that are followed at a time.
            no_repeat_ngram_size: see `Constraints`.
            search: whether the graph is to be `search`, or else `sample`.
            compiled: run the loops as XLA programs.
            penalize: whether repetitions can be discouraged.
        """
        tokenizer, stop_ids = self.need_tokenizer(), ids_that_end(self)
        key = (num_beams, no_repeat_ngram_size, search, stop_ids, compiled, penalize)
        return TextToText(tokenizer, self._id_graphs(*key))

    _text_graphs = made_once(text_graphs)

    @made_once
    def _id_graphs(
        self, num_beams, no_repeat_ngram_size, search, stop_ids, compiled, penalize
    ) -> IdsToIds:
        rules = Constraints(
            self.never_ids, self.first_id, self.last_id, no_repeat_ngram_size
        )
        if search:
            how = stop_ids, rules, compiled, penalize
            decoder: BeamDecoder | Decoder = BeamDecoder(self.backbone, num_beams, *how)
        else:
            decoder = Decoder(self.backbone, stop_ids, penalize, compiled, rules)
        return IdsToIds(decoder, self.start_id)

    def _asked(
        self, sources: Sequence[str], prefix: str | None
    ) -> tuple[list[bytes], list[int]]:
        """The bytes of prefix and source, and which sources they are of: all but blank
        ones. One that is too long is warned about."""
        tokenizer, context = self.need_tokenizer(), self.config.max_length
        prefix = self.prefix if prefix is None else prefix
        texts = [utf8(prefix + source) for source in sources]
        ids = tokenizer.tokenize(tf.constant(texts, tf.string))
        lengths = data.enclosed(tokenizer, ids).row_lengths().numpy()
        but = f"the context of {context} has room for its beginning"
        warn_of_long("source", lengths, context, but)
        some = [i for i, source in enumerate(sources) if source.strip()]
        return [texts[i] for i in some], some


def _as_good(score: float, best: float) -> bool:
    return math.isclose(score, best, rel_tol=3 * ROUNDING, abs_tol=3 * ROUNDING)
