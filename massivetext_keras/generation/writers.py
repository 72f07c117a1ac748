"""What a causal language model writes with, made once for the same arguments."""

from __future__ import annotations

from collections.abc import Sequence

import tensorflow as tf

from massivetext_keras.generation.beam import BeamDecoder
from massivetext_keras.generation.beam_texts import BeamGraphs, BeamTexts
from massivetext_keras.generation.constraints import Constraints
from massivetext_keras.generation.decoding import Decoder
from massivetext_keras.generation.phrases import BannedPhrases
from massivetext_keras.generation.stop_strings import StopStrings
from massivetext_keras.generation.texts import TextGenerator, TextGraphs, ids_that_end
from massivetext_keras.support.threads import made_once
from massivetext_keras.text.strings import Texts, as_texts


class Writers:
    """Graphs and decoders of a task. Stop strings and banned phrases are their data:
    others need no graphs of their own.

    Args:
        task: a `CausalLM`.
    """

    def __init__(self, task):
        self.task = task

    def text_generator(
        self,
        stop: Texts = (),
        penalize: bool = False,
        banned: Texts = (),
        stop_ids: Sequence[int] = (),
    ) -> TextGenerator:
        """What samples texts, by a loop that is an XLA program.

        Args:
            stop: strings that end a text.
            penalize: whether repetitions can be discouraged.
            banned: phrases, beside the task's own, that are not written.
            stop_ids: ids that end a text, beside the tokenizer's `eos_id`.
        """
        banned = self.banned_phrases(banned)
        graphs = self._text_graphs(penalize, bool(banned), True)
        return TextGenerator(graphs, self._ends(stop_ids), stop_strings(stop), banned)

    def plain_text_generator(
        self, stop: Texts = (), stop_ids: Sequence[int] = ()
    ) -> TextGenerator:
        """What samples texts without XLA, repetitions discouraged where that is asked
        for: one graph, whatever an export is asked. The arguments are those of
        `text_generator`."""
        banned = self.banned_phrases()
        banned = banned or BannedPhrases.none(self.task.config.vocabulary_size)
        graphs = self._text_graphs(True, True, False)
        return TextGenerator(graphs, self._ends(stop_ids), stop_strings(stop), banned)

    def _ends(self, more: Sequence[int]) -> tf.Tensor:
        ids = tuple(dict.fromkeys((*ids_that_end(self.task), *more)))
        with tf.init_scope():
            return tf.constant(ids, tf.int32, [len(ids)])

    def beam_texts(
        self,
        num_beams: int,
        stop: Texts = (),
        penalize: bool = False,
        banned: Texts = (),
    ) -> BeamTexts:
        """What finds texts; the arguments are those of `text_generator`."""
        stop, banned = stop_strings(stop), self.banned_phrases(banned)
        graphs = self._beam_graphs(num_beams, penalize, bool(banned))
        return BeamTexts(graphs, stop, banned)

    def banned_phrases(self, more: Texts = ()) -> BannedPhrases | tuple[()]:
        """What keeps the task's banned phrases, and more, from being written; () where
        there is none.

        Raises:
            ValueError: the tokenizer does not allow it, or a phrase is empty.
        """
        phrases = {*self.task.banned, *as_texts("banned phrase", more)[0]}
        return self._tables(tuple(sorted(phrases))) if phrases else ()

    @made_once
    def decoder(self, penalize: bool, compiled: bool = True) -> Decoder:
        """What samples ids; it is told the ids that end a text."""
        rules = Constraints(self.task.never_ids)
        return Decoder(self.task.backbone, (), penalize, compiled, rules)

    @made_once
    def searcher(
        self, num_beams: int, stop_ids: tuple[int, ...], penalize: bool
    ) -> BeamDecoder:
        """What finds ids."""
        rules, model = Constraints(self.task.never_ids), self.task.backbone
        how = {"penalize_repetitions": penalize}
        return BeamDecoder(model, num_beams, stop_ids, rules, **how)

    @made_once
    def _text_graphs(self, penalize, bans, compiled) -> TextGraphs:
        decoder = self.decoder(penalize, compiled)
        return TextGraphs(self.task.need_tokenizer(), decoder, bans)

    @made_once
    def _beam_graphs(self, num_beams, penalize, bans) -> BeamGraphs:
        tokenizer = self.task.need_tokenizer()
        searcher = self.searcher(num_beams, ids_that_end(self.task), penalize)
        return BeamGraphs(tokenizer, searcher, bans)

    def _tables(self, phrases: tuple[str, ...]) -> BannedPhrases:
        tokenizer = self.task.need_tokenizer()
        texts = tokenizer.token_texts()
        if texts is None:
            raise ValueError(
                f"phrases cannot be banned with a {type(tokenizer).__name__}: its "
                "texts are not the sum of their tokens"
            )
        size = self.task.config.vocabulary_size
        return BannedPhrases.make(phrases, texts, size)


def stop_strings(stop: Texts) -> StopStrings:
    """From one string or several, of any kind."""
    return StopStrings.make(as_texts("stop string", stop)[0])
