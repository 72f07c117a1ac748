"""Compressed data: what is damaged is passed over, and what is good is kept."""

from __future__ import annotations

import bz2
import functools
import gzip
import io
import lzma
import random

import brotli
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from massivetext_keras.reading.compression import Damage, DamagedFile, inflate
from massivetext_keras.reading.streams import (
    damages,
    go_on,
    lines,
    open_stream,
    read_whole,
)

COMPRESS = {
    ".gz": gzip.compress,
    ".bz2": bz2.compress,
    ".zst": zstandard.ZstdCompressor(write_checksum=True).compress,
    ".xz": functools.partial(lzma.compress, preset=0),
}
EVERY = pytest.mark.parametrize("compression", COMPRESS)


def numbers(seed, count=300):
    """Text that does not compress to nothing."""
    chosen = random.Random(seed)
    return " ".join(str(chosen.random()) for _ in range(count)).encode()


PARTS = [numbers(seed) for seed in range(4)]


def inflated(data, compression):
    """(bytes that were read, what is wrong)."""
    found = list(inflate(io.BytesIO(data), compression))
    texts = [bytes(x) for x in found if not isinstance(x, Damage)]
    return texts, [x for x in found if isinstance(x, Damage)]


@EVERY
def test_members_behind_each_other(compression):
    members = [COMPRESS[compression](part) for part in PARTS]
    assert inflated(bytes(3).join(members), compression) == (PARTS, [])


@EVERY
def test_a_damaged_member_is_one(compression):
    one, two, *rest = (COMPRESS[compression](part) for part in PARTS)
    middle = len(two) // 2
    for bad in (two[:middle] + bytes(20) + two[middle + 20 :], two[:-30], two[40:]):
        texts, wrong = inflated(b"".join([one, bad, *rest]), compression)
        assert texts == [PARTS[0], *PARTS[2:]]
        assert len(wrong) == 1 and wrong[0].is_loss


@EVERY
def test_what_stands_behind_or_before_is_passed_over(compression):
    data = COMPRESS[compression](PARTS[0])
    texts, [wrong] = inflated(data + b"behind all of it", compression)
    assert texts == PARTS[:1] and not wrong.is_loss
    assert wrong.detail.startswith("16 bytes that are no ")
    texts, [wrong] = inflated(b"before" * 100_000 + data, compression)
    assert texts == PARTS[:1] and wrong.detail.startswith("600,000 bytes that are no ")
    texts, [wrong] = inflated(b"plain text", compression)
    assert texts == [] and "it is not compressed with" in wrong.detail


@EVERY
def test_data_that_were_cut_off_give_what_is_before(compression):
    text = numbers(5, 200_000)
    data = COMPRESS[compression](text)
    for size in (len(data) - 3, len(data) // 2):
        texts, [wrong] = inflated(data[:size], compression)
        found = b"".join(texts)
        assert text.startswith(found) and len(found) > len(text) // 4
        assert "end early" in wrong.detail and f"{len(found):,} bytes" in wrong.detail


def test_what_may_be_wrong_before_an_error_is_not_given():
    text = numbers(6, 100_000)
    data = gzip.compress(text)
    texts, [wrong] = inflated(data[:-9000] + bytes(2000) + data[-7000:], ".gz")
    assert text.startswith(b"".join(texts)) and len(b"".join(texts)) > 1_500_000
    assert "is damaged after" in wrong.detail


@given(st.lists(st.binary(max_size=99), max_size=4), st.sampled_from(list(COMPRESS)))
def test_what_is_written_is_read(parts, compression):
    data = b"".join(map(COMPRESS[compression], parts))
    texts, wrong = inflated(data, compression)
    assert (b"".join(texts), wrong) == (b"".join(parts), [])


def test_strict_and_tolerant_streams(tmp_path):
    path = tmp_path / "a.gz"
    one, two, three = (gzip.compress(part) for part in (b"a\nb", b"lost", b"c\nd\n"))
    path.write_bytes(one + two[:12] + three)
    with open_stream(path) as stream, pytest.raises(DamagedFile, match="damaged"):
        stream.read()
    with open_stream(path, tolerant=True) as stream:
        assert stream.read() == b"a\nb" and go_on(stream)
        assert stream.read() == b"c\nd\n" and not go_on(stream)
        assert len(damages(stream)) == 1
    with open_stream(path, tolerant=True) as stream:
        assert read_whole(stream) == b"a\nbc\nd\n"
    with open_stream(path, tolerant=True) as stream:  # b goes with what followed it
        assert [line for _, line in lines(stream, 9)] == [b"a\n", b"c\n", b"d\n"]


def test_brotli_by_its_suffix(tmp_path):
    path = tmp_path / "a.txt.br"
    text = numbers(7, 30_000)
    path.write_bytes(brotli.compress(text, quality=5))
    with open_stream(path) as stream:
        assert stream.read() == text
    data = path.read_bytes()
    texts, [wrong] = inflated(data[:-9], ".br")
    assert text.startswith(b"".join(texts)) and "end early" in wrong.detail
    texts, [wrong] = inflated(data[:999] + bytes(99) + data[999:], ".br")
    assert texts == [] and "is damaged after" in wrong.detail


@pytest.mark.parametrize("text", ["Un tamm brezhoneg.\n", "Ur c'hazh zo e-barzh.", ""])
@pytest.mark.parametrize("encoding", ["utf-8", "latin-1"])
def test_breton_is_no_brotli(tmp_path, text, encoding):
    path = tmp_path / "train.br"
    path.write_bytes((text + "ñù" * bool(text)).encode(encoding))
    with open_stream(path) as stream:
        assert stream.read() == path.read_bytes()


def test_content_says_more_than_a_suffix(tmp_path):
    path = tmp_path / "a.txt"
    path.write_bytes(lzma.compress(b"text"))
    with open_stream(path) as stream:
        assert stream.read() == b"text"
    path = tmp_path / "a.txt.gz"
    path.write_bytes(bz2.compress(b"text"))
    with open_stream(path) as stream:
        assert stream.read() == b"text"
