"""Conversations as text and as ids."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from massivetext_keras.data import (
    ChatTemplate,
    Conversation,
    as_rows,
    chat_ids,
    conversation_of,
    encode_conversations,
)
from massivetext_keras.text.conversations import CHAT_TEMPLATES, ROLES
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
        (40, "sBe kind./u你好.a嗨!uBye.a", 2, 0),
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


def talk(*texts: str, first: str = "user") -> Conversation:
    order = ("user", "assistant") if first == "user" else ("assistant", "user")
    return Conversation(texts, tuple(order[i % 2] for i in range(len(texts))))


@pytest.mark.parametrize(
    ("conversation", "room", "text", "learnt"),
    [
        # the question of a reply fits, or the reply is left out with it
        (talk("aa", "bb", "cc", "dd"), 16, "uaa.abb!ucc.add!", "bb!dd!"),
        (talk("aa", "bb", "cc", "dd"), 15, "ucc.add!", "dd!"),
        (talk("aa", "bb", "cc", "dd"), 12, "ucc.add!", "dd!"),
        (talk("c" * 9, "dd"), 14, "", ""),
        # a reply that is too long itself is left out, those before it are not
        (talk("aa", "bb", "cc", "d" * 9), 14, "uaa.abb!", "bb!"),
        (talk("aa", "b" * 9), 14, "", ""),
        # who speaks first, or twice
        (talk("aa", "bb", "cc", first="assistant"), 99, "aaa!ubb.acc!", "aa!cc!"),
        (talk("aa", "bb", "cc", first="assistant"), 9, "ubb.acc!", "cc!"),
        (
            Conversation(
                ("aa", "bb", "cc", "dd", "ee"),
                ("user", "user", "assistant", "assistant", "user"),
            ),
            16,
            "uaa.ubb.acc!add!",
            "cc!dd!",
        ),
        (
            Conversation(
                ("aa", "be", "bb", "cc"), ("user", "system", "assistant", "user")
            ),
            8,
            "sbe/",
            "",
        ),
    ],
)
def test_no_reply_is_learnt_without_its_question_or_from_its_middle(
    conversation, room, text, learnt
):
    tokenizer = ByteTokenizer()
    (ids,), (marks,), long = encode_conversations(
        tokenizer, TEMPLATE, [conversation], room
    )
    assert tokenizer.detokenize(ids).numpy().decode() == text
    assert tokenizer.detokenize(ids[marks == 1]).numpy().decode() == learnt
    assert long == (text != TEMPLATE.render(conversation, opened=False))


TURNS = st.tuples(st.sampled_from(ROLES), st.text("xy"))


@settings(max_examples=25, deadline=None)
@given(st.lists(TURNS, min_size=1, max_size=6), st.integers(1, 40))
def test_replies_that_are_learnt_are_whole_and_follow_one_another(turns, room):
    roles, texts = zip(*turns, strict=True)
    tokenizer = ByteTokenizer()
    (ids,), (marks,), _ = encode_conversations(
        tokenizer, TEMPLATE, [Conversation(texts, roles)], room
    )
    assert len(ids) <= room
    learnt = tokenizer.detokenize(ids[marks == 1]).numpy().decode()
    replies = [f"{text}!" for role, text in turns if role == "assistant"]
    ends = range(len(replies) + 1)
    assert learnt in {"".join(replies[i:j]) for i in ends for j in ends}


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
