"""Chat templates in Jinja as strings around messages, for a graph to put together."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

import tensorflow as tf

from massivetext_keras.text.conversations import ChatIds, as_rows, chat_ids
from massivetext_keras.text.examples import Conversation

# What Python calls white space.
_WS = r"[\t-\r\x1c- \x{85}\p{Z}]+"
_BLANKS = "\u3000 \n"
_SIDES = {"left": rf"\A{_WS}", "right": rf"{_WS}\z"}
_MERGED = "merged"
# What a template may look into.
_TEXTS = (
    "",
    " a\n\nb\n",
    "\n\u3000",
    "{{ x }} {% y %}",
    "<think>\nx\n</think>\n\ny",
    "\"quoted' \\n",
    "<s>[INST] x [/INST]</s><|im_end|>",
    "Über 你好 😀",
    "system",
)
_ROOM = 1 << 20
_TALK = ("user", "assistant", "user", "assistant", "user")
_HELPED = ("system", "user", "assistant", "user")


@dataclasses.dataclass(frozen=True)
class SeparatedTemplate:
    """What a template in Jinja writes before and after the messages of each role.

    Attributes:
        start: what every text begins with.
        no_system: what follows where no message of the system does.
        around: role -> what stands before and after its messages; "merged" is a user
            just after the system. Before an assistant's message: what opens a reply.
            Without "system" the template refuses one.
        lead: what a reply begins with.
        strips: role -> the sides of its messages that lose their white space.
    """

    start: str
    no_system: str
    around: Mapping[str, tuple[str, str]]
    lead: str
    strips: Mapping[str, tuple[str, ...]]

    adds_bos = False

    def beginning(self, roles: tf.Tensor) -> tf.Tensor:
        """What stands before the first message, string [batch]."""
        helped = tf.reduce_any(roles[:, :1] == "system", axis=1)
        return tf.strings.join([self.start, tf.where(helped, "", self.no_system)])

    def pieces(
        self,
        roles: tf.Tensor,
        texts: tf.Tensor,
        opened: bool = True,
        escape: Callable[[tf.Tensor], tf.Tensor] = tf.identity,
    ) -> tf.Tensor:
        """As `ChatTemplate.pieces`, without the beginning."""
        kinds = self._kinds(roles)
        before, said, after = (tf.zeros_like(texts) for _ in range(3))
        for kind, around in self.around.items():
            text = texts
            for side in self.strips.get(kind, ()):
                text = tf.strings.regex_replace(text, _SIDES[side], "")
            here = kinds == kind
            before = tf.where(here, around[0], before)
            said = tf.where(here, text, said)
            after = tf.where(here, around[1], after)
        replies = kinds == "assistant"
        lead = tf.where(replies, self.lead, "")
        said = tf.strings.join([lead, escape(said), after])
        read = tf.strings.join([before, tf.where(replies, "", said)])
        both = tf.stack([read, tf.where(replies, said, "")], axis=2)
        rows, turns = tf.unstack(tf.shape(roles))
        opening = tf.fill([rows, 1], self.around["assistant"][0] if opened else "")
        return tf.concat([tf.reshape(both, tf.stack([rows, 2 * turns])), opening], 1)

    def _kinds(self, roles: tf.Tensor) -> tf.Tensor:
        """Which strings are around each message; "" pads."""
        known = (roles == "") | (roles == "system") | (roles == "assistant")
        kinds = tf.where(known, roles, "user")
        if "system" not in self.around:
            known = tf.reduce_all(kinds != "system")
            refused = tf.debugging.Assert(known, ["the chat template has no system"])
            if refused is not None:  # inside a graph
                with tf.control_dependencies([refused]):
                    return tf.identity(kinds)
            return kinds
        after = tf.pad(kinds, [[0, 0], [1, 0]], constant_values="")[:, :-1] == "system"
        return tf.where(after & (kinds == "user"), _MERGED, kinds)


class Rendered(Protocol):
    """What is asked of a template in Jinja, a `JinjaTemplate`."""

    dated: bool

    @property
    def variables(self) -> Mapping[str, str]: ...

    def render(self, conversation: Conversation, opened: bool = True) -> str: ...

    def writes(self, conversation: Conversation) -> bool: ...

    def encode(
        self, tokenizer, conversations: Sequence[Conversation], room: int
    ) -> ChatIds: ...


def separate(template: Rendered, tokenizer) -> SeparatedTemplate:
    """The strings that a template writes, if it writes the same ones for all messages.

    They are read off what it writes of a few conversations, and tried on others.

    Args:
        template: in Jinja.
        tokenizer: whose ids must be the same, too.

    Raises:
        ValueError: it does not; the message says on what conversation.
    """
    template.dated = False
    try:
        found = _separated(template)
    except _OtherForm as error:
        raise ValueError(f"chat_template: in a graph it has no form: {error}") from None
    if template.dated:
        raise ValueError("chat_template: in a graph it has no form: it writes the date")
    _check(template, found, tokenizer)
    return found


class _OtherForm(Exception):
    pass


def _separated(template: Rendered) -> SeparatedTemplate:
    talk = _gaps(template, _TALK, False)
    opened = _gaps(template, _TALK, True)[-1]
    answered = _gaps(template, _TALK[:2], False)[-1]
    eos = template.variables.get("eos_token", "")
    # some end a text that opens no reply with it
    user_after, assistant_after = (
        end if following.startswith(end) else end.removesuffix(eos)
        for end, following in ((talk[-1], opened), (answered, talk[2]))
    )
    opening = _rest(opened, user_after)
    lead = _rest(talk[1], opened)
    user_before = _rest(talk[2], assistant_after)
    if talk[1] != talk[3] or talk[2] != talk[4]:
        raise _OtherForm("later messages are written otherwise")
    if not talk[0].endswith(user_before):
        raise _OtherForm("the first message is written otherwise")
    no_system = talk[0].removesuffix(user_before)
    start = ""
    around = {
        "user": (user_before, user_after),
        "assistant": (opening, assistant_after),
    }
    strips = {
        "user": _strips(template, _TALK[:3], 2),
        "assistant": _strips(template, _TALK[:3], 1),
    }
    try:
        helped = _gaps(template, _HELPED, False)
    except ValueError:
        helped = None
    if helped is not None:
        bos = template.variables.get("bos_token", "")
        if helped[0].startswith(bos) and no_system.startswith(bos):
            start, no_system = bos, no_system.removeprefix(bos)
        own = helped[1].endswith(user_before)
        after = helped[1].removesuffix(user_before) if own else helped[1]
        around["system"] = (helped[0].removeprefix(start), after)
        around[_MERGED] = (user_before if own else "", user_after)
        strips["system"] = _strips(template, _HELPED, 0)
        strips[_MERGED] = _strips(template, _HELPED, 1)
    return SeparatedTemplate(start, no_system, around, lead, strips)


def _gaps(
    template: Rendered, roles: Sequence[str], opened: bool, blanks: int = -1
) -> list[str]:
    """What stands before, between and after messages, one of which may have blanks."""
    words = [f"Zq{i}qZ" for i in range(len(roles))]
    texts = [
        _BLANKS + word + _BLANKS if i == blanks else word
        for i, word in enumerate(words)
    ]
    text = template.render(Conversation(tuple(texts), tuple(roles)), opened)
    gaps = []
    for word in words:
        if text.count(word) != 1:
            raise _OtherForm("a message is not written once, in its place")
        before, _, text = text.partition(word)
        gaps.append(before)
    return [*gaps, text]


def _rest(text: str, beginning: str) -> str:
    if not text.startswith(beginning):
        raise _OtherForm(f"{beginning!r} is not what always stands there")
    return text.removeprefix(beginning)


def _strips(template: Rendered, roles: Sequence[str], place: int) -> tuple[str, ...]:
    plain = _gaps(template, roles, False)[place : place + 2]
    found = _gaps(template, roles, False, place)[place : place + 2]
    kept = plain[0] + _BLANKS, _BLANKS + plain[1]
    sides = []
    for side, one, bare, blank in zip(_SIDES, found, plain, kept, strict=True):
        if one == bare:
            sides.append(side)
        elif one != blank:
            raise _OtherForm("some white space of a message is lost")
    return tuple(sides)


def _check(template: Rendered, found: SeparatedTemplate, tokenizer) -> None:
    """Compares the ids of both on texts that a template may look into."""
    talks = []
    for k in range(len(_TEXTS)):
        some = _TEXTS[k:] + _TEXTS[:k]
        for roles in (_TALK[:1], _TALK, _HELPED):
            talk = Conversation(some[: len(roles)], roles)
            # a system that says nothing may be none, and what is blank just after it
            # may take more blanks with it
            if roles != _HELPED or all(text.strip() for text in some[:2]):
                talks += [talk] if template.writes(talk) else []
    wanted = template.encode(tokenizer, talks, _ROOM).token_ids.to_list()
    given = chat_ids(tokenizer, found, *as_rows(talks), _ROOM).token_ids.to_list()
    for talk, *both in zip(talks, wanted, given, strict=True):
        if both[0] != both[1]:
            raise ValueError(
                "chat_template: in a graph it has no form: it writes messages by what "
                f"they are, as in {talk}"
            )
