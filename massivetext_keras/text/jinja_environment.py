"""Jinja's sandbox as transformers sets it up, in which texts know where they are from.

What a template writes, `written`, is told from what it is given: its constants are
`Traced` in the code that Jinja makes of it, and so is what it puts together.
"""

from __future__ import annotations

import functools
import itertools
import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import jinja2
import jinja2.compiler
import jinja2.ext
import jinja2.sandbox

from massivetext_keras.text.traced import (
    REPLIES,
    Traced,
    checked,
    in_reply,
    is_written,
    joined,
    text_of,
    written,
)


class _Code(jinja2.compiler.CodeGenerator):
    """Code in which constants are written and `~` keeps where its parts are from."""

    environment: ChatEnvironment

    def _constant(self, text: str) -> str:
        constants = self.environment.constants
        constants.append(written(text))
        return f"environment.constants[{len(constants) - 1}]"

    def visit_Const(self, node, frame) -> None:
        value = node.as_const(frame.eval_ctx)
        if isinstance(value, str):
            self.write(self._constant(value))
        else:
            super().visit_Const(node, frame)

    def visit_Concat(self, node, frame) -> None:
        if frame.eval_ctx.autoescape or frame.eval_ctx.volatile:
            super().visit_Concat(node, frame)
            return
        self.write("environment.concat((")
        for part in node.nodes:
            self.visit(part, frame)
            self.write(", ")
        self.write("))")

    def _output_const_repr(self, group) -> str:
        return self._constant("".join(map(str, group)))


class ChatEnvironment(jinja2.sandbox.ImmutableSandboxedEnvironment):
    """What a chat template is made in.

    Arguments:
        functions: name -> what it may call.

    Attributes:
        marks_replies: whether the template has `{% generation %}` blocks.

    >>> from massivetext_keras.text.traced import said_spans
    >>> template = ChatEnvironment({}).from_string("<s>{{ said ~ '<s>' }}")
    >>> text = template.render(said="<s>")
    >>> text, said_spans(text)
    ('<s><s><s>', [(3, 6)])
    """

    code_generator_class = _Code
    concat = staticmethod(joined)

    def __init__(self, functions: Mapping[str, Callable[..., Any]]):
        super().__init__(
            trim_blocks=True,
            lstrip_blocks=True,
            extensions=[_Generation, jinja2.ext.loopcontrols],
            optimized=False,  # constants are folded where they are written alone
            finalize=_finalized,
        )
        self.constants: list[Traced] = []
        self.marks_replies = False
        self.filters |= {
            "indent": _indented,
            "join": _joining(self.filters["join"]),
            "tojson": _to_json,
        }
        self.filters = {name: _following(some) for name, some in self.filters.items()}
        self.globals |= {name: _following(some) for name, some in functions.items()}

    def wrap_str_format(self, value: Any) -> Callable[..., str] | None:
        formatted = super().wrap_str_format(value)
        if formatted is None or not is_written(value.__self__):
            return formatted

        def follow(*args, **kwargs) -> Traced:
            text = formatted(*args, **kwargs)
            of_map = value.__name__ == "format_map"
            places, names = ((), args[0]) if of_map else (args, kwargs)
            formatter = _Formatter(self, value.__self__)
            formatter.vformat(value.__self__, places, names)
            return checked(text, formatter.parts)

        return functools.update_wrapper(follow, value)


class _Formatter(jinja2.sandbox.SandboxedFormatter):
    """Keeps the parts of a text that it formats."""

    def __init__(self, environment: jinja2.Environment, form: str):
        super().__init__(environment)
        self.form = form
        self.parts: list[str] = []

    def parse(self, form: str) -> Iterator[tuple]:
        for field in super().parse(form):
            if form is self.form:  # else how a field is to be written
                self.parts.append(written(field[0]))
            yield field

    def format_field(self, value: Any, how: str) -> str:
        text = super().format_field(value, how)
        self.parts.append(
            text_of(value) if not how else written(text) if is_written(value) else text
        )
        return text


class _Generation(jinja2.ext.Extension):
    """The block that says what an assistant writes."""

    tags = {"generation"}

    def __init__(self, environment: jinja2.Environment):
        super().__init__(environment)
        self._letters = itertools.cycle(REPLIES)

    def parse(self, parser):
        self.environment.marks_replies = True
        line = next(parser.stream).lineno
        body = parser.parse_statements(["name:endgeneration"], drop_needle=True)
        call = self.call_method("_marked")
        return jinja2.nodes.CallBlock(call, [], [], body).set_lineno(line)

    def _marked(self, caller) -> str:
        return in_reply(caller(), next(self._letters))


def _finalized(value: Any) -> Any:
    """What is written for a value: numbers are texts of the template's."""
    return value if isinstance(value, str) else text_of(value)


def _following(function: Callable[..., Any]) -> Callable[..., Any]:
    """A function whose text is written where it is made of what is written alone."""
    context = jinja2.nodes.EvalContext, jinja2.runtime.Context, jinja2.Environment

    @functools.wraps(function)
    def call(*args, **kwargs):
        value = function(*args, **kwargs)
        if type(value) is str and all(
            is_written(some) or isinstance(some, context)
            for some in (*args, *kwargs.values())
        ):
            return written(value)
        return value

    return call


def _joining(join: Callable[..., str]) -> Callable[..., str]:
    """Jinja's filter, which makes plain strings of numbers and of no separator."""
    nothing = written("")

    @functools.wraps(join)
    def call(context, value, d=nothing, attribute=None):
        if attribute is None:
            value = map(_finalized, value)
        return join(context, value, d, attribute)

    return call


def _indented(s: str, width: int | str = 4, first: bool = False, blank: bool = False):
    """Jinja's filter, whose lines are joined by a plain string."""
    text = jinja2.filters.do_indent(s, width, first, blank)
    if hasattr(text, "__html__"):
        return text
    before = width if isinstance(width, str) else written(" " * width)
    lines = Traced(s + "\n").splitlines()
    lines = [
        before + line if (blank or line if i else first) else line
        for i, line in enumerate(lines)
    ]
    return checked(text, [written("\n").join(lines)])


def _to_json(
    value: Any,
    ensure_ascii: bool = False,
    indent: int | str | None = None,
    separators: tuple[str, str] | None = None,
    sort_keys: bool = False,
) -> str:
    return json.dumps(
        value,
        ensure_ascii=ensure_ascii,
        indent=indent,
        separators=separators,
        sort_keys=sort_keys,
    )
