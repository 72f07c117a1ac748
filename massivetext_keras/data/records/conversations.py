"""Conversations in YAML, as the corpora of ChatterBot are."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import BinaryIO

from massivetext_keras.data.records.common import Options, Record
from massivetext_keras.extras import need


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
