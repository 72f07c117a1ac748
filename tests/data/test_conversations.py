"""Conversations as text and as ids."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from massivetext_keras.data import (
    ChatTemplate,
    Conversation,
    as_rows,
    chat_ids,
    conversation_of,
    encode_conversations,
)
from massivetext_keras.data.conversations import CHAT_TEMPLATES, ROLES
from massivetext_keras.tokenizers import ByteTokenizer

TALK = Conversation(
    ("Be kind.", "Hi", "Hello!", "你好", "嗨", "Bye"),
    ("system", "user", "assistant", "user", "assistant", "user"),
)
TEMPLATE = ChatTemplate(("s", "/"), ("u", "."), ("a", "!"))


def test_the_named_templates_as_literals():
    talk = Conversation(*(side[1:4] for side in TALK))
    assert CHAT_TEMPLATES["plain"].render(talk) == (
        "User: Hi\n\nAssistant: Hello!\n\nUser: 你好\n\nAssistant: "
    )
    assert CHAT_TEMPLATES["chatml"].render(Conversation(*(s[:2] for s in TALK))) == (
        "<|im_start|>system\nBe kind.<|im_end|>\n<|im_start|>user\nHi<|im_end|>\n"
        "<|im_start|>assistant\n"
    )
    assert [CHAT_TEMPLATES[name].end for name in ("plain", "chatml")] == [
        "\n\n",
        "<|im_end|>",
    ]


messages = st.lists(
    st.tuples(
        st.text(st.characters(exclude_categories=["Cs"])), st.sampled_from(ROLES)
    ),
    min_size=1,
    max_size=5,
)


@given(st.lists(messages, min_size=1, max_size=3), st.booleans())
def test_the_graph_writes_what_python_writes(talks, opened):
    talks = [Conversation(*zip(*talk, strict=True)) for talk in talks]
    pieces = TEMPLATE.pieces(*as_rows(talks), opened).numpy()
    for talk, row in zip(talks, pieces, strict=True):
        assert b"".join(row).decode() == TEMPLATE.render(talk, opened)
        said = [row[2 * i + 1].decode() for i in range(len(talk.texts))]
        assert said == [
            f"{text}!" if role == "assistant" else ""
            for text, role in zip(*talk, strict=True)
        ]


@pytest.mark.parametrize("tokenizer", [ByteTokenizer(), ByteTokenizer(add_bos=True)])
def test_replies_are_marked_with_what_ends_them(tokenizer):
    other = Conversation(("x", "a"), ("user", "assistant"))
    ids, replied, long = encode_conversations(tokenizer, TEMPLATE, [TALK, other], 99)
    assert long == 0
    whole = [tokenizer.detokenize(row).numpy().decode() for row in ids]
    assert whole == ["sBe kind./uHi.aHello!!u你好.a嗨!uBye.", "ux.aa!"]
    learnt = [
        tokenizer.detokenize(row[marks == 1]).numpy().decode()
        for row, marks in zip(ids, replied, strict=True)
    ]
    assert learnt == ["Hello!!嗨!", "a!"]
    assert (ids[0][0] == 1) == tokenizer.add_bos


@pytest.mark.parametrize(
    ("room", "text", "lost", "cut"),
    [
        (99, "sBe kind./uHi.aHello!!u你好.a嗨!uBye.a", 0, 0),
        (40, "sBe kind./aHello!!u你好.a嗨!uBye.a", 1, 0),
        (37, "sBe kind./aHello!!u你好.a嗨!uBye.a", 1, 0),
        (36, "sBe kind./u你好.a嗨!uBye.a", 2, 0),
        (20, "sBe kind./uBye.a", 4, 0),
        (16, "sBe kind./uBye.a", 4, 0),
        (15, "Be kind./uBye.a", 4, 1),
        (3, "e.a", 4, 13),
    ],
)
def test_what_is_too_long_loses_its_oldest_turns(room, text, lost, cut):
    short = Conversation(("x",), ("user",))
    found = chat_ids(ByteTokenizer(), TEMPLATE, *as_rows([TALK, short]), room)
    texts = ByteTokenizer().detokenize(found.token_ids).numpy()
    assert texts[0].decode() == text
    assert texts[1].decode() == "ux.a"[-room:]
    assert (int(found.lost[0]), int(found.cut[0])) == (lost, cut)
    assert max(found.token_ids.row_lengths().numpy()) <= room


def test_what_is_no_role_in_a_graph_is_a_user():
    roles, texts = as_rows([Conversation(("a", "b"), ("User", "system"))])
    assert b"".join(TEMPLATE.pieces(roles, texts).numpy()[0]) == b"ua.sb/a"


def test_templates_of_ones_own():
    strings = {"system": ["", ""], "user": ["<", ">"], "assistant": ["[", "]"]}
    template = ChatTemplate.of(strings)
    assert template.to_dict() == strings and ChatTemplate.of(strings) == template
    assert template.render(TALK, opened=False) == "Be kind.<Hi>[Hello!]<你好>[嗨]<Bye>"
    for value, message in [
        ("chat_ml", "unknown chat template 'chat_ml': did you mean 'chatml'"),
        ({**strings, "usr": ["", ""]}, "unknown role 'usr': did you mean 'user'"),
        ({**strings, "user": ["<"]}, "'user' needs two strings"),
        ({"user": ["<", ">"]}, "'system' needs two strings"),
        ({**strings, "assistant": ["[", ""]}, "nothing opens or ends a reply"),
    ]:
        with pytest.raises(ValueError, match=message):
            ChatTemplate.of(value)


def test_messages_become_conversations():
    assert conversation_of("Hi") == Conversation(("Hi",), ("user",))
    dicts = [{"role": r, "content": t} for t, r in zip(*TALK, strict=True)]
    assert conversation_of(dicts) == TALK == conversation_of(TALK)
    for value, message in [
        ([], "no messages"),
        (3, "messages are no list"),
        ([{"role": "user"}], "no role and content"),
        ([{"role": "usr", "content": "a"}], "unknown role 'usr': did you mean 'user'"),
        ([{"role": "user", "content": 3}], "is no string"),
        (Conversation(("a", "b"), ("user",)), "other than a role for each"),
    ]:
        with pytest.raises(ValueError, match=message):
            conversation_of(value)
