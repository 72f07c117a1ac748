"""Pages and archives of crawls: encodings, what is taken of them, what is damaged."""

from __future__ import annotations

import gzip
import io
import tracemalloc
import uuid
import zlib

import pytest
from warcio.statusandheaders import StatusAndHeaders
from warcio.warcwriter import WARCWriter

from massivetext_keras.corpus.formats import read
from massivetext_keras.corpus.formats.web import decode_page


def warc(path, *records, compress=True):
    """Records: (url, body, content type, and other headers or the status)."""
    with open(path, "wb") as file:
        writer = WARCWriter(file, gzip=compress)
        for url, body, media, *more in records:
            status = next((item for item in more if isinstance(item, str)), "200 OK")
            headers = [item for item in more if isinstance(item, tuple)]
            # A random id, as warcio gives, would make another size each time.
            fixed = {
                "WARC-Date": "2020-01-01T00:00:00Z",
                "WARC-Record-ID": f"<urn:uuid:{uuid.uuid5(uuid.NAMESPACE_URL, url)}>",
            }
            if media == "wet":
                record = writer.create_warc_record(
                    url,
                    "conversion",
                    payload=io.BytesIO(body),
                    warc_content_type="text/plain",
                    warc_headers_dict=fixed,
                )
            else:
                record = writer.create_warc_record(
                    url,
                    "response",
                    payload=io.BytesIO(body),
                    http_headers=StatusAndHeaders(
                        status, [("Content-Type", media), *headers], "HTTP/1.1"
                    ),
                    warc_headers_dict=fixed,
                )
            writer.write_record(record)
    return path


DEFLATE = ("Content-Encoding", "deflate")
CHUNKED = [("Content-Encoding", "gzip"), ("Transfer-Encoding", "chunked")]


def chunked(body):
    data = gzip.compress(body)
    return b"%x\r\n" % len(data) + data + b"\r\n0\r\n\r\n"


@pytest.mark.parametrize("compress", [True, False])
def test_records(tmp_path, compress):
    path = warc(
        tmp_path / ("a.warc.gz" if compress else "a.warc"),
        ("http://a.org/1", "<p>für".encode("latin-1"), "text/html; charset=ISO-8859-1"),
        ("http://a.org/2", b"\xff\xd8picture", "image/jpeg"),
        ("http://a.org/3", b"<p>gone", "text/html", "404 Not Found"),
        ("http://a.org/4", chunked(b"<p>zipped"), "text/html", *CHUNKED),
        ("http://a.org/5", chunked(bytes(30_000_000)), "text/html", *CHUNKED),
        ("http://a.org/6", b"not gzip at all", "text/html", CHUNKED[0]),
        ("http://a.org/e", gzip.compress(b"<p>cut")[:-9], "text/html", CHUNKED[0]),
        ("http://a.org/f", zlib.compress(b"<p>flat"), "text/html", DEFLATE),
        ("http://a.org/g", b"brotli", "text/html", ("Content-Encoding", "br")),
        ("http://a.org/7", b"", "text/html"),
        ("http://a.org/8", b"text", "wet"),
        ("http://a.org/9", b"<p>last", "application/xhtml+xml"),
        compress=compress,
    )
    tracemalloc.start()
    rows = list(read(str(path), max_document_bytes=1_000_000, subset="web"))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 5_000_000
    texts = [getattr(row, "text", None) or row.reason for row in rows]
    assert texts == [
        *("<p>für", "<p>zipped", "too_large", "not gzip at all", "bad_record"),
        *("<p>flat", "bad_record", "empty", "text", "<p>last"),
    ]
    assert rows[4].detail == "http://a.org/e: its gzip data end early"
    assert rows[6].detail == "http://a.org/g: its encoding br is not known"
    assert [row.kind for row in (rows[0], rows[-2], rows[-1])] == [
        "html",
        "text",
        "html",
    ]
    assert rows[0].url == "http://a.org/1" and rows[0].subset == "web"
    assert rows[0].columns == {"date": "2020-01-01T00:00:00Z"}
    assert rows[2].detail == "http://a.org/5: more than 1,000,000 bytes"


@pytest.mark.parametrize("compress", [True, False])
def test_archives_that_were_cut_off_anywhere(tmp_path, compress):
    records = [
        (f"http://a.org/{n}", b"<p>page %d " % n + b"0123456789" * n, "text/html")
        for n in range(4)
    ]
    path = warc(tmp_path / f"a.warc{'.gz' * compress}", *records, compress=compress)
    data = path.read_bytes()
    ends = [len(list(read(str(path))))]
    for size in range(len(data) - 5, 0, -7):
        path.write_bytes(data[:size])
        rows = list(read(str(path)))
        texts = [row.text for row in rows if hasattr(row, "text")]
        assert all(text.startswith(f"<p>page {n} ") for n, text in enumerate(texts))
        assert len(texts) <= ends[-1]
        whole = [b"<p>page %d " % n + b"0123456789" * n for n in range(len(texts))]
        assert [text.encode() for text in texts] == whole
        assert len(rows) - len(texts) <= 1
        assert compress is False or rows[-1].reason == "damaged"
        ends.append(len(texts))
    assert ends[0] == 4 and ends[-1] == 0


def test_what_is_no_archive(tmp_path):
    (tmp_path / "a.warc").write_text("something else\n" * 10)
    [row] = read(str(tmp_path / "a.warc"))
    assert row.reason == "damaged"


@pytest.mark.parametrize(
    ("data", "declared", "expected"),
    [
        ("<p>中文".encode(), "iso-8859-1", "<p>中文"),  # it is valid UTF-8
        ('<meta charset="gb2312"><p>中文'.encode("gbk"), None, "中文"),
        ("<p>中文".encode("big5"), "big5", "中文"),
        ("<p>Übergrößenträger".encode("latin-1"), "utf-8", "Übergrößenträger"),
        ("<p>“quoted”".encode("cp1252"), "iso-8859-1", "“quoted”"),  # as browsers do
        (
            '<META http-equiv="Content-Type" content="text/html; charset=windows-1251">'
            "<p>Привет".encode("cp1251"),
            None,
            "Привет",
        ),
        ("<p>für".encode("utf-16"), None, "<p>für"),
        ("\ufeff<p>mark".encode(), None, "<p>mark"),
        ("<p>für".encode("latin-1"), "no-such-encoding", "für"),
    ],
)
def test_encodings_of_pages(data, declared, expected):
    text, invalid = decode_page(data, declared)
    assert text.endswith(expected) and invalid == 0


def test_bytes_that_no_encoding_has():
    text, invalid = decode_page(b'<meta charset="utf-8"><p>a\xffb' + "ü".encode() * 50)
    assert "a\ufffdbü" in text and invalid == 1
