"""Pages and archives of crawls: encodings, what is taken of them, what is damaged."""

from __future__ import annotations

import functools
import gzip
import io
import tracemalloc
import uuid
import zlib

import brotli
import pytest
import zstandard
from warcio.statusandheaders import StatusAndHeaders
from warcio.warcwriter import WARCWriter

from massivetext_keras.reading.formats.html import decode_page
from massivetext_keras.reading.read import read

# Without the time, which would name a case otherwise in each process.
packed = functools.partial(gzip.compress, mtime=0)


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
                        status,
                        [*([("Content-Type", media)] if media else []), *headers],
                        "HTTP/1.1",
                    ),
                    warc_headers_dict=fixed,
                )
            writer.write_record(record)
    return path


DEFLATE = ("Content-Encoding", "deflate")
CHUNKED = [("Content-Encoding", "gzip"), ("Transfer-Encoding", "chunked")]


def chunked(body):
    data = packed(body)
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
        ("http://a.org/e", packed(b"<p>cut")[:-9], "text/html", CHUNKED[0]),
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
        *("<p>für", "no_page", "no_page", "<p>zipped", "too_large", "not gzip at all"),
        *("<p>cut", "damaged", "<p>flat", "brotli", "empty", "text", "<p>last"),
    ]
    assert rows[1].detail == "http://a.org/2: image/jpeg"
    assert rows[2].detail == "http://a.org/3: status 404"
    assert rows[7].detail == "http://a.org/e: cut off when it was fetched (transfer)"
    assert [row.kind for row in (rows[0], rows[-2], rows[-1])] == [
        "html",
        "text",
        "html",
    ]
    assert rows[0].url == "http://a.org/1" and rows[0].subset == "web"
    assert rows[0].columns == {"date": "2020-01-01T00:00:00Z"}
    assert rows[4].detail == "http://a.org/5: more than 1,000,000 bytes"


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
        if len(rows) == len(texts):  # cut between two records
            assert not compress and data[:size].rstrip(b"\r\n").endswith(whole[-1])
        else:
            assert rows[-1].reason == "damaged"
        ends.append(len(texts))
    assert ends[0] == 4 and ends[-1] == 0


BR, ZSTD = ("Content-Encoding", "br"), ("Content-Encoding", "zstd")
PAGE = b"<html><p>a page with some text</html>"


def raw_deflate(data):
    return zlib.compress(data)[2:-4]


@pytest.mark.parametrize(
    ("coding", "data"),
    [
        ("br", brotli.compress(PAGE)),
        ("zstd", zstandard.compress(PAGE)),
        ("ZSTD", zstandard.compress(PAGE)),
        ("deflate", zlib.compress(PAGE)),
        ("deflate", raw_deflate(PAGE)),
        ("gzip, br", brotli.compress(packed(PAGE))),
        ("gzip, gzip", packed(packed(PAGE))),
        ("gzip", packed(PAGE[:9]) + packed(PAGE[9:]) + b"\0\0behind"),
        ("zstd", zstandard.compress(PAGE[:9]) + zstandard.compress(PAGE[9:]) + b"\0"),
        ("zstd", b"".join(map(zstandard.compress, [PAGE[:9], PAGE[9:20], PAGE[20:]]))),
        ("identity", PAGE),
        ("UTF-8", PAGE),
        *((coding, PAGE) for coding in ("br", "zstd", "gzip", "deflate")),
    ],
)
@pytest.mark.parametrize("is_chunked", [False, True])
def test_encodings_of_bodies(tmp_path, coding, data, is_chunked):
    headers = [("Content-Encoding", coding)]
    if is_chunked:
        data = b"%x;q=1\r\n" % len(data) + data + b"\r\n0\r\n\r\n"
        headers.append(("Transfer-Encoding", "Chunked"))
    path = warc(tmp_path / "a.warc", ("http://a.org", data, "text/html", *headers))
    assert [row.text for row in read(str(path))] == [PAGE.decode()]


@pytest.mark.parametrize(
    ("header", "data", "detail"),
    [
        (BR, brotli.compress(PAGE)[:1], "its br data end early"),
        (ZSTD, zstandard.compress(PAGE)[:9], "its zstd data end early"),
        (BR, b"\xff\x00\x01" * 40, "its br data are damaged: brotli: decoder failed"),
        (("Content-Encoding", "sdch"), PAGE, "its encoding sdch is not known"),
    ],
)
def test_bodies_that_cannot_be_read(tmp_path, header, data, detail):
    path = warc(tmp_path / "a.warc", ("http://a.org", data, "text/html", header))
    [row] = read(str(path))
    assert (row.reason, row.detail) == ("bad_record", f"http://a.org: {detail}")


@pytest.mark.parametrize(
    ("coding", "data"),
    [
        ("br", brotli.compress(PAGE)[:-4]),
        ("zstd", zstandard.compress(PAGE * 1000 + bytes(200_000))[:-4]),
        ("gzip", packed(PAGE)[:-9]),
    ],
)
def test_of_encoded_bodies_that_were_cut_off_the_beginning_is_read(
    tmp_path, coding, data
):
    header = ("Content-Encoding", coding)
    path = warc(tmp_path / "a.warc", ("http://a.org", data, "text/html", header))
    page, cut = read(str(path))
    assert page.text.startswith("<html><p>a page with") and cut.reason == "damaged"


def test_headers_and_chunks_as_servers_write_them(tmp_path):
    coding, lists = "Content-Encoding", brotli.compress(packed(PAGE))
    bare = b"%x\n" % len(PAGE) + PAGE + b"\n0\n\n"
    path = warc(
        tmp_path / "a.warc",
        ("http://a", lists, "text/html", (coding, "gzip"), (coding, "br")),
        ("http://b", bare, "text/html", ("Transfer-Encoding", "chunked")),
        ("http://c", b"", "text/html", (coding, "gzip")),
    )
    rows = [getattr(row, "text", None) or row.reason for row in read(str(path))]
    assert rows == [PAGE.decode(), PAGE.decode(), "empty"]


def test_bombs_of_any_encoding(tmp_path):
    bombs = [("br", brotli.compress), ("zstd", zstandard.compress)]
    records = [
        (f"http://a.org/{name}", pack(bytes(60_000_000)), "text/html", header)
        for name, pack in bombs
        for header in [("Content-Encoding", name)]
    ]
    path = warc(tmp_path / "a.warc", *records)
    tracemalloc.start()
    rows = list(read(str(path), max_document_bytes=100_000))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert [row.reason for row in rows] == ["too_large"] * 2 and peak < 70_000_000


@pytest.mark.parametrize(
    ("media", "body", "kind"),
    [
        (None, PAGE, "html"),
        (None, b" <!-- a --><p>b", "html"),
        (None, b"only words", "text"),
        (None, b"\x89PNG\r\n\x1a\n", "no_page"),
        (None, bytes(range(256)), "no_page"),
        ("text/html, text/html", PAGE, "html"),
        ("text/html; charset=utf-8, text/html", PAGE, "html"),
        ("text/html charset=UTF-8", PAGE, "html"),
        ("TEXT/HTML;CHARSET='UTF-8'", PAGE, "html"),
        ("text/html;;", PAGE, "html"),
        ("html", PAGE, "html"),
        ("unknown/unknown", PAGE, "html"),
        ("application/pdf", b"%PDF-1.4", "no_page"),
        *(
            ("text/html", b"%PDF-1.4\n", "no_page"),
            ("text/plain", b"PK\3\4", "no_page"),
        ),
        ("text/html", b"\x89PNG\r\n\x1a\n", "no_page"),
        ("text/plain", bytes(range(256)), "no_page"),
        ("text/html", packed(b"%PDF-1.4\n"), "no_page"),
        ("text/html", packed(PAGE)[:9], "bad_record"),
        ("text/html", b"words that are no HTML", "html"),
    ],
)
def test_media_types(tmp_path, media, body, kind):
    path = warc(tmp_path / "a.warc", ("http://a.org", body, media))
    [row] = read(str(path))
    assert getattr(row, "kind", None) or row.reason == kind
    if kind in ("html", "text"):
        assert (row.kind, row.text) == (kind, body.decode())


@pytest.mark.parametrize("media", ["text/html", None])
@pytest.mark.parametrize(
    ("coding", "pack"), [("gzip", packed), ("zstd", zstandard.compress)]
)
def test_a_page_that_is_compressed_without_a_word(tmp_path, media, coding, pack):
    twice = (pack(pack(PAGE)), media, ("Content-Encoding", coding))
    path = warc(
        tmp_path / "a.warc",
        ("http://a.org", pack(PAGE), media),
        ("http://b.org", pack(PAGE * 999), media),
        ("http://c.org", *twice),
    )
    rows = list(read(str(path), max_document_bytes=10_000))
    assert [getattr(row, "text", row) for row in rows][::2] == [PAGE.decode()] * 2
    assert (rows[0].kind, rows[1].reason) == ("html", "too_large")


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "gb18030"])
def test_text_that_is_not_utf8_is_a_page(tmp_path, encoding):
    text = "人人生而自由，在尊严和权利上一律平等。" * 9
    media = f"text/plain; charset={encoding.replace('-le', 'le').replace('-be', 'be')}"
    path = warc(tmp_path / "a.warc", ("http://a.org", text.encode(encoding), media))
    [row] = read(str(path))
    assert row.kind == "text" and (row.text == text or encoding[-2:] in ("le", "be"))


@pytest.mark.parametrize("media", ["", None, "text/html", "application/http"])
def test_the_head_of_an_answer_is_known_by_its_first_line(tmp_path, media):
    path = tmp_path / "a.warc"
    http = b"HTTP/1.1 %s\r\nContent-Type: text/html\r\n\r\n"
    path.write_bytes(
        record("response", "http://a.org", http % b"200 OK" + PAGE, media)
        + record("response", "http://b.org", http % b"404 Not Found" + PAGE, media)
        + record("resource", "http://c.org", b"HTTP/1.1 is a protocol")
        + record("response", "http://d.org", b"HTT", "text/plain")
    )
    page, missing, text, short = read(str(path))
    assert (page.text, page.kind) == (PAGE.decode(), "html")
    assert missing.detail == "http://b.org: status 404"
    assert (text.text, short.text) == ("HTTP/1.1 is a protocol", "HTT")


@pytest.mark.parametrize("url", ["urn:text:a", "s3://b/a.txt", "whois://a.org", None])
def test_resources_from_anywhere(tmp_path, url):
    path = tmp_path / "a.warc"
    path.write_bytes(
        record("resource", url, b"a text")
        + record("resource", url, b"{}", "application/json", "WARC-Record-ID: <urn:1>")
        + record("resource", url, b"\x89PNG\r\n\x1a\n", None)
    )
    text, other, picture = read(str(path))
    assert (text.text, text.url) == ("a text", url)
    assert (other.reason, picture.reason) == ("no_page", "no_page")
    assert other.detail == f"{url or '<urn:1>'}: application/json"


def record(kind, url, body, media="text/plain", *more):
    head = [f"WARC-Type: {kind}"]
    head += [] if url is None else [f"WARC-Target-URI: {url}"]
    head += [] if media is None else [f"Content-Type: {media}"]
    lines = ["WARC/1.0", *head, *more, f"Content-Length: {len(body)}", "", ""]
    return "\r\n".join(lines).encode() + body + b"\r\n\r\n"


def test_what_a_crawler_says_of_itself_is_no_document(tmp_path):
    path = tmp_path / "a.warc"
    path.write_bytes(
        record("warcinfo", "", b"software: Wget")
        + record("request", "http://a.org", b"GET / HTTP/1.0", "application/http")
        + record("resource", "metadata://gnu.org/software/wget/warc/MANIFEST.txt", b"x")
        + record("resource", "<metadata://gnu.org/software/wget/wget.log>", b"log")
        + record("metadata", "http://a.org", b"fetchTimeMs: 3")
        + record("revisit", "http://a.org", b"HTTP/1.0 200 OK\r\n\r\n")
        + record("resource", "https://a.org/a.txt", b"a text")
        + record("continuation", "https://a.org/b", b"the rest")
    )
    text, rest = read(str(path))
    assert text.text == "a text" and rest.reason == "bad_record"


def test_what_was_cut_off_when_it_was_fetched_is_said(tmp_path):
    http, half = "application/http; msgtype=response", b"HTTP/1.1 200 OK\r\n"
    path = tmp_path / "a.warc"
    chunk = b"Transfer-Encoding: chunked\r\n\r\n6\r\n<p>one\r\n"
    path.write_bytes(
        record("response", "a", half + b"\r\n<p>one", http, "WARC-Truncated: length")
        + record("response", "b", half + b"Content-Length: 99\r\n\r\n<p>one", http)
        + record("response", "c", half + chunk, http)
        + record("response", "d", half + chunk + b"0\r\n\r\n", http)
    )
    rows = list(read(str(path)))
    said = [getattr(row, "text", None) or row.detail for row in rows]
    cut = "cut off when it was fetched"
    assert said == [
        *("<p>one", f"a: {cut} (length)", "<p>one", f"b: {cut} (transfer)"),
        *("<p>one", f"c: {cut} (transfer)", "<p>one"),
    ]


@pytest.mark.parametrize("compress", [True, False])
def test_a_damaged_record_is_one(tmp_path, compress):
    pages = [b"<p>page %d " % n + b"%d " * 99 % (*range(n, n + 99),) for n in range(4)]
    records = [(f"http://a.org/{n}", page, "text/html") for n, page in enumerate(pages)]
    path = warc(tmp_path / "a.warc", *records, compress=compress)
    data = path.read_bytes()
    begin = b"\x1f\x8b\x08" if compress else b"WARC/1.0"
    second = data.index(begin, data.index(begin) + 9)
    for wrong in (b"\0" * 40, b"WARC" * 10):
        place = second + 60
        path.write_bytes(data[:place] + wrong + data[place + len(wrong) :])
        rows = list(read(str(path)))
        texts = [row.text.encode() for row in rows if hasattr(row, "text")]
        assert texts in ([pages[0], *pages[2:]], pages)
        assert len(rows) == len(texts) + (len(texts) < 4)
        assert not compress or rows[-1].reason == "damaged"


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
