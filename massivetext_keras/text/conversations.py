"""Conversations as one row of tokens, for a causal model to answer or to learn from."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import tensorflow as tf

from massivetext_keras.support.values import choose, nearest
from massivetext_keras.text.examples import Conversation
from massivetext_keras.text.framing import utf8
from massivetext_keras.text.strings import as_python

if TYPE_CHECKING:
    from massivetext_keras.text.separated_templates import SeparatedTemplate

ROLES = ("system", "user", "assistant")
_AT_ONCE = 256


@dataclasses.dataclass(frozen=True)
class ChatTemplate:
    """What stands before and after the messages of each role.

    A reply is opened by what stands before the assistant's messages, and ended by what
    stands after them.

    Attributes:
        system, user, assistant: two strings, those of the assistant not empty.

    >>> template = ChatTemplate.of("plain")
    >>> template.render(Conversation(("Hi.",), ("user",)))
    'User: Hi.\\n\\nAssistant: '
    >>> ChatTemplate.of("chatml").end
    '<|im_end|>'
    """

    system: tuple[str, str]
    user: tuple[str, str]
    assistant: tuple[str, str]

    @classmethod
    def of(cls, value: str | Mapping[str, Sequence[str]]) -> ChatTemplate:
        """A template by its name in `CHAT_TEMPLATES`, or by its strings.

        Raises:
            ValueError: there is no such template, or a role is missing, unknown, or has
                other than two strings; or nothing opens or ends a reply.
        """
        if isinstance(value, str):
            return choose("chat template", value, CHAT_TEMPLATES)
        for role in value:
            check_role(role)
        for role in ROLES:
            both = value.get(role, ())
            if len(both) != 2 or not all(isinstance(x, str) for x in both):
                raise ValueError(
                    f"chat_template: {role!r} needs two strings, what stands before "
                    f"and after its messages; got {value.get(role)!r}"
                )
        if not all(value["assistant"]):
            raise ValueError("chat_template: nothing opens or ends a reply")
        return cls(**{role: (value[role][0], value[role][1]) for role in ROLES})

    def to_dict(self) -> dict[str, list[str]]:
        """The strings by role, for JSON."""
        return {role: list(getattr(self, role)) for role in ROLES}

    @property
    def end(self) -> str:
        """What ends a reply; blanks around it need not follow."""
        return self.assistant[1].strip() or self.assistant[1]

    def render(self, conversation: Conversation, opened: bool = True) -> str:
        """A conversation as one text.

        Args:
            conversation: whose roles are known.
            opened: begin a reply after it.
        """
        parts = []
        for text, role in zip(*conversation, strict=True):
            before, after = getattr(self, role)
            parts += [before, text, after]
        return "".join([*parts, self.assistant[0] if opened else ""])

    adds_bos = True  # whether the tokenizer's bos_id opens a row, if it says `add_bos`

    def beginning(self, roles: tf.Tensor) -> tf.Tensor | None:
        """What stands before the first message, string [batch]; None for nothing."""

    def writes(self, conversation: Conversation) -> bool:
        """Whether it does not refuse a conversation."""
        return True

    def encode(
        self,
        tokenizer,
        conversations: Sequence[Conversation],
        room: int,
        opened: bool = True,
        problems: list[str] | None = None,
    ) -> ChatIds:
        """Conversations as ids.

        Args:
            tokenizer, room, opened: see `chat_ids`.
            conversations: at least one.
            problems: why some cannot be written are added to it; these have no ids.
        """
        return chat_ids(tokenizer, self, *as_rows(conversations), room, opened)

    def pieces(
        self,
        roles: tf.Tensor,
        texts: tf.Tensor,
        opened: bool = True,
        escape: Callable[[tf.Tensor], tf.Tensor] = tf.identity,
    ) -> tf.Tensor:
        """What `render` joins, cut where replies begin and end, inside a graph.

        Args:
            roles: string [batch, turns]; "" pads, and what is no role is a user.
            texts: string [batch, turns].
            opened: begin a reply.
            escape: strings to strings, of what is said in the form that is written.

        Returns:
            string [batch, 2 turns + 1]: of each turn what is read and what is replied,
            one of which may be empty, and what opens the reply.
        """
        replies = roles == "assistant"

        def around(place: int) -> tf.Tensor:
            system, user, assistant = (getattr(self, role)[place] for role in ROLES)
            other = tf.where(roles == "system", system, user)
            return tf.where(replies, assistant, other)

        said = tf.strings.join([escape(texts), around(1)])
        read = tf.strings.join([around(0), tf.where(replies, "", said)])
        both = tf.stack([read, tf.where(replies, said, "")], axis=2)
        both = tf.where((roles == "")[:, :, None], "", both)
        rows = tf.shape(roles)[0]
        opening = tf.fill([rows, 1], self.assistant[0] if opened else "")
        size = 2 * tf.shape(roles)[1]
        return tf.concat([tf.reshape(both, tf.stack([rows, size])), opening], axis=1)


CHAT_TEMPLATES = {
    "plain": ChatTemplate(
        system=("", "\n\n"),
        user=("User: ", "\n\n"),
        assistant=("Assistant: ", "\n\n"),
    ),
    "chatml": ChatTemplate(
        **{role: (f"<|im_start|>{role}\n", "<|im_end|>\n") for role in ROLES}
    ),
}
"""How turns are written as one text, by name."""


def check_role(role: Any) -> None:
    """Refuses what is no role.

    Raises:
        ValueError: names the nearest one.
    """
    if role not in ROLES:
        raise ValueError(f"unknown role {role!r}: {nearest(str(role), ROLES)}")


def conversation_of(messages: Any) -> Conversation:
    """A conversation from a text of the user's, messages as dicts, or itself.

    Raises:
        ValueError: it is none of these, or it is empty.

    >>> conversation_of([{"role": "user", "content": "Hi."}])
    Conversation(texts=('Hi.',), roles=('user',))
    """
    messages = as_python(messages)
    if isinstance(messages, str):
        return Conversation((messages,), ("user",))
    if not isinstance(messages, Conversation):
        if not isinstance(messages, Sequence):
            raise ValueError("messages are no list")
        pairs = []
        for message in messages:
            if not isinstance(message, Mapping) or not {"role", "content"} <= {
                *message
            }:
                raise ValueError("a message has no role and content")
            pairs.append((message["content"], message["role"]))
        messages = Conversation(*zip(*pairs, strict=True)) if pairs else ((), ())
    texts, roles = messages
    if not texts or len(texts) != len(roles):
        raise ValueError(
            "a conversation has no messages, or other than a role for each"
        )
    for role in roles:
        check_role(role)
    if not all(isinstance(text, str) for text in texts):
        raise ValueError("what a message says is no string")
    return Conversation(tuple(texts), tuple(roles))


def as_rows(conversations: Sequence[Conversation]) -> tuple[tf.Tensor, tf.Tensor]:
    """Roles and texts, string [batch, turns], padded with "".

    >>> roles, _ = as_rows([Conversation(("a", "b"), ("user", "assistant"))])
    >>> roles.numpy().tolist()
    [[b'user', b'assistant']]
    """
    longest = max(len(c.texts) for c in conversations)
    return tuple(
        tf.constant([[*side, *[""] * (longest - len(side))] for side in sides])
        for sides in (
            [c.roles for c in conversations],
            [[utf8(text) for text in c.texts] for c in conversations],
        )
    )


class ChatIds(NamedTuple):
    """Conversations as ids.

    Attributes:
        token_ids: int32 [batch, (length)].
        replied: int32 [batch, (length)], 1 for the tokens of replies and of what ends
            them.
        lost: int32 [batch], turns that were left out.
        cut: int32 [batch], tokens that the last turn lost.
    """

    token_ids: tf.RaggedTensor
    replied: tf.RaggedTensor
    lost: tf.Tensor
    cut: tf.Tensor


def chat_ids(
    tokenizer,
    template: ChatTemplate | SeparatedTemplate,
    roles: tf.Tensor,
    texts: tf.Tensor,
    room: tf.Tensor | int,
    opened: bool = True,
) -> ChatIds:
    """Conversations as ids, inside a graph.

    What is replied is tokenized by itself, so that in training its tokens are those
    that a model will write after what it has read. Where a conversation is too long,
    its oldest exchanges are left out, a reply with its question, but for the turns of
    the system; before a reply that is to be written the last turn stays, and loses its
    beginning. Of a conversation to learn from, no turn is cut: newest exchanges that
    are too long by themselves, or have no reply, are left out too.

    Special tokens that the template names are those; in what is said they are
    characters.

    Args:
        tokenizer: strings to ids; `bos_id` opens a row if it says `add_bos`.
        template: puts messages into one text.
        roles, texts: string [batch, turns], see `ChatTemplate.pieces`.
        room: tokens of a row, at least 1.
        opened: begin a reply.

    >>> from massivetext_keras.tokenizers import ByteTokenizer
    >>> rows = as_rows([Conversation(("a", "b"), ("user", "assistant"))])
    >>> template = ChatTemplate(("", ""), ("u", "."), ("a", "!"))
    >>> ids = chat_ids(ByteTokenizer(), template, *rows, 99, opened=False)
    >>> ByteTokenizer().detokenize(ids.token_ids).numpy().tolist()
    [b'ua.ab!']
    >>> ids.replied.to_list()
    [[0, 0, 0, 0, 1, 1]]
    """
    pieces = template.pieces(roles, texts, opened, tokenizer.escape)
    if (beginning := template.beginning(roles)) is not None:
        # a turn that is always kept
        pieces = tf.concat(
            [tf.stack([beginning, tf.fill(tf.shape(beginning), "")], 1), pieces], 1
        )
        roles = tf.pad(roles, [[0, 0], [1, 0]], constant_values="system")
    rows, count = tf.unstack(tf.shape(pieces))
    ids = tokenizer.tokenize_pieces(pieces)
    lengths = tf.reshape(tf.cast(ids.row_lengths(), tf.int32), [rows, count])
    turns = tf.reshape(lengths[:, :-1], tf.stack([rows, count // 2, 2]))
    add_bos = tokenizer.add_bos and template.adds_bos
    room = tf.maximum(room - add_bos, 1)
    spare = room - lengths[:, -1:]
    kept = _kept(roles, tf.reduce_sum(turns, axis=2), spare, opened)
    of_piece = tf.pad(
        tf.repeat(kept, 2, axis=1), [[0, 0], [0, 1]], constant_values=True
    )
    replies = tf.broadcast_to(tf.range(count) % 2, [rows, count])
    replied = tf.repeat(tf.reshape(replies, [-1]), ids.row_lengths())
    used = tf.repeat(tf.reshape(of_piece, [-1]), ids.row_lengths())
    sizes = tf.reduce_sum(tf.where(of_piece, lengths, 0), axis=1)

    def joined(values: tf.Tensor, first: int | None) -> tf.RaggedTensor:
        values = tf.boolean_mask(values, used)
        values = tf.RaggedTensor.from_row_lengths(values, tf.cast(sizes, tf.int64))
        values = values[:, -room:]
        if not add_bos:
            return values
        return tf.concat([tf.fill([rows, 1], tf.constant(first, tf.int32)), values], 1)

    return ChatIds(
        joined(ids.flat_values, tokenizer.bos_id),
        joined(replied, 0),
        tf.reduce_sum(tf.cast(~kept & (roles != ""), tf.int32), axis=1),
        tf.maximum(sizes - room, 0),
    )


def _kept(
    roles: tf.Tensor, sizes: tf.Tensor, room: tf.Tensor, opened: bool
) -> tf.Tensor:
    """Which turns fit, bool [batch, turns]: the system's, and the newest exchanges.

    An exchange, of questions and the replies that follow them, is kept as a whole or
    not at all. Before a reply that is still to be written the last turn stays in any
    case; else the newest exchange that is kept is one with a reply, unless all fit.

    Args:
        roles: string [batch, turns].
        sizes: int32 [batch, turns], tokens.
        room: int32 [batch, 1], for all turns together.
        opened: whether a reply is to be written.
    """
    system = roles == "system"
    room -= tf.reduce_sum(tf.where(system, sizes, 0), axis=1, keepdims=True)
    # the turns of the system first: the others then follow one another
    order = tf.argsort(tf.cast(~system, tf.int32), axis=1, stable=True)
    system, sizes, roles = (
        tf.gather(x, order, batch_dims=1) for x in (system, sizes, roles)
    )
    sizes, reply = tf.where(system, 0, sizes), roles == "assistant"
    begins = ~reply[:, 1:] & reply[:, :-1]
    exchange = tf.cumsum(tf.cast(tf.pad(begins, [[0, 0], [1, 0]]), tf.int32), axis=1)
    rows, turns = tf.unstack(tf.shape(roles))
    segment = exchange + turns * tf.range(rows)[:, None]

    def of_exchange(reduce, values: tf.Tensor) -> tf.Tensor:
        return tf.gather(reduce(values, segment, rows * turns), segment)

    if not opened:
        fits = of_exchange(tf.math.unsorted_segment_sum, sizes) <= room
        learnt = of_exchange(tf.math.unsorted_segment_max, tf.cast(reply, tf.int32)) > 0
        last = tf.where(fits & learnt, exchange, -1)
        later = exchange > tf.reduce_max(last, axis=1, keepdims=True)
        later &= tf.reduce_sum(sizes, axis=1, keepdims=True) > room
        sizes = tf.where(later, 0, sizes)
    from_here = tf.cumsum(sizes, axis=1, reverse=True)
    kept = of_exchange(tf.math.unsorted_segment_max, from_here) <= room
    if opened:
        kept |= from_here == sizes
    else:
        kept &= ~later
    return tf.gather(system | kept, tf.argsort(order, axis=1), batch_dims=1)


def encode_conversations(
    tokenizer,
    template: ChatTemplate,
    conversations: Sequence[Conversation],
    room: int,
    problems: list[str] | None = None,
) -> tuple[list[np.ndarray], list[np.ndarray], int]:
    """Ids of conversations, and which of them are replied; see `ChatTemplate.encode`.

    Returns:
        int32 [length] of each conversation; the same of `replied`; and how many lost
        turns, or a part of the last.
    """
    ids, replied, long = [], [], 0
    for i in range(0, len(conversations), _AT_ONCE):
        some = conversations[i : i + _AT_ONCE]
        found = template.encode(tokenizer, some, room, False, problems)
        cuts = found.token_ids.row_splits.numpy()[1:-1]
        ids += np.split(found.token_ids.flat_values.numpy(), cuts)
        replied += np.split(found.replied.flat_values.numpy(), cuts)
        long += np.count_nonzero(found.lost + found.cut)
    return ids, replied, long
