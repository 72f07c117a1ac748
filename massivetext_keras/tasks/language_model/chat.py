"""Replies to conversations: how they are read, written and ended."""

from __future__ import annotations

import logging
import string
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from massivetext_keras.generation.settings import Settings
from massivetext_keras.generation.texts import TextGenerator
from massivetext_keras.text.conversations import ChatTemplate, conversation_of
from massivetext_keras.text.examples import Conversation
from massivetext_keras.text.jinja_templates import (
    JinjaTemplate,
    chat_template,
    jinja_source,
)
from massivetext_keras.text.separated_templates import SeparatedTemplate
from massivetext_keras.text.strings import Texts, as_python

logger = logging.getLogger(__name__)

REPLY_TOKENS = 64  # of a reply at the most, where nobody says

# One conversation: a text of the user's, messages as dicts, or what they become.
Messages = str | Sequence[Mapping[str, str]] | Conversation


class Assistant:
    """Writes the replies of a `CausalLM` by a template.

    Args:
        lm: whose tokenizer reads conversations, and that writes.
        template: as `CausalLM` takes `chat_template`; None is "plain", which nobody
            chose.

    Attributes:
        template: conversations to text.
        is_chosen: whether somebody chose the template: it is kept with the model then.
        missing: a warning for where there should be another one, till it is said.
    """

    def __init__(self, lm: Any, template: str | Mapping[str, Any] | None = None):
        self.lm = lm
        self.is_chosen = template is not None
        self.missing = ""
        self.template = chat_template(template or "plain", lm.tokenizer)

    @property
    def source(self) -> str | dict[str, Any]:
        """The template in Jinja, or what stands before and after the messages of each
        role."""
        if isinstance(self.template, JinjaTemplate):
            return self.template.source
        return self.template.to_dict()

    @property
    def jinja(self) -> str | dict[str, str]:
        """The template in Jinja, for a folder of Hugging Face."""
        if isinstance(self.template, JinjaTemplate):
            return self.template.source
        tokenizer = self.lm.tokenizer
        return jinja_source(self.template, tokenizer is not None and tokenizer.add_bos)

    @property
    def graph_template(self) -> ChatTemplate | SeparatedTemplate | None:
        """The template as a graph can use it; None if it has no such form."""
        if isinstance(self.template, JinjaTemplate):
            return self.template.separated
        return self.template

    def warn_if_missing(self) -> None:
        """Says once that a model's own template is not known."""
        if self.missing:
            logger.warning(self.missing)
            self.missing = ""

    def replies(
        self,
        conversations: Sequence[Conversation],
        how: Settings,
        banned: Texts = (),
    ) -> list[str]:
        """Replies, the most recent message of each conversation answered."""
        writer = self._writer(how, banned)
        ids = self.read(conversations, how.max_new_tokens)
        prompts = [self.template.render(some) for some in conversations]
        asked = ids, how.max_new_tokens, how.sampling.tensors()
        found = writer.write(prompts, *asked)
        return [reply.text.lstrip(string.whitespace) for reply in found]

    def stream(
        self,
        conversation: Conversation,
        how: Settings,
        banned: Texts = (),
    ) -> Iterator[str]:
        """A reply, piece by piece."""
        writer = self._writer(how, banned)
        ids = self.read([conversation], how.max_new_tokens)
        begun, sampling = False, how.sampling.tensors()
        for piece in writer.stream(ids, how.max_new_tokens, sampling):
            piece = piece if begun else piece.lstrip(string.whitespace)
            begun = begun or bool(piece)
            if piece:
                yield piece

    def stop_ids(self) -> tuple[int, ...]:
        """The special tokens in what ends a reply: they stop it, as its text does."""
        tokenizer = self.lm.need_tokenizer()
        with tf.init_scope():  # perhaps a graph is made now
            ids = tokenizer.tokenize(self.template.end, parse_special=True)
            ids = ids.numpy().tolist()
        special = set(tokenizer.special_ids)
        return tuple(dict.fromkeys(i for i in ids if i in special))

    def stop_strings(self) -> tuple[str, ...]:
        """What ends a reply; of a template in Jinja, where no special token does."""
        end = self.template.end
        by_ids = isinstance(self.template, JinjaTemplate) and self.stop_ids()
        return () if by_ids or not end else (end,)

    def _writer(self, how: Settings, banned: Texts) -> TextGenerator:
        ends = self.stop_strings(), how.sampling.penalizes, banned, self.stop_ids()
        return self.lm.writers.text_generator(*ends)

    def read(
        self, conversations: Sequence[Conversation], max_new_tokens: int
    ) -> tf.RaggedTensor:
        """Conversations as ids that a reply follows, int32 [batch, (tokens)].

        One that is too long loses its oldest turns, which is warned about.
        """
        self.lm.check_new_tokens(max_new_tokens)
        self.warn_if_missing()
        context = self.lm.config.max_length
        room = context - max_new_tokens
        found = self.template.encode(self.lm.tokenizer, conversations, room)
        if long := np.count_nonzero(found.lost + found.cut):
            logger.warning(
                f"{long} of {len(conversations)} conversations are too long for the "
                f"context of {context} tokens with {max_new_tokens} new ones: "
                f"{tf.reduce_sum(found.lost)} of their oldest turns are left out, and "
                f"{tf.reduce_sum(found.cut)} tokens of last turns"
            )
        return found.token_ids


def conversations_of(
    messages: Messages | Sequence[Messages],
) -> tuple[list[Conversation], bool]:
    """Conversations, and whether one was given that was in no list.

    Raises:
        ValueError: a role is unknown, or a conversation empty.

    >>> conversations_of("Hi.")
    ([Conversation(texts=('Hi.',), roles=('user',))], True)
    """
    messages = as_python(messages)
    one = _is_one(messages)
    return [conversation_of(some) for some in ([messages] if one else messages)], one


def _is_one(messages: Any) -> bool:
    if isinstance(messages, str | Conversation) or not isinstance(messages, Sequence):
        return True  # or none, which is said then
    return bool(messages) and isinstance(messages[0], Mapping)
