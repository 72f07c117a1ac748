"""The embedded corpus, held against what Python itself says of its modules."""

from __future__ import annotations

import bisect
import inspect
import json.decoder
from pydoc_data.topics import topics

import pytest

from massivetext_keras.corpus import python_docs, python_documentation, read_documents


@pytest.fixture(scope="module")
def named():
    return python_docs._named_documents()


def test_modules_read_as_inspect_reads_them(named):
    sections = named["library/bisect"]
    parts = ["bisect", inspect.getdoc(bisect)]
    for name in ["insort_right", "bisect_right", "insort_left", "bisect_left"]:
        parts += [f"bisect.{name}", inspect.getdoc(getattr(bisect, name))]
    assert sections == "\n\n".join(parts) + "\n"
    method = inspect.getdoc(json.decoder.JSONDecoder.raw_decode)
    expected = f"\njson.decoder.JSONDecoder.raw_decode\n\n{method}\n"
    assert expected in named["library/json.decoder"]


def test_topics_are_whole(named):
    ours = [text for name, text in named.items() if name.startswith("topics/")]
    assert set(ours) == {text.strip() + "\n" for text in topics.values()}
    assert named["topics/lambda"] == topics["lambda"].strip() + "\n"


def test_size_order_and_what_is_left_out(named):
    assert list(named) == sorted(named)
    assert 2_000_000 < sum(len(text.encode()) for text in named.values()) < 4_000_000
    modules = {name.removeprefix("library/") for name in named}
    assert {"argparse", "asyncio.queues", "unittest.mock", "json"} <= modules
    assert not any({"test", "tests"} & set(name.split(".")) for name in modules)
    assert not any(name.startswith(("site-packages", "pip.")) for name in modules)
    assert len({name.lower() for name in named}) == len(named)


def test_no_docstring_twice(named):
    assert len(set(named.values())) == len(named)
    text = "Close the event loop."
    source = (
        f'def a():\n    """{text}"""\nif True:\n  class B:\n    "two\\n\\n  three"\n'
    )
    module = python_docs.ast.parse('"""one"""\n' + source)
    assert list(python_docs._docstrings(module, "m")) == [
        ("m", "one"),
        ("m.a", text),
        ("m.B", "two\n\nthree"),
    ]


def test_of_generated_code_pages_one_of_a_kind_stays(named):
    pages = [text for text in named.values() if "gencodec.py" in text]
    assert 1 <= len(pages) < 8, pages
    fixers = [name for name in named if name.startswith("library/lib2to3.fixes.fix_")]
    assert len(fixers) > 40  # these tell of different things


def test_written_files_read_back(tmp_path, named):
    paths = python_docs.write_python_documentation(tmp_path / "made" / "here")
    assert len(paths) == len(named)
    assert sorted(read_documents(tmp_path)) == sorted(named.values())
    assert python_documentation() == list(named.values())
