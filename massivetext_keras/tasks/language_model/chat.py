"""Replies to conversations, and learning from them: what a `CausalLM` also does."""

from __future__ import annotations

import logging
import math
import string
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from massivetext_keras import data, evaluation
from massivetext_keras.generation.sampling import Sampling
from massivetext_keras.generation.scoring import HeldOutLoss
from massivetext_keras.generation.texts import TextGenerator
from massivetext_keras.support.arguments import Count
from massivetext_keras.tasks.examples import FromExamples, in_parts
from massivetext_keras.tasks.own_defaults import own_defaults
from massivetext_keras.tasks.source import HuggingFaceFolder, Source
from massivetext_keras.text.conversations import (
    ChatTemplate,
    conversation_of,
    encode_conversations,
)
from massivetext_keras.text.examples import Conversation
from massivetext_keras.text.jinja_templates import (
    JinjaTemplate,
    chat_template,
    jinja_source,
)
from massivetext_keras.text.separated_templates import SeparatedTemplate
from massivetext_keras.text.strings import Texts, as_python

logger = logging.getLogger(__name__)

_REPLY_TOKENS = 64

# One conversation: a text of the user's, messages as dicts, or what they become.
Messages = str | Sequence[Mapping[str, str]] | Conversation


class Chat(HeldOutLoss, FromExamples):
    """A mixin for `CausalLM`: conversations in, replies out.

    It learns the tokens of replies and of what ends them, as an assistant shall write
    them, and nothing else of a conversation (Ouyang et al., 2022).
    """

    fields = ("prompt", "reply", "messages")

    @classmethod
    def example(cls, fields: Mapping[str, Any]) -> Conversation:
        """A conversation from `messages`, or from a `prompt` and its `reply`."""
        if fields.get("messages") is not None:
            return conversation_of(fields["messages"])
        texts = [fields.get("prompt"), fields.get("reply")]
        if texts[0] is None:
            raise ValueError("there are no messages, and no prompt")
        texts = [text for text in texts if text is not None]
        roles = ("user", "assistant")[: len(texts)]
        return conversation_of(Conversation(tuple(texts), roles))

    def set_chat_template(self, value: str | Mapping[str, Any] | None) -> None:
        """Takes a template; None is "plain", which nobody chose."""
        self.template_is_chosen = value is not None
        self.template_missing = ""  # where there should be one, till it is said
        self.template = chat_template(value or "plain", self.tokenizer)

    @classmethod
    def fields_of(cls, row):
        if isinstance(row, list | tuple) and row and isinstance(row[0], Mapping):
            return {"messages": row}
        return super().fields_of(row)

    @property
    def chat_template(self) -> str | dict[str, Any]:
        """A template in Jinja, or what stands before and after the messages of each
        role."""
        if isinstance(self.template, JinjaTemplate):
            return self.template.source
        return self.template.to_dict()

    def chosen(self) -> dict:
        values = super().chosen()
        if not self.template_is_chosen:
            del values["chat_template"]
        return values

    def huggingface_options(self) -> dict:
        values = self.chosen()
        if "chat_template" in values and isinstance(self.template, ChatTemplate):
            add_bos = self.tokenizer is not None and self.tokenizer.add_bos
            values["chat_template"] = jinja_source(self.template, add_bos)
        return values

    def loaded_from(self, source: Source) -> None:
        if isinstance(source, HuggingFaceFolder) and not self.template_is_chosen:
            self.template_missing = (
                f"{source.name} has no chat template: messages are written as User: … "
                'Assistant: …; from_preset(…, chat_template="chatml") takes another one'
            )

    def graph_template(self) -> ChatTemplate | SeparatedTemplate | None:
        """The template as a graph can use it; None if it has no such form."""
        if isinstance(self.template, JinjaTemplate):
            return self.template.separated
        return self.template

    def _use_template(self) -> None:
        """Says once that a model's own template is not known."""
        if self.template_missing:
            logger.warning(self.template_missing)
            self.template_missing = ""

    @own_defaults()
    def chat(
        self,
        messages: Messages | Sequence[Messages],
        max_new_tokens: Count = _REPLY_TOKENS,
        temperature: float = 1.0,
        top_k: int = 0,
        top_p: float = 1.0,
        min_p: float = 0.0,
        repetition_penalty: float = 1.0,
        seed: int | None = None,
        banned: str | Sequence[str] = (),
        min_new_tokens: int = 0,
    ) -> str | list[str]:
        """Replies to conversations.

        Args:
            messages: one conversation or several: dicts with "role" ("system", "user"
                or "assistant") and "content", a `Conversation`, or a text of the
                user's. One that is too long loses its oldest turns, but for those of
                the system.
            max_new_tokens: tokens of a reply at the most.

        The other arguments are those of `generate`.

        Returns:
            A reply for a conversation, a list for a list.

        Raises:
            ValueError: a role is unknown, a conversation empty, an argument out of
                range, or there is no tokenizer.
        """
        sampling = Sampling.make(
            temperature, top_k, top_p, min_p, repetition_penalty, seed, min_new_tokens
        )
        messages = as_python(messages)
        one = _is_one(messages)
        messages = [messages] if one else messages
        conversations = [conversation_of(some) for some in messages]
        if not conversations:
            return []
        penalize = repetition_penalty != 1.0
        replies, _ = self.sure_replies(
            conversations, max_new_tokens, sampling, penalize, banned
        )
        return replies[0] if one else replies

    def sure_replies(
        self,
        conversations: Sequence[Conversation],
        max_new_tokens: int,
        sampling: Sampling,
        penalize: bool = False,
        banned: Texts = (),
    ) -> tuple[list[str], np.ndarray]:
        """Replies, and how sure the tokens of each were: see `State.lead`."""
        generator = self._chat_generator(penalize, banned)
        ids = self._read_chats(conversations, max_new_tokens)
        prompts = [self.template.render(some) for some in conversations]
        found, lead = generator.write_surely(prompts, ids, max_new_tokens, sampling)
        return [reply.lstrip(string.whitespace) for reply in found], lead

    @own_defaults()
    def chat_stream(
        self,
        messages: Messages,
        max_new_tokens: int = _REPLY_TOKENS,
        temperature: float = 1.0,
        top_k: int = 0,
        top_p: float = 1.0,
        min_p: float = 0.0,
        repetition_penalty: float = 1.0,
        seed: int | None = None,
        banned: str | Sequence[str] = (),
        min_new_tokens: int = 0,
    ) -> Iterator[str]:
        """`chat` of one conversation, piece by piece; the pieces join to the reply."""
        sampling = Sampling.make(
            temperature, top_k, top_p, min_p, repetition_penalty, seed, min_new_tokens
        )
        generator = self._chat_generator(repetition_penalty != 1.0, banned)
        ids = self._read_chats([conversation_of(messages)], max_new_tokens)
        begun = False
        for piece in generator.stream(ids, max_new_tokens, sampling):
            piece = piece if begun else piece.lstrip(string.whitespace)
            begun = begun or bool(piece)
            if piece:
                yield piece

    def chat_stop_ids(self) -> tuple[int, ...]:
        """The special tokens in what ends a reply: they stop it, as its text does."""
        tokenizer = self.need_tokenizer()
        with tf.init_scope():  # perhaps a graph is made now
            ids = tokenizer.tokenize(self.template.end, parse_special=True)
            ids = ids.numpy().tolist()
        special = set(tokenizer.special_ids)
        return tuple(dict.fromkeys(i for i in ids if i in special))

    def chat_stop_strings(self) -> tuple[str, ...]:
        """What ends a reply; of a template in Jinja, where no special token does."""
        end = self.template.end
        by_ids = isinstance(self.template, JinjaTemplate) and self.chat_stop_ids()
        return () if by_ids or not end else (end,)

    def _chat_generator(self, penalize: bool, banned) -> TextGenerator:
        stop = self.chat_stop_strings()
        return self.text_generator(stop, penalize, banned, self.chat_stop_ids())

    def _read_chats(
        self, conversations: Sequence[Conversation], max_new_tokens: int
    ) -> tf.RaggedTensor:
        self.check_new_tokens(max_new_tokens)
        self._use_template()
        context = self.config.max_length
        room = context - max_new_tokens
        found = self.template.encode(self.tokenizer, conversations, room)
        if long := np.count_nonzero(found.lost + found.cut):
            logger.warning(
                f"{long} of {len(conversations)} conversations are too long for the "
                f"context of {context} tokens with {max_new_tokens} new ones: "
                f"{tf.reduce_sum(found.lost)} of their oldest turns are left out, and "
                f"{tf.reduce_sum(found.cut)} tokens of last turns"
            )
        return found.token_ids

    def example_batches(
        self,
        examples: Sequence[Conversation],
        batch_size: int | None = 32,
        batch_tokens: int | None = None,
        max_length: int | None = None,
        training: bool = True,
    ) -> data.Batches:
        """Conversations with a weight of 1 where replies are to be predicted, else 0.

        One that is too long is cut as in `chat`.
        """
        length = self.within_context("max_length", max_length)
        tokenizer = self.need_tokenizer()
        if training:
            self._use_template()
            self.template_is_chosen = True
        problems: list[str] = []
        ids, replied, long = encode_conversations(
            tokenizer, self.template, examples, length + 1, problems
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
            batch_tokens,
            batch_size,
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
        limit = min(_REPLY_TOKENS, self.config.max_length // 2)
        replies: list[str] = []
        for some in in_parts(asked, "reply", progress):
            replies += self.chat(some, limit, temperature=0.0)
        return [{"reply": reply} for reply in replies]

    def measure(
        self,
        examples: Sequence[Conversation],
        predictions: Sequence[Mapping[str, Any]] | None = None,
    ) -> dict[str, float]:
        """What `held_out` gives, and the `scores` of replies that are there: none are
        made for it."""
        written = {} if predictions is None else self.scores(examples, predictions)
        return {**self.held_out(examples), **written}

    def held_out(self, examples: Sequence[Conversation]) -> dict[str, float]:
        """How well replies are predicted.

        Returns:
            `loss`, nats per token of the replies and of what ends them; `bits_per_byte`
            where bytes are known; and `perplexity`.
        """
        batches = self.example_batches(examples, training=False)
        measures = self.held_out_loss(batches)
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


def _is_one(messages: Any) -> bool:
    if isinstance(messages, str | Conversation) or not isinstance(messages, Sequence):
        return True  # or none, which is said then
    return bool(messages) and isinstance(messages[0], Mapping)


def _without_reply(conversation: Conversation) -> Conversation:
    """What the last reply answers."""
    texts, roles = conversation
    if roles[-1] == "assistant" and len(roles) > 1:
        texts, roles = texts[:-1], roles[:-1]
    return Conversation(texts, roles)
