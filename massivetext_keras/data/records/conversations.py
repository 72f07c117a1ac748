"""Conversations: in YAML, as the corpora of ChatterBot, and in the fields of others."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any, BinaryIO

from massivetext_keras.data.records.common import Options, Record
from massivetext_keras.support.extras import need

MESSAGES = ("messages", "conversations", "conversation")
SYSTEM = "system"  # a field beside them
_ROLE, _CONTENT = ("role", "from"), ("content", "value")
_ROLES = {
    **dict.fromkeys(("human", "user", "prompter"), "user"),
    **dict.fromkeys(("gpt", "assistant", "chatgpt", "bot", "model"), "assistant"),
    "system": "system",
}


def with_messages(fields: dict[str, Any]) -> dict[str, Any]:
    """Fields of a record, with its conversation as `messages` of roles and contents.

    ShareGPT has them as `conversations`, and says from and value, human and gpt; what a
    `system` beside them says is the first message.

    >>> fields = with_messages({"conversations": [{"from": "human", "value": "Hi."}]})
    >>> fields["messages"]
    [{'role': 'user', 'content': 'Hi.'}]
    """
    name = next((name for name in MESSAGES if fields.get(name) is not None), None)
    if name is None or not isinstance(fields[name], list):
        return fields
    messages = [_message(item) for item in fields[name]]
    system = fields.get(SYSTEM)
    if isinstance(system, str) and system.strip() and not _has_system(messages):
        messages.insert(0, {"role": "system", "content": system})
    return fields | {"messages": messages}


def _has_system(messages: list[Any]) -> bool:
    return any(
        isinstance(item, dict) and item.get("role") == "system" for item in messages
    )


def _message(item: Any) -> Any:
    """A message with a role and a content, or what is none as it is."""
    if not isinstance(item, dict):
        return item
    role, content = (
        next((item[name] for name in names if name in item), None)
        for names in (_ROLE, _CONTENT)
    )
    if role is None or content is None:
        return item
    if isinstance(content, list) and all(
        isinstance(part, dict) and part.get("type") == "text" for part in content
    ):
        content = "".join(str(part.get("text", "")) for part in content)
    role = _ROLES.get(role.lower(), role) if isinstance(role, str) else role
    return {"role": role, "content": content}


def read_conversations(stream: BinaryIO, options: Options) -> Iterator[Record]:
    """Reads `conversations`, lists of texts: the user's, the assistant's, in turn.

    Every scalar is a text, as it is spelled: Yes, 42 and null too.

    Raises:
        ValueError: the file is no YAML, or it has no conversations.
    """
    yaml = need("yaml", "records")
    loader = getattr(yaml, "CBaseLoader", yaml.BaseLoader)
    try:
        root = yaml.compose(options.decoded(None, stream.read()), loader)
    except (yaml.YAMLError, RecursionError) as error:
        what = " ".join(str(error).split())
        raise ValueError(f"{options.path}: no YAML ({what})") from None
    pairs = root.value if isinstance(root, yaml.MappingNode) else ()
    found = [value for key, value in pairs if key.value == "conversations"]
    if not found or not isinstance(found[0], yaml.SequenceNode):
        raise ValueError(f"{options.path}: no list of `conversations`")
    for node in found[0].value:
        line = node.start_mark.line + 1
        if not isinstance(node, yaml.SequenceNode):
            options.bad(line, "no list of texts")
        elif not all(isinstance(item, yaml.ScalarNode) for item in node.value):
            options.bad(line, "what a message says is no text")
        elif not all(item.value.strip() for item in node.value) or not node.value:
            options.bad(line, "a message is empty")
        else:
            roles = itertools.cycle(("user", "assistant"))
            messages = [
                {"role": role, "content": item.value.strip()}
                for role, item in zip(roles, node.value, strict=False)
            ]
            yield options.record(line, {"messages": messages})
