"""Prompts to the texts that beam search finds, in one graph."""

from __future__ import annotations

from typing import NamedTuple

import tensorflow as tf

from massivetext_keras.generation.beam import BeamDecoder, BeamRules
from massivetext_keras.generation.phrases import BannedPhrases
from massivetext_keras.generation.stop_strings import StopStrings
from massivetext_keras.generation.texts import Prompts
from massivetext_keras.text.batches import of_like_length


class BeamGraphs:
    """Prompts as ids to the texts that beam search finds.

    Args:
        tokenizer: ids to strings.
        decoder: finds ids.
        bans: whether there are banned phrases.
    """

    def __init__(self, tokenizer, decoder: BeamDecoder, bans: bool = False):
        self.tokenizer, self.decoder = tokenizer, decoder
        signature = [
            tf.RaggedTensorSpec([None, None], tf.int32),
            tf.TensorSpec([], tf.int32, "max_new_tokens"),
            BeamRules.spec(),
            BannedPhrases.spec() if bans else (),
            StopStrings.spec(),
        ]
        self.search = tf.function(
            self.searched, input_signature=signature, autograph=False
        )

    def searched(
        self, token_ids, max_new_tokens, rules: BeamRules, banned, stop: StopStrings
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """The best that follows prompts, inside a graph: see `TextGraphs.continuations`
        and `BeamDecoder.search`.

        Returns:
            Texts, string, and their scores, float32 [batch, beams].
        """
        room = self.decoder.model.config.max_length - max_new_tokens
        prompts = Prompts.make(self.tokenizer, token_ids, room)
        new, scores = self.decoder.search(
            prompts.token_ids, max_new_tokens, rules, banned=banned
        )
        beams = tf.range(token_ids.nrows() * self.decoder.num_beams)
        owners = beams // self.decoder.num_beams
        prompts = Prompts(*(tf.gather(x, owners) for x in prompts))
        texts = stop.cut(prompts.continued(self.tokenizer, new))
        return tf.reshape(texts, tf.shape(scores)), scores


class BeamTexts(NamedTuple):
    """Continues texts by beam search, with some stop strings and banned phrases.

    Attributes:
        graphs, stop, banned: as those of `TextGenerator`.
    """

    graphs: BeamGraphs
    stop: StopStrings
    banned: BannedPhrases | tuple[()]

    def write(
        self, prompts, token_ids, max_new_tokens: int, rules: BeamRules
    ) -> list[list[str]]:
        """What follows prompts, the best first: see `TextGenerator.write`."""
        if not max_new_tokens:
            return [[""] * self.graphs.decoder.num_beams] * len(prompts)
        texts: list[list[str]] = [[]] * len(prompts)
        how = tf.constant(max_new_tokens), rules, self.banned, self.stop
        for some in of_like_length(prompts):
            found, _ = self.graphs.search(tf.gather(token_ids, some), *how)
            for i, row in zip(some, found.numpy(), strict=True):
                texts[i] = [text.decode() for text in row]
        return texts
