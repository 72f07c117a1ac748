"""Spans that special tokens stand for."""

from __future__ import annotations

import pytest

from massivetext_keras.tasks import Seq2SeqLM
from massivetext_keras.tasks.seq2seq.span_filling import spans_behind
from massivetext_keras.tokenizers import BytePairTokenizer
from massivetext_keras.tokenizers.byte_pair import byte_symbols
from tests.tasks.test_end_ids import seq2seq

pytestmark = pytest.mark.usefixtures("plain_loop", "without_xla")

SPECIAL = ["<pad>", "</s>", "<extra_id_0>", "<extra_id_1>"]


def tokenizer() -> BytePairTokenizer:
    vocabulary = {token: index for index, token in enumerate(SPECIAL)}
    vocabulary |= {symbol: 4 + index for index, symbol in enumerate(byte_symbols())}
    named = {"pad_token": "<pad>", "eos_token": "</s>"}
    return BytePairTokenizer(vocabulary, [], special_tokens=SPECIAL[2:], **named)


@pytest.mark.parametrize(
    ("answer", "spans"),
    [
        ("<extra_id_0> cat<extra_id_1> the</s>", ("cat", "the")),
        ("<extra_id_1>a<extra_id_0>b", ("b", "a")),
        ("x<extra_id_0></s>y", ("", "")),
        ("<extra_id_0>a<pad>b", ("a", "")),
    ],
)
def test_what_stands_behind_each(answer, spans):
    ids = tokenizer().tokenize(answer, parse_special=True).numpy().tolist()
    assert spans_behind(tokenizer(), [2, 3], ids) == dict(
        zip(SPECIAL[2:], spans, strict=True)
    )


def test_a_task_is_asked_for_each_of_its_tokens():
    config = seq2seq().config.replace(vocabulary_size=260, max_length=48)
    lm = Seq2SeqLM(config, tokenizer())
    found = lm.fill_spans(["<extra_id_1> a", "b <extra_id_0>c<extra_id_1>"], 4)
    assert [list(spans) for spans in found] == [["<extra_id_1>"], SPECIAL[2:]]
    assert lm.fill_spans("<extra_id_1> a", 4) == found[0]
    assert lm.fill_spans([]) == []
    with pytest.raises(ValueError, match="text 1 names no special token"):
        lm.fill_spans(["<extra_id_0>", "<extra_id_7>"])
