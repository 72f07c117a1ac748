"""Beam search by the rules of Hugging Face's `generate`, in one compiled loop."""

from __future__ import annotations

import functools
import math
from typing import NamedTuple

import tensorflow as tf

from massivetext_keras.generation.checks import checked
from massivetext_keras.generation.constraints import Constraints, not_yet
from massivetext_keras.generation.decoding import empty_text, read, seen_in
from massivetext_keras.generation.phrases import BannedPhrases
from massivetext_keras.generation.precision import in_float32
from massivetext_keras.generation.sampling import penalize
from massivetext_keras.kernels.fused import island
from massivetext_keras.layers.cache import Cache
from massivetext_keras.layers.capacity import is_full, while_growing

# Below every real score; what has it is no text yet.
_NONE = -1e9
_FINITE = "a finite number"
EARLY_STOPPING = {False: 0, True: 1, "never": 2}


class BeamRules(NamedTuple):
    """How beams are ranked; scalar tensors, so that no value needs a new graph.

    Attributes:
        length_penalty: float32; a text's log-probability is divided by its number of
            tokens to this power. Above 0 favours long texts (Wu et al., 2016).
        early_stopping: int32, when a text is done. 1: as many ended as there are
            beams. 0: and no beam, were it to end now, beats the worst of them. 2: nor
            could it if it went on to the limit.
        min_new_tokens: int32, before these no token ends a text.
        repetition_penalty: float32, multiplies the log-probabilities of tokens that
            occurred (1: none). Keskar et al., 2019.
    """

    length_penalty: tf.Tensor
    early_stopping: tf.Tensor
    min_new_tokens: tf.Tensor | int = 0
    repetition_penalty: tf.Tensor | float = 1.0

    @classmethod
    def make(
        cls,
        length_penalty: float = 1.0,
        early_stopping: bool | str = False,
        min_new_tokens: int = 0,
        repetition_penalty: float = 1.0,
    ) -> BeamRules:
        """From Python values.

        Raises:
            ValueError: a value is out of its range.
        """
        cls.check(length_penalty, early_stopping)
        if min_new_tokens < 0:
            raise ValueError(f"min_new_tokens must be at least 0, got {min_new_tokens}")
        if repetition_penalty <= 0:
            raise ValueError(
                f"repetition_penalty must be positive, got {repetition_penalty}"
            )
        return cls(
            tf.constant(length_penalty, tf.float32),
            tf.constant(EARLY_STOPPING[early_stopping]),
            tf.constant(min_new_tokens),
            tf.constant(repetition_penalty, tf.float32),
        )

    @staticmethod
    def check(length_penalty: float, early_stopping: bool | str) -> None:
        """Refuses values out of their range.

        Raises:
            ValueError: one is.
        """
        if not math.isfinite(length_penalty):
            raise ValueError(f"length_penalty must be {_FINITE}, got {length_penalty}")
        if early_stopping not in EARLY_STOPPING:
            raise ValueError(
                f"early_stopping must be False, True or 'never', got {early_stopping!r}"
            )

    @classmethod
    def spec(cls) -> BeamRules:
        """The signature of any values: scalars by name."""
        whole = {"early_stopping", "min_new_tokens"}
        kinds = {x: tf.int32 if x in whole else tf.float32 for x in cls._fields}
        return cls(*(tf.TensorSpec([], kind, x) for x, kind in kinds.items()))

    def checked(self) -> BeamRules:
        """The same inside a graph that gets what numbers it gets: no finite penalty
        raises `InvalidArgumentError`."""
        penalty = self.length_penalty
        finite = tf.math.is_finite(penalty)
        wanted = f"length_penalty must be {_FINITE}"
        return self._replace(length_penalty=checked(penalty, finite, wanted))


class BeamState(NamedTuple):
    """Beam search between two steps; b rows, k beams.

    Attributes:
        step: int32 scalar, tokens written so far.
        tokens: int32 [b, k, capacity], the beams.
        scores: float32 [b, k], their log-probabilities.
        texts: int32 [b, k, capacity], the best texts that ended, best first.
        lengths: int32 [b, k], their tokens, the stop token included.
        text_scores: float32 [b, k], their log-probabilities under the length penalty.
        ended: bool [b, k], whether there are so many.
        banned: phrases that must not be written, () if none.
        phrases: int32 [b * k], how much of a banned phrase each beam ends with.
        open: bool [b], whether the beams may still improve the texts.
        seen: bool [b * k, vocabulary], tokens that a beam's prompt and text have, or
            [b * k, 0] where repetitions are not penalised.
        cache: keys and values of b * k rows.
    """

    step: tf.Tensor
    tokens: tf.Tensor
    scores: tf.Tensor
    texts: tf.Tensor
    lengths: tf.Tensor
    text_scores: tf.Tensor
    ended: tf.Tensor
    banned: BannedPhrases | tuple[()]
    phrases: tf.Tensor
    open: tf.Tensor
    seen: tf.Tensor
    cache: Cache


class BeamDecoder:
    """Finds probable texts with a causal model, in float32.

    Like `Decoder`, one XLA program per bucket.

    Args:
        model: with `call(inputs, cache)`, `empty_cache`, `logits` and `config`.
        num_beams: texts that are followed at a time.
        stop_ids: ids that end a text.
        constraints: tokens that must or must not be written.
        compiled: run the loop as an XLA program.
        penalize_repetitions: whether `BeamRules.repetition_penalty` is obeyed.
    """

    def __init__(
        self,
        model,
        num_beams: int,
        stop_ids: tuple[int, ...] = (),
        constraints: Constraints | None = None,
        compiled: bool = True,
        penalize_repetitions: bool = False,
    ):
        if num_beams < 1:
            raise ValueError(f"num_beams must be positive, got {num_beams}")
        self.model, self.num_beams = model, num_beams
        self.stop_ids = tuple(stop_ids)
        self.constraints = constraints or Constraints()
        self.penalize_repetitions = penalize_repetitions
        self.traces = 0
        plain = functools.partial(tf.function, autograph=False)
        self.fill = (island if compiled else plain)(self._fill)
        self.begin = tf.function(self.search, autograph=False, reduce_retracing=True)

    def search(
        self,
        prompts: tf.RaggedTensor,
        max_new_tokens: tf.Tensor,
        rules: BeamRules,
        context: tuple = (),
        banned: BannedPhrases | tuple[()] = (),
    ) -> tuple[tf.RaggedTensor, tf.Tensor]:
        """The best continuations of each prompt, inside a graph.

        Args:
            prompts: int32 [batch, (length)], no row empty.
            max_new_tokens: int32 scalar, at least 1.
            rules: how beams are ranked.
            context: what `model.empty_cache` takes beside, with a row per prompt.
            banned: phrases that must not be written, over prompt and text.

        Returns:
            int32 [batch * beams, (length)], each prompt's best first, with their stop
            tokens; and their scores, float32 [batch, beams].
        """
        batch = prompts.nrows()
        token_ids, hidden, cache = read(
            self.model, prompts, max_new_tokens, context, copies=self.num_beams
        )
        k, rows = self.num_beams, tf.shape(hidden)[0]
        seen, phrases = tf.zeros([rows, 0], tf.bool), tf.zeros([rows], tf.int32)
        if self.penalize_repetitions:
            seen = seen_in(token_ids, cache.padding, self.model.config.vocabulary_size)
        if banned:
            phrases = banned.read(token_ids, cache.padding)
        hidden, cache = self._for_all_beams(hidden), self._for_all_beams(cache)
        empty = tf.reshape(empty_text(cache), [rows, k, -1])
        # At first all beams are the same: only one may go on.
        scores = tf.constant([[0.0] + [_NONE] * (k - 1)])
        beams = BeamState(
            step=tf.constant(0),
            tokens=empty,
            scores=tf.repeat(scores, rows, axis=0),
            texts=empty,
            lengths=tf.zeros([rows, k], tf.int32),
            text_scores=tf.fill([rows, k], _NONE),
            ended=tf.zeros([rows, k], tf.bool),
            banned=banned,
            phrases=self._for_all_beams(phrases),
            open=tf.range(rows) < tf.cast(batch, tf.int32),
            seen=self._for_all_beams(seen),
            cache=cache,
        )
        beams = self._decode(beams, hidden, rules, max_new_tokens)
        texts = tf.RaggedTensor.from_tensor(
            tf.reshape(beams.texts[:batch], [-1, tf.shape(beams.texts)[2]]),
            lengths=tf.reshape(beams.lengths[:batch], [-1]),
        )
        return texts, beams.text_scores[:batch]

    def _decode(self, beams: BeamState, hidden, rules: BeamRules, limit) -> BeamState:
        """Writes until no text can get better or all have `limit` tokens."""
        return while_growing(
            self._advance(beams, hidden, rules, limit),
            functools.partial(self._unfinished, limit),
            lambda beams: self.fill(beams, rules, limit),
            ["tokens", "texts"],
            self.model.config,
            limit,
        )

    @staticmethod
    def _unfinished(limit, beams: BeamState) -> tf.Tensor:
        return (beams.step < limit) & tf.reduce_any(beams.open)

    def _fill(self, beams: BeamState, rules: BeamRules, limit) -> BeamState:
        """`_decode` until the cache is full."""
        self.traces += 1

        def unfinished(beams):
            return self._unfinished(limit, beams) & ~is_full(beams.cache)

        def write_one(beams):
            newest = tf.gather(beams.tokens, beams.step - 1, axis=2)
            with in_float32(self.model):
                hidden, cache = self.model(
                    {"token_ids": tf.reshape(newest, [-1, 1])}, cache=beams.cache
                )
            beams = beams._replace(cache=cache)
            return (self._advance(beams, hidden[:, 0], rules, limit),)

        return tf.while_loop(unfinished, write_one, (beams,))[0]

    def _advance(self, beams: BeamState, hidden, rules: BeamRules, limit) -> BeamState:
        """One more token for every beam, from hidden states [b * k, d]."""
        k, step = self.num_beams, beams.step
        with in_float32(self.model):
            scores = tf.nn.log_softmax(self.model.logits(hidden))
        vocabulary = scores.shape[1]
        if self.penalize_repetitions:
            scores = penalize(scores, beams.seen, rules.repetition_penalty)
        scores = not_yet(scores, self.stop_ids, step, rules.min_new_tokens)
        flat = tf.reshape(beams.tokens, [tf.shape(scores)[0], -1])
        scores = self.constraints.apply(scores, flat, step, limit)
        if beams.banned:
            scores = beams.banned.forbid(scores, beams.phrases)
        scores = tf.reshape(scores, [-1, k, vocabulary]) + beams.scores[:, :, None]
        # As many as leave k that go on if others end.
        count = max(2, 1 + len(self.stop_ids)) * k
        scores, index = tf.math.top_k(
            tf.reshape(scores, [-1, k * vocabulary]), min(count, k * vocabulary)
        )
        parent, token = index // vocabulary, index % vocabulary
        here = tf.range(tf.shape(beams.tokens)[2]) == step
        tokens = tf.gather(beams.tokens, parent, batch_dims=1)
        tokens = tf.where(here, token[:, :, None], tokens)
        stops = tf.constant(self.stop_ids, tf.int32, shape=[1, 1, len(self.stop_ids)])
        stopped = tf.reduce_any(token[:, :, None] == stops, -1) | (step + 1 == limit)

        beams = self._collect(beams, tokens, scores, stopped, rules)
        scores, chosen = tf.math.top_k(scores + tf.where(stopped, _NONE, 0.0), k)
        parent = tf.gather(parent, chosen, batch_dims=1)
        first = tf.range(tf.shape(parent)[0])[:, None] * k
        rows = tf.reshape(first + parent, [-1])
        layers = tf.nest.map_structure(lambda x: tf.gather(x, rows), beams.cache.layers)
        newest = tf.reshape(tf.gather(token, chosen, batch_dims=1), [-1])
        seen, phrases = tf.gather(beams.seen, rows), tf.gather(beams.phrases, rows)
        if self.penalize_repetitions:
            seen |= tf.one_hot(newest, vocabulary, True, False)
        if beams.banned:
            phrases = beams.banned.advance(phrases, newest)
        return beams._replace(
            step=step + 1,
            phrases=phrases,
            tokens=tf.gather(tokens, chosen, batch_dims=1),
            scores=scores,
            open=beams.open & self._may_improve(beams, scores[:, 0], rules, limit),
            seen=seen,
            cache=beams.cache._replace(layers=layers),
        )

    def _collect(self, beams: BeamState, tokens, scores, stopped, rules) -> BeamState:
        """The best of the texts that there were and those that stop now."""
        length = beams.step + 1
        new = stopped & (tf.range(tf.shape(stopped)[1]) < self.num_beams)
        taken = new & beams.open[:, None]
        scores = scores / tf.cast(length, tf.float32) ** rules.length_penalty
        scores = tf.where(taken, scores, -float("inf"))
        scores = tf.concat([beams.text_scores, scores], 1)
        scores, chosen = tf.math.top_k(scores, self.num_beams)

        def best(old, new):
            return tf.gather(tf.concat([old, new], 1), chosen, batch_dims=1)

        return beams._replace(
            texts=best(beams.texts, tokens),
            lengths=best(beams.lengths, tf.fill(tf.shape(stopped), length)),
            text_scores=scores,
            ended=best(beams.ended, taken),
        )

    def _may_improve(
        self, beams: BeamState, best, rules: BeamRules, limit
    ) -> tf.Tensor:
        """Bool [b], whether there is room for a text, or the rules let a beam of score
        `best` [b] beat the worst one."""
        hopeful = (rules.early_stopping == 2) & (rules.length_penalty > 0.0)
        length = tf.cast(tf.where(hopeful, limit, beams.step + 1), tf.float32)
        possible = best / length**rules.length_penalty
        worst = tf.reduce_min(beams.text_scores, 1)
        hopes = (rules.early_stopping != 1) & (possible > worst)
        return ~tf.reduce_all(beams.ended, 1) | hopes

    def _for_all_beams(self, tensors):
        """Every row as many times as there are beams; scalars stay."""
        return tf.nest.map_structure(
            lambda x: tf.repeat(x, self.num_beams, axis=0) if x.shape.rank else x,
            tensors,
        )
