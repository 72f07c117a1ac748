"""What a `CausalLM` learns to reply from: conversations."""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping, Sequence
from typing import Any

import tensorflow as tf

from massivetext_keras import data, evaluation
from massivetext_keras.generation.scoring import held_out_loss
from massivetext_keras.tasks.examples import Examples, in_parts
from massivetext_keras.tasks.language_model.chat import REPLY_TOKENS
from massivetext_keras.text.conversations import conversation_of, encode_conversations
from massivetext_keras.text.examples import Conversation

logger = logging.getLogger(__name__)


class Conversations(Examples):
    """Conversations, whose replies are learnt.

    What is learnt are the tokens of replies and of what ends them, as an assistant
    shall write them, and nothing else of a conversation (Ouyang et al., 2022).
    """

    fields = ("prompt", "reply", "messages")

    @classmethod
    def example(cls, fields: Mapping[str, Any]) -> Conversation:
        """A conversation from `messages`, or from a `prompt` and its `reply`."""
        if fields.get("messages") is not None:
            return conversation_of(fields["messages"])
        if fields.get("prompt") is None:
            raise ValueError("there are no messages, and no prompt")
        said = (fields.get("prompt"), fields.get("reply"))
        texts = [text for text in said if text is not None]
        roles = ("user", "assistant")[: len(texts)]
        return conversation_of(Conversation(tuple(texts), roles))

    @classmethod
    def fields_of(cls, row: Any) -> dict[str, Any]:
        if isinstance(row, list | tuple) and row and isinstance(row[0], Mapping):
            return {"messages": row}
        return super().fields_of(row)

    def batches(
        self,
        examples: Sequence[Conversation],
        how: data.Batching,
        training: bool = True,
    ) -> data.Batches:
        """Conversations with a weight of 1 where replies are to be predicted, else 0.

        One that is too long is cut as in `chat`.
        """
        length = self.task.within_context("max_length", how.length)
        tokenizer, assistant = self.task.need_tokenizer(), self.task.assistant
        if training:
            assistant.warn_if_missing()
            assistant.is_chosen = True
        problems: list[str] = []
        ids, replied, long = encode_conversations(
            tokenizer, assistant.template, examples, length + 1, problems
        )
        kept = [i for i, row in enumerate(replied) if row[1:].any()]
        if not kept:
            why = f": {problems[0]}" if problems else ""
            raise ValueError(
                f"{len(ids):,} conversations: none has a reply that fits{why}"
            )
        if problems:
            logger.warning(
                "%s of %s conversations cannot be written: %s",
                f"{len(problems):,}",
                f"{len(ids):,}",
                problems[0],
            )
        if len(kept) < len(ids):
            logger.warning(
                "%s of %s conversations have no reply: they are left out",
                f"{len(ids) - len(kept):,}",
                f"{len(ids):,}",
            )
        if long:
            logger.warning(
                "%s of %s conversations are longer than %s tokens: they lose their "
                "oldest turns",
                f"{long:,}",
                f"{len(ids):,}",
                f"{length:,}",
            )
        rows = data.BucketedRows(
            [[ids[i] for i in kept]],
            how.batch_tokens,
            how.batch_size,
            aligned=[[replied[i] for i in kept]],
        )
        if training:
            rows.log("conversations")
        return data.Batches(rows, _batch)

    def is_answered(self, example: Conversation) -> bool:
        """Whether an example has a reply."""
        return "assistant" in example.roles

    def predictions(
        self, examples: Sequence[Conversation], progress: bool = False
    ) -> list[dict[str, str]]:
        """The most probable reply, token by token, where each last one stands."""
        asked = [_without_reply(example) for example in examples]
        limit = min(REPLY_TOKENS, self.task.config.max_length // 2)
        replies: list[str] = []
        for some in in_parts(asked, "reply", progress):
            replies += self.task.chat(some, limit, temperature=0.0)
        return [{"reply": reply} for reply in replies]

    def measure(
        self,
        examples: Sequence[Conversation],
        predictions: Sequence[Mapping[str, Any]] | None = None,
    ) -> dict[str, float]:
        """What `held_out` gives, and the `scores` of replies that are there: none are
        made for it."""
        written = {} if predictions is None else self.task.scores(examples, predictions)
        return {**self.held_out(examples), **written}

    def held_out(self, examples: Sequence[Conversation]) -> dict[str, float]:
        """How well replies are predicted.

        Returns:
            `loss`, nats per token of the replies and of what ends them; `bits_per_byte`
            where bytes are known; and `perplexity`.
        """
        batches = self.task.example_batches(examples, training=False)
        measures = held_out_loss(self.task, batches)
        return {**measures, "perplexity": math.exp(measures["loss"])}

    def scores(
        self,
        examples: Sequence[Conversation],
        predictions: Sequence[Mapping[str, Any]],
    ) -> dict[str, float]:
        """`chrf` of the last replies; {} where there are none to compare with."""
        pairs = [
            (found["reply"], example.texts[-1])
            for found, example in zip(predictions, examples, strict=True)
            if example.roles[-1] == "assistant"
        ]
        if not pairs:
            return {}
        return {"chrf": evaluation.chrf(*zip(*pairs, strict=True))}


def _batch(ids: tf.Tensor, mask: tf.Tensor, replied: tf.Tensor) -> tuple:
    """Rows, int32 [batch, tokens], as a batch for `fit`."""
    mask = mask[:, 1:]
    features = {"token_ids": ids[:, :-1] * mask, "padding_mask": mask}
    return features, ids[:, 1:], tf.cast(replied[:, 1:] * mask, tf.float32)


def _without_reply(conversation: Conversation) -> Conversation:
    """What the last reply answers."""
    texts, roles = conversation
    if roles[-1] == "assistant" and len(roles) > 1:
        texts, roles = texts[:-1], roles[:-1]
    return Conversation(texts, roles)
