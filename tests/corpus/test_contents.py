"""What rules read of files they read once, until they are told of other contents."""

from __future__ import annotations

import pytest

from massivetext_keras.corpus.batch import Batch, reasons
from massivetext_keras.corpus.contents import use_contents
from massivetext_keras.corpus.rules import RULES
from massivetext_keras.reading.document import Document

SENTENCE = "which river flows through the city of Dresden in the east of Germany"
READERS = [
    ("contamination", lambda path: {"files": [path]}, SENTENCE, SENTENCE),
    ("url_blocklist", lambda path: {"domains": path}, "bad.example", "a text"),
    ("word_blocklist", lambda path: {"words": path}, "river", SENTENCE),
]


@pytest.mark.parametrize(("name", "options", "entry", "text"), READERS)
def test_a_list_is_read_once_for_the_same_contents(
    tmp_path, name, options, entry, text
):
    path = tmp_path / "list.txt"

    def is_dropped() -> bool:
        batch = Batch([Document(text, url="https://bad.example/page")])
        checks = RULES[name](batch, **options(str(path)))
        return reasons(checks, 1) != [None]

    use_contents({str(path): "first"})
    path.write_text(entry)
    assert is_dropped()
    path.write_text("another one of which the text has not a single run of words")
    assert is_dropped()
    use_contents({str(path): "second"})
    assert not is_dropped()
