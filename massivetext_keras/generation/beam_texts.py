"""Prompts to the texts that beam search finds, in one graph."""

from __future__ import annotations

from typing import NamedTuple

import tensorflow as tf

from massivetext_keras.generation.beam import BeamDecoder, BeamRules
from massivetext_keras.generation.phrases import BannedPhrases
from massivetext_keras.generation.stop_strings import StopStrings
from massivetext_keras.generation.texts import Prompts
from massivetext_keras.text.batches import in_batches


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
        limit = tf.constant(max_new_tokens, tf.int32)

        def search(_, rows):
            ids = tf.gather(token_ids, rows)
            found = self.graphs.search(ids, limit, rules, self.banned, self.stop)
            return [found[0]]

        (texts,) = in_batches(search, prompts, range(len(prompts)))
        return [[text.decode() for text in row] for row in texts]


def check_beams(
    num_beams: int,
    temperature: float = 0.0,
    top_k: int = 0,
    top_p: float = 1.0,
    min_p: float = 0.0,
    count: int = 1,
    usual: float = 0.0,
) -> None:
    """Refuses what beam search cannot do.

    Args:
        num_beams: texts that are followed at a time; with one there is no search.
        count: texts of each prompt.
        usual: a temperature that nobody asked for.

    The other arguments are those of `Sampling`.

    Raises:
        ValueError: an argument is out of range, or says how to sample beams.
    """
    if num_beams < 1:
        raise ValueError(f"num_beams must be positive, got {num_beams}")
    if count < 1:
        raise ValueError(f"num_samples must be positive, got {count}")
    if num_beams == 1:
        return
    if count > num_beams:
        raise ValueError(f"num_samples {count} is more than num_beams {num_beams}")
    given = {
        "temperature": temperature not in (0.0, usual),
        "top_k": top_k != 0,
        "top_p": top_p != 1.0,
        "min_p": min_p != 0.0,
    }
    for name, is_given in given.items():
        if is_given:
            raise ValueError(f"beams take no {name}: give one or the other")
