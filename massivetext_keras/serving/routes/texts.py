"""OpenAI's interface for texts that are written: completions and chats."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import secrets
import string
import time
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from typing import Any, NamedTuple

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from massivetext_keras.serving.fields import Fields, as_text, read_object
from massivetext_keras.serving.models.model import Model
from massivetext_keras.serving.refusals import Refusal
from massivetext_keras.serving.requests import Finish, GenerationRequest, Piece
from massivetext_keras.serving.routes.answers import as_json, model_with
from massivetext_keras.serving.routes.options import (
    CHAT_FIELDS,
    COMPLETION_FIELDS,
    IGNORED,
    ONLY,
    Options,
    prompts_of,
    read_options,
)
from massivetext_keras.serving.service import Service
from massivetext_keras.serving.writing import Writing, text_of, tokens_of
from massivetext_keras.text.conversations import conversation_of
from massivetext_keras.text.examples import Conversation

_COMPLETION_TOKENS = 16  # as OpenAI has it
_REPLY_TOKENS = 64
_ROLES = ("system", "user", "assistant")
_SAME_ROLES = {"developer": "system"}


class Form(NamedTuple):
    """How an interface says what was written.

    Attributes:
        prefix: of ids.
        whole, part: what an answer, and a part of a stream, is called.
        is_chat: which of the two.
    """

    prefix: str
    whole: str
    part: str
    is_chat: bool


COMPLETION = Form("cmpl", "text_completion", "text_completion", False)
CHAT = Form("chatcmpl", "chat.completion", "chat.completion.chunk", True)


class Asked(NamedTuple):
    """All of a request for texts.

    Attributes:
        model: that writes them.
        options: how.
        requests: for the engine, all choices of all prompts.
        form: of the answer.
        echo: what stands before each text.
    """

    model: Model
    options: Options
    requests: Sequence[GenerationRequest]
    form: Form
    echo: Sequence[str]


class Written(NamedTuple):
    """One text, whole."""

    text: str
    token_ids: tuple[int, ...]
    logprobs: tuple[float, ...]
    finish: Finish


async def completions(service: Service, request: Request) -> Response:
    """POST /v1/completions."""
    body = read_object(await request.body())
    fields = Fields(body, COMPLETION_FIELDS, ONLY, IGNORED)
    model = model_with(service, fields.text("model"), "text")
    options = read_options(fields, model, service.limits, _COMPLETION_TOKENS, False)
    prompts = prompts_of(fields, service.limits)
    texts = [await _text_of(model, prompt) for prompt in prompts]
    await service.moderator_of(model, written=False).check(texts, "prompt")
    echo = [""] * len(texts)
    if fields.flag("echo"):
        if options.logprobs:
            raise Refusal(422, "echo goes with no logprobs", "echo")
        echo = texts
    asked = Asked(
        model,
        options,
        options.requests(prompts),
        COMPLETION,
        [text for text in echo for _ in range(options.choices)],
    )
    return await _answer(service, asked)


async def chats(service: Service, request: Request) -> Response:
    """POST /v1/chat/completions."""
    body = read_object(await request.body())
    only = {k: v for k, v in ONLY.items() if k not in ("best_of", "suffix")}
    fields = Fields(body, CHAT_FIELDS, only, IGNORED)
    model = model_with(service, fields.text("model"), "text")
    if not _chats(model):
        raise Refusal(404, f"model {model.name} has no chats", "model")
    messages = _messages(fields.get("messages"))
    options = read_options(fields, model, service.limits, _REPLY_TOKENS, True)
    moderator = service.moderator_of(model, written=False)
    await moderator.check([x["content"] for x in messages], "messages")
    requests = await asyncio.to_thread(_replies, model, messages, options)
    asked = Asked(model, options, requests, CHAT, [""] * len(requests))
    return await _answer(service, asked)


def _chats(model: Model) -> bool:
    """Whether a model replies to conversations."""
    if model.task is None:
        return getattr(model.engine, "chats", False)
    return hasattr(model.task, "assistant")


def _replies(
    model: Model, messages: list[dict], options: Options
) -> list[GenerationRequest]:
    """The requests of a conversation, put into one text by the model's own template:
    that of an export is in its graph."""
    try:
        talk = conversation_of(messages)
        if model.task is None:
            return options.requests([talk])
        ids = model.task.assistant.read([talk], options.request.max_new_tokens)
    except ValueError as error:
        raise Refusal(422, f"messages: {error}", "messages") from None
    ends, stop_ids = model.task.chat_stop_strings(), model.task.chat_stop_ids()
    return [
        dataclasses.replace(one, stop=(*one.stop, *ends), stop_ids=stop_ids)
        for one in options.requests([tuple(ids[0].numpy().tolist())])
    ]


def _messages(value: Any) -> list[dict[str, str]]:
    """Messages with their roles."""
    if not isinstance(value, list) or not value:
        raise Refusal(422, "messages must be a list that is not empty", "messages")
    found = []
    for i, message in enumerate(value):
        if not isinstance(message, dict):
            raise Refusal(422, f"messages[{i}] must be an object", "messages")
        role = message.get("role")
        role = _SAME_ROLES.get(role, role) if isinstance(role, str) else role
        if role not in _ROLES:
            roles = ", ".join(_ROLES)
            raise Refusal(422, f"messages[{i}].role must be {roles}", "messages")
        text = _content(message.get("content"), f"messages[{i}].content")
        found.append({"role": role, "content": text})
    return found


def _content(value: Any, field: str) -> str:
    """The text of a message, which may come in parts."""
    if not isinstance(value, list):
        return as_text(value, field)
    texts = []
    for part in value:
        if not isinstance(part, dict) or part.get("type") != "text":
            raise Refusal(422, f"{field} can only have parts of text", "messages")
        texts.append(as_text(part.get("text"), field))
    return "".join(texts)


async def _text_of(model: Model, prompt: str | tuple[int, ...]) -> str:
    if isinstance(prompt, str):
        return prompt
    if model.task is None:
        raise Refusal(422, "prompt must be a text: an export takes no ids", "prompt")
    size = model.task.tokenizer.vocabulary_size
    if max(prompt) >= size:
        why = f"prompt has id {max(prompt)}, the vocabulary {size:,} ids"
        raise Refusal(422, why, "prompt")
    return await asyncio.to_thread(text_of, model, prompt)


async def _answer(service: Service, asked: Asked) -> Response:
    """Has the texts written, and answers at once or piece by piece."""
    if len(asked.requests) > service.limits.max_rows:
        why = f"n makes {len(asked.requests)} texts, at most {service.limits.max_rows}"
        raise Refusal(422, why, "n")
    most = service.limits.max_prompt_tokens
    for request in asked.requests[:: asked.options.choices] if most else ():
        count = await asyncio.to_thread(_size, asked.model, request.prompt)
        if count > most:
            field = "messages" if asked.form.is_chat else "prompt"
            raise Refusal(422, f"{field} has {count} tokens, at most {most}", field)
    if not asked.options.stream:
        with service.models.lease(asked.model.name):
            async with Writing(service, asked.model) as writing:
                await writing.submit(asked.requests)
                return as_json(await _whole(asked, writing))
    events = _stream(service, asked)
    first = await anext(events)  # what is refused is no stream
    return StreamingResponse(
        _sent(first, events),
        media_type="text/event-stream",
        headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
    )


def _size(model: Model, prompt: str | tuple[int, ...] | Conversation) -> int:
    """How many tokens a prompt has; a conversation has at least those that are said."""
    if isinstance(prompt, Conversation):
        return sum(map(model.need_engine().count_tokens, prompt.texts))
    if isinstance(prompt, str):
        return model.need_engine().count_tokens(prompt)
    return len(prompt)


async def _whole(asked: Asked, writing: Writing) -> dict[str, Any]:
    parts: list[list[Piece]] = [[] for _ in asked.requests]
    ends: dict[int, Finish] = {}
    async for index, event in writing.merged():
        if isinstance(event, Finish):
            ends[index] = event
        else:
            parts[index].append(event)
    choices = []
    for index, pieces in enumerate(parts):
        ids = tuple(i for piece in pieces for i in piece.token_ids)
        logprobs = tuple(x for piece in pieces for x in piece.logprobs)
        text = "".join(piece.text for piece in pieces)
        if asked.form.is_chat:
            text = text.lstrip(string.whitespace)
        text = asked.echo[index] + text
        choices.append(_choice(asked, index, Written(text, ids, logprobs, ends[index])))
    finishes = [ends[i] for i in range(len(parts))]
    return {
        **_head(asked, asked.form.whole),
        "choices": choices,
        **_usage(asked, finishes),
    }


async def _stream(
    service: Service, asked: Asked
) -> AsyncGenerator[dict[str, Any], None]:
    """The parts of a stream."""
    head = _head(asked, asked.form.part)
    begun, ends = set(), {}
    with service.models.lease(asked.model.name):
        async with Writing(service, asked.model) as writing:
            await writing.submit(asked.requests)
            for index in range(len(asked.requests)):
                if asked.form.is_chat:
                    yield _part(
                        head, index, {"role": "assistant", "content": ""}, asked
                    )
                elif asked.echo[index]:
                    yield _part(head, index, {"text": asked.echo[index]}, asked)
            async for index, event in writing.merged():
                if isinstance(event, Finish):
                    ends[index] = event
                    yield _part(head, index, {}, asked, event)
                    continue
                text = event.text
                if asked.form.is_chat and index not in begun:
                    text = text.lstrip(string.whitespace)
                if text:
                    begun.add(index)
                if text or asked.options.logprobs:
                    key = "content" if asked.form.is_chat else "text"
                    yield _part(head, index, {key: text}, asked, piece=event)
    if asked.options.usage:
        finishes = [ends[i] for i in range(len(asked.requests))]
        yield {**head, "choices": [], **_usage(asked, finishes)}


async def _sent(
    first: dict[str, Any], events: AsyncGenerator[dict[str, Any], None]
) -> AsyncIterator[bytes]:
    """Parts as server-sent events; an error is one, too, since the status was sent."""
    try:
        yield _event(first)
        async for event in events:
            yield _event(event)
        yield b"data: [DONE]\n\n"
    except Refusal as refusal:
        yield _event(refusal.body(""))
    finally:
        await events.aclose()


def _event(content: dict[str, Any]) -> bytes:
    text = json.dumps(content, ensure_ascii=False, separators=(",", ":"))
    return b"data: " + text.encode() + b"\n\n"


def _head(asked: Asked, kind: str) -> dict[str, Any]:
    return {
        "id": f"{asked.form.prefix}-{secrets.token_hex(12)}",
        "object": kind,
        "created": int(time.time()),
        "model": asked.model.name,
    }


def _usage(asked: Asked, finishes: Sequence[Finish]) -> dict[str, Any]:
    """Counts of tokens; a prompt counts once, however many choices it has."""
    prompt = sum(x.prompt_tokens for x in finishes[:: asked.options.choices])
    new = sum(finish.new_tokens for finish in finishes)
    counts = {"prompt_tokens": prompt, "completion_tokens": new}
    return {"usage": {**counts, "total_tokens": prompt + new}}


def _choice(asked: Asked, index: int, written: Written) -> dict[str, Any]:
    known = _logprobs(asked, written.token_ids, written.logprobs)
    choice = {"index": index, "finish_reason": written.finish.reason, "logprobs": known}
    if asked.form.is_chat:
        message = {"role": "assistant", "content": written.text, "refusal": None}
        return {**choice, "message": message}
    return {**choice, "text": written.text}


def _part(
    head: dict[str, Any],
    index: int,
    content: dict[str, Any],
    asked: Asked,
    finish: Finish | None = None,
    piece: Piece | None = None,
) -> dict[str, Any]:
    known = None if piece is None else _logprobs(asked, piece.token_ids, piece.logprobs)
    reason = None if finish is None else finish.reason
    choice = {"index": index, "finish_reason": reason, "logprobs": known}
    if asked.form.is_chat:
        return {**head, "choices": [{**choice, "delta": content}]}
    return {**head, "choices": [{**choice, "text": "", **content}]}


def _logprobs(
    asked: Asked, ids: Sequence[int], logprobs: Sequence[float]
) -> dict[str, Any] | None:
    """The tokens with their log-probabilities, those that were chosen alone."""
    if not asked.options.logprobs:
        return None
    texts = tokens_of(asked.model, ids)
    if asked.form.is_chat:
        rows = zip(texts, logprobs, strict=True)
        return {
            "content": [
                {
                    "token": text,
                    "logprob": value,
                    "bytes": list(text.encode()),
                    "top_logprobs": [],
                }
                for text, value in rows
            ],
            "refusal": None,
        }
    offsets = [len("".join(texts[:i])) for i in range(len(texts))]
    return {
        "tokens": texts,
        "token_logprobs": list(logprobs),
        "top_logprobs": None,
        "text_offset": offsets,
    }
