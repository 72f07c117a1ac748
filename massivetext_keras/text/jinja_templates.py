"""Chat templates in Jinja, as folders of Hugging Face have them, rendered as there."""

from __future__ import annotations

import datetime
import functools
import itertools
import json
from collections.abc import Mapping, Sequence
from typing import Any

import jinja2
import numpy as np
import tensorflow as tf

from massivetext_keras.text.conversations import (
    ROLES,
    ChatIds,
    ChatTemplate,
    as_rows,
    chat_ids,
)
from massivetext_keras.text.examples import Conversation
from massivetext_keras.text.framing import whole_characters
from massivetext_keras.text.jinja_environment import ChatEnvironment
from massivetext_keras.text.separated_templates import SeparatedTemplate, separate
from massivetext_keras.text.traced import (
    Traced,
    joined,
    read_and_replied,
    said_spans,
    written,
)

DEFAULT = "default"
_NAMED = ("bos", "eos", "pad", "unk", "mask")
# A template writes roles itself: there are no others.
_ROLES = {role: written(role) for role in ROLES}
# What a template may raise on a conversation that it is not made for.
_FAILURES = (
    jinja2.TemplateError,
    TypeError,
    ValueError,
    LookupError,
    ArithmeticError,
)
_REPLY = "Zq7Reply7qZ"

Span = tuple[int, int]


class JinjaTemplate:
    """A chat template of Hugging Face's form.

    It is rendered in a sandbox, with `messages`, `add_generation_prompt`, the names of
    the special tokens such as `bos_token`, `raise_exception`, `strftime_now` and the
    filter `tojson`; there are no tools and no documents.

    Args:
        source: the template, or several by name, of which "default" is taken.
        tokenizer: whose special tokens the template writes; None for none.

    Raises:
        ValueError: it is no Jinja, or several have no default.

    >>> template = JinjaTemplate(
    ...     "{% for m in messages %}{{ m.role }}: {{ m.content | trim }}\\n"
    ...     "{% endfor %}{% if add_generation_prompt %}assistant: {% endif %}"
    ... )
    >>> template.render(Conversation((" Hi.",), ("user",)))
    'user: Hi.\\nassistant: '
    """

    adds_bos = False  # a template writes it itself

    def __init__(self, source: str | Mapping[str, str], tokenizer=None):
        self.source = source if isinstance(source, str) else dict(source)
        if not isinstance(source, str) and DEFAULT not in source:
            raise ValueError(
                f"chat_template: there are {', '.join(source)}, and no {DEFAULT!r}"
            )
        self.text = source if isinstance(source, str) else source[DEFAULT]
        self.tokenizer = tokenizer
        self.unseparated = ""
        self.dated = False  # whether the last text has the date in it
        self.variables = {
            f"{name}_token": written(tokenizer.id_to_token(index))
            for name in _NAMED
            if (index := getattr(tokenizer, f"{name}_id", None)) is not None
        }
        self._environment = ChatEnvironment(
            {"raise_exception": _refuse, "strftime_now": self._now}
        )
        try:
            self._template = self._environment.from_string(self.text)
        except jinja2.TemplateSyntaxError as error:
            raise ValueError(
                f"chat_template: line {error.lineno}: {error.message}"
            ) from None

    def _now(self, form: str) -> str:
        self.dated = True
        return datetime.datetime.now().strftime(form)

    def render(self, conversation: Conversation, opened: bool = True) -> str:
        """A conversation as one text.

        Args:
            conversation: whose roles are known.
            opened: begin a reply after it.

        Raises:
            ValueError: the template refuses the conversation; the message is its own.
        """
        return str.__str__(self._rendered(conversation, opened))

    def writes(self, conversation: Conversation) -> bool:
        """Whether it does not refuse a conversation."""
        try:
            self.render(conversation)
        except ValueError:
            return False
        return True

    def _rendered(self, conversation: Conversation, opened: bool) -> Traced:
        messages = [
            {"role": _ROLES.get(role, role), "content": Traced(text)}
            for text, role in zip(*conversation, strict=True)
        ]
        try:
            text = self._template.render(
                messages=messages,
                add_generation_prompt=opened,
                tools=None,
                documents=None,
                **self.variables,
            )
        except _FAILURES as error:
            raise ValueError(f"chat_template: {error}") from None
        return joined([text])

    @property
    def end(self) -> str:
        """What ends a reply; "" if the template has no replies, or nothing ends them.

        Blanks around it need not follow.
        """
        try:
            whole = self.render(
                Conversation(("x", _REPLY), ("user", "assistant")), False
            )
        except ValueError:
            return ""
        after = whole.rpartition(_REPLY)[2]
        return after.strip() or after

    def cut(self, conversation: Conversation, opened: bool = True) -> list[Traced]:
        """What `render` gives, cut where replies begin and end.

        Replies are what `{% generation %}` blocks write; without such, what follows
        where one was asked for: the text with the reply begins with the one without.

        Returns:
            What is read and what is replied, in turn, first and last what is read.

        Raises:
            ValueError: the template refuses the conversation, or what is said later
                changes what was said before.
        """
        whole = self._rendered(conversation, opened)
        if self._environment.marks_replies:
            return read_and_replied(whole)
        texts, roles = conversation
        parts, place = [], 0
        for turn, role in enumerate(roles):
            if role != "assistant":
                continue
            before = Conversation(texts[:turn], roles[:turn])
            upto = Conversation(texts[: turn + 1], roles[: turn + 1])
            if not (asked := self._asked(before)):
                continue  # no such reply is ever asked for
            told = self._rendered(upto, False)
            if not whole.startswith(told):  # as Phi's, which ends all texts with it
                told = told.removesuffix(self.variables.get("eos_token", ""))
            if not (told.startswith(asked) and whole.startswith(told)):
                raise ValueError(
                    f"chat_template: message {turn} is written in another way when it "
                    "is asked for or when others follow: only a template with "
                    "{% generation %} blocks says what its reply is"
                )
            parts += [whole[place : len(asked)], whole[len(asked) : len(told)]]
            place = len(told)
        return [*parts, whole[place:]]

    def _asked(self, conversation: Conversation) -> Traced | None:
        """The text to be replied to; None where the template refuses it."""
        if not conversation.texts:
            return None
        try:
            return self._rendered(conversation, True)
        except ValueError:
            return None

    def encode(
        self,
        tokenizer,
        conversations: Sequence[Conversation],
        room: int,
        opened: bool = True,
        problems: list[str] | None = None,
    ) -> ChatIds:
        """Conversations as ids: `ChatTemplate.encode`.

        One that is too long is cut as a graph does it. Where the template has no form
        there, its oldest turns are left out, with their replies, until it fits.

        Raises:
            ValueError: the template refuses a conversation, and `problems` is None.
        """
        kept = list(conversations)
        ids: list[list[int]] = [[] for _ in kept]
        replied: list[list[int]] = [[] for _ in kept]
        lost, cut = [0] * len(kept), [0] * len(kept)
        waiting = list(range(len(kept)))
        while waiting:
            pieces = [self._pieces(kept[i], opened, problems) for i in waiting]
            for i, found in zip(waiting, _tokenized(tokenizer, pieces), strict=True):
                ids[i], replied[i] = found
            waiting = [i for i in waiting if len(ids[i]) > room]
            if waiting and self.separated is not None:
                rows = as_rows([kept[i] for i in waiting])
                fitting = chat_ids(tokenizer, self.separated, *rows, room, opened)
                columns = (x.to_list() for x in fitting[:2])
                counts = (x.numpy().tolist() for x in fitting[2:])
                for i, *row in zip(waiting, *columns, *counts, strict=True):
                    ids[i], replied[i], lost[i], cut[i] = row
                break
            shorter = {
                i: some
                for i in waiting
                if (some := _without_oldest(kept[i])) is not None
            }
            waiting = [*shorter]
            for i, some in shorter.items():
                lost[i] += len(kept[i].texts) - len(some.texts)
                kept[i] = some
        for i in (i for i, row in enumerate(ids) if len(row) > room):
            cut[i] += len(ids[i]) - room
            if not opened:  # no turn is learnt in part
                ids[i], replied[i], cut[i] = [], [], 0
                lost[i] = len(conversations[i].texts)
        return ChatIds(
            _ragged([row[-room:] for row in ids]),
            _ragged([row[-room:] for row in replied]),
            tf.constant(lost, tf.int32),
            tf.constant(cut, tf.int32),
        )

    @functools.cached_property
    def separated(self) -> SeparatedTemplate | None:
        """The template for a graph; None if it has no such form, and `unseparated` says
        why."""
        try:
            return separate(self, self.tokenizer)
        except ValueError as error:
            self.unseparated = str(error)
            return None

    def _pieces(
        self, conversation: Conversation, opened: bool, problems: list[str] | None
    ) -> list[Traced]:
        """`cut`; what is only read, and cannot be cut, is one piece."""
        try:
            return self.cut(conversation, opened)
        except ValueError as error:
            if problems is not None:
                problems.append(str(error))
                return []
            return [self._rendered(conversation, opened)]


def _refuse(message: str) -> None:
    raise jinja2.TemplateError(message)


def _tokenized(
    tokenizer, pieces: Sequence[Sequence[Traced]]
) -> list[tuple[list[int], list[int]]]:
    """Of each conversation, in pieces, its ids and which of them are replied."""
    longest = max(map(len, pieces))
    rows = [
        [_escaped(tokenizer, piece) for piece in row] + [b""] * (longest - len(row))
        for row in pieces
    ]
    ids = tokenizer.tokenize_pieces(tf.constant(rows, tf.string, [len(rows), longest]))
    each = iter(ids.to_list())
    found: list[tuple[list[int], list[int]]] = []
    for _ in rows:
        some = [next(each) for _ in range(longest)]
        marks = [[i % 2] * len(piece) for i, piece in enumerate(some)]
        found.append((sum(some, []), sum(marks, [])))
    return found


def _ragged(rows: Sequence[Sequence[int]]) -> tf.RaggedTensor:
    """Rows of ids; `tf.ragged.constant` looks at each for its type."""
    flat = np.fromiter(itertools.chain.from_iterable(rows), np.int32)
    lengths = np.fromiter(map(len, rows), np.int64)
    return tf.RaggedTensor.from_row_lengths(flat, lengths)


def _escaped(tokenizer, piece: Traced) -> bytes:
    text = whole_characters(piece)
    text = tokenizer.special_tokens.escape_text(text, said_spans(piece))
    return text.encode("utf-8", "surrogateescape")


def _without_oldest(conversation: Conversation) -> Conversation | None:
    """Without its first turns, up to the next of the user's; the system's stay."""
    texts, roles = conversation
    first = next((i for i, role in enumerate(roles) if role != "system"), len(roles))
    later = next((i for i in range(first + 1, len(roles)) if roles[i] == "user"), None)
    if later is None:
        return None
    return Conversation(texts[:first] + texts[later:], roles[:first] + roles[later:])


def chat_template(
    value: str | Mapping[str, Any], tokenizer=None
) -> ChatTemplate | JinjaTemplate:
    """A template by its name in `CHAT_TEMPLATES`, its strings, or in Jinja.

    Raises:
        ValueError: see `ChatTemplate.of` and `JinjaTemplate`.
    """
    if is_jinja(value):
        return JinjaTemplate(value, tokenizer)
    return ChatTemplate.of(value)


def is_jinja(value: Any) -> bool:
    """Whether a chat template is one in Jinja, or several.

    >>> is_jinja("{{ messages }}"), is_jinja("chatml")
    (True, False)
    """
    if isinstance(value, Mapping):
        return bool(value) and all(isinstance(text, str) for text in value.values())
    return isinstance(value, str) and ("{{" in value or "{%" in value)


def jinja_source(template: ChatTemplate, adds_bos: bool = False) -> str:
    """A template of strings in Jinja.

    Args:
        template: of this package.
        adds_bos: whether `bos_token` opens a text.

    >>> template = ChatTemplate(("", ""), ("<", ">"), ("[", "]"))
    >>> talk = Conversation(("a", "b", "c"), ("user", "assistant", "user"))
    >>> JinjaTemplate(jinja_source(template)).render(talk)
    '<a>[b]<c>['
    """

    def quoted(text: str) -> str:
        return json.dumps(text, ensure_ascii=False)

    branches: list[str] = []
    for role, (before, after) in template.to_dict().items():
        key = "elif" if branches else "if"
        said = f"{quoted(before)} + message['content'] + {quoted(after)}"
        branches.append(f"{{% {key} message['role'] == '{role}' %}}{{{{ {said} }}}}")
    start = "{{ bos_token }}" if adds_bos else ""
    opening = f"{{{{ {quoted(template.assistant[0])} }}}}"
    return (
        f"{start}{{% for message in messages %}}{''.join(branches)}{{% endif %}}"
        f"{{% endfor %}}{{% if add_generation_prompt %}}{opening}{{% endif %}}"
    )
