"""Strings in, strings out."""

from __future__ import annotations

import itertools
import json
import logging

import numpy as np
import pytest

from massivetext_keras.tasks import CausalLM
from massivetext_keras.tokenizers import ByteTokenizer
from tests.tasks.tiny import TINY, byte_lm

pytestmark = pytest.mark.usefixtures("plain_loop")

PROMPTS = ["Once", "", "中文 😀", "a longer prompt than the others", "Once"]


def greedy(lm, prompts, count=16, **options):
    return lm.generate(prompts, max_new_tokens=count, temperature=0.0, **options)


def test_one_in_one_out_and_many_in_many_out(lm):
    one = greedy(lm, "Once")
    assert isinstance(one, str) and one.startswith("Once") and len(one) > 4
    assert greedy(lm, ["Once"]) == [one]
    assert greedy(lm, ("Once", "Once")) == [one, one]
    assert greedy(lm, []) == []
    assert greedy(lm, "Once", count=0) == "Once"
    assert greedy(lm, ["a", ""], count=0, include_prompt=False) == ["", ""]


def test_the_text_is_that_of_the_ids(lm):
    tokenizer, ids = lm.tokenizer, [ord(c) + 3 for c in "Once"]
    row = lm.generate_ids([ids], max_new_tokens=16, stop_ids=(2,)).to_list()[0]
    assert row[:4] == ids
    assert greedy(lm, "Once") == tokenizer.detokenize(row).numpy().decode()


def test_prompts_do_not_depend_on_their_neighbours(lm):
    options = {"max_new_tokens": 16, "seed": 3, "top_p": 0.9}
    together = lm.generate(PROMPTS, **options)
    assert [lm.generate(p, **options) for p in PROMPTS[:4]] == together[:4]
    assert together[4] != together[0]  # equal prompts get another sample
    assert all(t.startswith(p) for t, p in zip(together, PROMPTS, strict=True))
    without = lm.generate(PROMPTS, **options, include_prompt=False)
    assert [p + t for p, t in zip(PROMPTS, without, strict=True)] == together
    assert greedy(lm, PROMPTS) == [greedy(lm, p) for p in PROMPTS]


def test_more_prompts_than_go_at_once(lm):
    prompts = [f"{i} " * (i % 4) for i in range(37)]
    together = lm.generate(prompts, max_new_tokens=4, seed=1)
    assert together[35] == lm.generate(prompts[35], max_new_tokens=4, seed=1)
    assert len(together) == 37 and together[0] != together[4]  # both prompts are ""


def test_samples_of_each_prompt(lm):
    options = {"max_new_tokens": 12, "seed": 5}
    samples = lm.generate(["ab", "c"], num_samples=3, **options)
    assert [len(x) for x in samples] == [3, 3]
    assert len(set(samples[0])) == len(set(samples[1])) == 3
    assert lm.generate("ab", num_samples=3, **options) == samples[0]
    assert lm.generate("ab", num_samples=1, **options) == samples[0][:1]
    assert lm.generate(["ab"] * 3, **options) == samples[0]


def test_the_seed_repeats_a_text(lm):
    def text(seed):
        return lm.generate("x", max_new_tokens=24, seed=seed)

    assert text(1) == text(1) != text(2)
    assert text(None) != text(None)


@pytest.mark.parametrize(("size", "others"), [(1, []), (2, ["\0never"])])
def test_stop_strings_end_the_text_and_are_left_out(lm, size, others):
    options = {"max_new_tokens": 48, "seed": 8, "include_prompt": False}
    free = lm.generate("x", **options)
    pieces = [free[i : i + size] for i in range(5, len(free) - 2)]
    stop = [piece for piece in pieces if "\ufffd" not in piece][-1]
    assert lm.generate("x", stop=[*others, stop], **options) == free.split(stop)[0]


@pytest.mark.parametrize("seed", range(3))
def test_stop_strings_that_overlap_in_any_order_and_streamed(lm, seed):
    """The text is that without them, up to where the first of them begins."""
    options = {"max_new_tokens": 40, "seed": seed, "include_prompt": False}
    free = lm.generate("ab", **options)
    whole = [i for i in range(4, len(free) - 4) if "\ufffd" not in free[i - 2 : i + 3]]
    for i in whole[:4]:
        one, two, long = free[i : i + 2], free[i - 1 : i + 1], free[i - 2 : i + 3]
        for stop in ([one, two], [two, one], [one, long], [long[:4], free[i]], [long]):
            cut = free[: min(free.find(s) for s in stop)]
            assert lm.generate("ab", stop=stop, **options) == cut
            assert "".join(lm.stream("ab", stop=stop, **options)) == cut
        never = [one + "\0", two]  # begun, but never complete
        assert lm.generate("ab", stop=never, **options) == free[: free.find(two)]


def test_a_stop_string_in_the_prompt_does_not_count(lm):
    assert greedy(lm, "Once", stop="nce") == greedy(lm, "Once")


@pytest.mark.parametrize("seed", range(6))
def test_streamed_pieces_join_to_the_text(lm, seed):
    options = {"max_new_tokens": 40, "seed": seed, "temperature": 1.5}
    whole = lm.generate("中文", **options)
    pieces = list(lm.stream("中文", **options))
    assert "".join(pieces) == whole
    assert len(pieces) > 5 and all(pieces)
    assert "\ufffd" in whole  # the bytes are noise
    new = lm.stream("中文", **options, include_prompt=False)
    assert "中文" + "".join(new) == whole


def test_streams_stop_where_texts_do(lm):
    options = {"max_new_tokens": 40, "seed": 1, "include_prompt": False}
    free = lm.generate("ab", **options)
    stop = [free[12:14], free[20:21]]
    stopped = lm.generate("ab", stop=stop, **options)
    assert "".join(lm.stream("ab", stop=stop, **options)) == stopped
    assert stopped == min((free.split(s)[0] for s in stop), key=len)


def test_a_stream_holds_back_what_may_still_change(lm):
    options = {"max_new_tokens": 40, "seed": 3, "temperature": 1.5}
    texts = itertools.accumulate(lm.stream("", **options))
    whole = lm.generate("", **options)
    assert all(whole.startswith(text) for text in texts)


def test_beams_give_the_best_texts(lm):
    best = lm.generate(["ab", "c"], 6, num_beams=3, num_samples=3)
    assert [len(texts) for texts in best] == [3, 3]
    assert lm.generate(["ab", "c"], 6, num_beams=3) == [texts[0] for texts in best]
    row = lm.generate_ids([[100, 101]], 6, num_beams=3, stop_ids=(2,))
    assert lm.tokenizer.detokenize(row)[0].numpy().decode() == best[0][0]
    new = best[0][0][2:]
    stop = next(c for c in new if c != "\ufffd")
    options = {"num_beams": 3, "include_prompt": False}
    assert lm.generate("ab", 6, stop=stop, **options) == new.split(stop)[0]
    banned = lm.generate("ab", 6, banned=stop, **options)
    assert stop.casefold() not in banned.casefold()
    assert lm.generate("ab", 0, num_beams=2, num_samples=2) == ["ab", "ab"]


def test_repetitions_can_be_discouraged(lm):
    plain, ids = greedy(lm, "aaaa"), [100] * 4
    penalised = greedy(lm, "aaaa", repetition_penalty=3.0)
    row = lm.generate_ids([ids], 16, repetition_penalty=3.0, stop_ids=(2,))
    assert penalised == lm.tokenizer.detokenize(row)[0].numpy().decode()
    assert penalised != plain
    new = row.to_list()[0][4:]
    assert len(set(new)) == len(new) and 100 not in new


@pytest.mark.parametrize("tokenizer", [ByteTokenizer(), ByteTokenizer(add_bos=True)])
def test_a_long_prompt_keeps_its_end_and_says_so(tokenizer, caplog):
    lm = byte_lm(tokenizer=tokenizer, max_length=16)
    prompt = "0123456789abcdef"
    with caplog.at_level(logging.WARNING):
        found = greedy(lm, prompt, count=6, include_prompt=False)
    length = 16 + tokenizer.add_bos
    assert f"prompt 0 has {length} tokens" in caplog.text
    assert "last 10" in caplog.text
    ids = [[ord(c) + 3 for c in prompt[-10:]]]
    row = lm.generate_ids(ids, max_new_tokens=6, stop_ids=(2,))[:, 10:]
    assert found == lm.tokenizer.detokenize(row)[0].numpy().decode()
    caplog.clear()
    greedy(lm, [prompt, "", prompt], count=6)
    assert len(caplog.records) == 1
    assert f"{length} tokens (and 1 more too many); with 6 new ones" in caplog.text
    caplog.clear()
    greedy(lm, "0123456789"[tokenizer.add_bos :], count=6)
    assert caplog.text == ""


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"max_new_tokens": 64}, "below the context of 64 tokens, got 64"),
        ({"max_new_tokens": -1}, "max_new_tokens must be at least 0"),
        ({"temperature": -1.0}, "temperature must be at least 0"),
        ({"top_k": -2}, "top_k must be"),
        ({"top_p": 0.0}, "top_p must be"),
        ({"repetition_penalty": 0.0}, "repetition_penalty must be"),
        ({"stop": ["a", ""]}, "a stop string is empty"),
        ({"num_samples": 0}, "num_samples must be"),
        ({"num_beams": 0}, "num_beams must be positive, got 0"),
        ({"num_beams": 2, "num_samples": 3}, "num_samples 3 is more than num_beams 2"),
        ({"num_beams": 2, "top_k": 3}, "beams take no top_k"),
        ({"num_beams": 2, "length_penalty": float("nan")}, "length_penalty must be"),
    ],
    ids=str,
)
def test_bad_arguments_are_named(lm, arguments, message):
    with pytest.raises(ValueError, match=message):
        lm.generate("x", **{"max_new_tokens": 4, **arguments})


def test_bad_rows_of_ids_are_named(lm):
    with pytest.raises(ValueError, match="3 ids and 62 new tokens exceed .* 64"):
        lm.generate_ids([[1, 2, 3]], max_new_tokens=62)
    with pytest.raises(ValueError, match="cannot continue an empty row"):
        lm.generate_ids(np.zeros([2, 0], "int32"))
    with pytest.raises(ValueError, match="max_new_tokens must be at least 0"):
        lm.generate_ids([[1]], max_new_tokens=-1)


def test_without_a_tokenizer_there_are_no_strings():
    lm = CausalLM(TINY)
    for verb in (lm.generate, lm.score):
        with pytest.raises(ValueError, match="CausalLM was made without a tokenizer"):
            verb("x")
    with pytest.raises(ValueError, match="259 tokens, the model embeds 50"):
        CausalLM(TINY, ByteTokenizer())


def test_only_decoders_are_language_models():
    with pytest.raises(ValueError, match="decoder"):
        CausalLM(TINY.replace(stack="encoder"))


def test_hostile_strings(lm, data_dir):
    texts = json.loads((data_dir / "bad" / "naughty_strings.json").read_text())
    found = greedy(lm, texts, count=2)
    assert all(f.startswith(t) for f, t in zip(found, texts, strict=True))
    scores = lm.score(texts)
    assert np.isfinite(scores).all()
    assert all((s < 0) == bool(t) for s, t in zip(scores, texts, strict=True))


def test_real_stories(stories, data_dir):
    expected = (data_dir / "weights/stories260K/greedy.txt").read_text()
    prompt = "Once upon a time"
    length = len(stories.tokenizer(expected)) - len(stories.tokenizer(prompt))
    assert stories.generate(prompt, max_new_tokens=length, temperature=0.0) == expected


@pytest.mark.slow
def test_real_pieces_stream_to_the_same_text(stories):
    options = {"max_new_tokens": 50, "seed": 2, "temperature": 2.0, "stop": ["."]}
    whole = stories.generate("Lily saw", **options)
    assert "".join(stories.stream("Lily saw", **options)) == whole


@pytest.mark.parametrize(
    ("name", "sums"),
    [("addformer", ["1+2=3", "3+4=7", "0+9=9"]), ("subformer", ["3-2=1", "9-4=5"])],
)
def test_real_sums(data_dir, name, sums):
    lm = CausalLM.from_preset(f"hf:{data_dir}/weights/mathformer/{name}")
    prompts = [text[:4] for text in sums]
    found = lm.generate(prompts, max_new_tokens=1, temperature=0.0)
    assert found == sums
