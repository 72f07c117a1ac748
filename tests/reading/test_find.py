"""Sources: which files are found, under which names, whatever links and places."""

from __future__ import annotations

import gzip
import os
from collections import Counter

import pytest

from massivetext_keras.reading.find import find
from massivetext_keras.reading.read import Source, read


@pytest.fixture
def tree(tmp_path):
    for name in [
        *("a.txt", "b.jsonl.zst", "c.html.gz", "d.json", "picture.png", "LICENSE"),
        *("code/m.py", "code/deep/n.RS", "code/.git/o.py", ".hidden.txt", "e.log"),
    ]:
        path = tmp_path / "raw" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"text" * len(name))
    return tmp_path / "raw"


def names(*arguments, **options):
    return [source.name for source in find(*arguments, **options)]


EVERYTHING = ["a.txt", "b.jsonl.zst", "c.html.gz", "code/deep/n.RS", "code/m.py"]


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("", EVERYTHING),
        ("**", EVERYTHING),
        ("*", EVERYTHING[:3]),
        ("**/*.py", ["code/m.py"]),
        ("code/**", ["deep/n.RS", "m.py"]),
        ("c*/*", ["code/m.py"]),
        ("*.json", ["d.json"]),
        ("*.log", ["e.log"]),
        ("LICENSE", ["LICENSE"]),
        (".hidden.txt", [".hidden.txt"]),
        ("**/deep/*", ["code/deep/n.RS"]),
        ("[ab].*", ["a.txt", "b.jsonl.zst"]),
        ("code/.git/*.py", ["o.py"]),
    ],
)
def test_patterns(tree, pattern, expected):
    assert names(tree / pattern) == expected


def test_what_is_known_of_a_file(tree):
    skipped = Counter()
    sources = find(tree, skipped=skipped)
    assert sources[0] == Source(str(tree / "a.txt"), "a.txt", 20, "text")
    formats = [source.format for source in sources]
    assert formats == ["text", "jsonl", "html", "code", "code"]
    assert skipped == {".json": 1, ".png": 1, ".log": 1, "": 1}
    [source] = find(tree / "d.json")
    assert source.format == "jsonl"
    assert len(find(tree, format="text")) == 9


def test_names_do_not_depend_on_order_or_place(tree, monkeypatch):
    inputs = [tree / "code", tree / "a.txt"]
    expected = ["a.txt", "code/deep/n.RS", "code/m.py"]
    assert names(inputs) == names(inputs[::-1]) == expected
    monkeypatch.chdir(tree)
    assert names(["code", "a.txt"]) == names(["./code/", "a.txt", "a.*"]) == expected
    assert names("code/**") == names(tree / "code") == ["deep/n.RS", "m.py"]


def test_links(tree):
    (tree / "loop").symlink_to(tree)
    (tree / "code/up").symlink_to("..")
    (tree / "self").symlink_to("self")
    (tree / "aa.txt").symlink_to("a.txt")
    (tree / "0.txt").symlink_to("a.txt")
    (tree / "nowhere.txt").symlink_to("missing")
    outside = tree.parent / "outside"
    outside.mkdir()
    (outside / "z.txt").write_text("z")
    (tree / "linked").symlink_to(outside)
    os.mkfifo(tree / "pipe.txt")
    assert names(tree) == [*EVERYTHING, "linked/z.txt"]
    assert names([tree / "**", tree, tree / "loop/**"]) == [*EVERYTHING, "linked/z.txt"]


@pytest.mark.parametrize(
    ("pattern", "error", "message"),
    [
        (
            "a.tx",
            FileNotFoundError,
            r"no file matches '.*a\.tx'; did you mean '.*a\.txt'",
        ),
        ("cod/**", FileNotFoundError, r"did you mean '.*code'\?$"),
        ("*.zip", FileNotFoundError, r"no file matches"),
        ("code/deep/*.py", FileNotFoundError, r"no file matches"),
        ("pictures", ValueError, r"holds no file of a known format, only \.png$"),
    ],
)
def test_nothing_found(tree, pattern, error, message):
    (tree / "pictures").mkdir()
    (tree / "pictures/a.png").write_bytes(b"")
    with pytest.raises(error, match=message):
        find(tree / pattern)


def test_wrong_arguments(tree):
    with pytest.raises(ValueError, match="unknown format 'txt': did you mean 'text'"):
        find(tree, format="txt")
    with pytest.raises(ValueError, match="at least one"):
        find([])


def test_remote_paths():
    import fsspec

    memory = fsspec.filesystem("memory")
    root = "/test_remote_paths"
    memory.pipe(f"{root}/a/x.txt.gz", gzip.compress("für".encode()))
    memory.pipe(f"{root}/y.jsonl", b'{"text": "two"}\nbad\n')
    memory.pipe(f"{root}/z.png", b"")
    memory.pipe(f"{root}/.h/w.txt", b"hidden")
    url = f"memory:/{root}"
    for inputs in [url, f"{url}/**", [f"{url}/**/*.txt.gz", f"{url}/y.jsonl"]]:
        sources = find(inputs)
        assert [source.name for source in sources] == ["a/x.txt.gz", "y.jsonl"]
        rows = [row for source in sources for row in read(source)]
        assert [row.text for row in rows[:2]] == ["für", "two"]
        assert rows[2].reason == "bad_record" and rows[2].source == "y.jsonl"
    assert names(f"{url}/*.jsonl") == ["y.jsonl"]
    with pytest.raises(FileNotFoundError, match="no file matches"):
        find(f"{url}/*.csv")
    [row] = read(f"{url}/missing.txt")
    assert row.reason == "unreadable"


def test_json_in_folders(tmp_path):
    line = b'{"text": "one"}\n'
    for name in ("AA/wiki_00", "c4/a.json.gz", "c4/b.json.zst", "c4/settings.json"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(gzip.compress(line) if "gz" in name else line)
    found = find(tmp_path)
    assert [(source.name, source.format) for source in found] == [
        ("AA/wiki_00", "jsonl"),
        ("c4/a.json.gz", "jsonl"),
        ("c4/b.json.zst", "jsonl"),
    ]
    (tmp_path / "settings").mkdir()
    (tmp_path / "settings/a.json").write_bytes(line)
    (tmp_path / "settings/b.tar.gz").write_bytes(b"")
    said = r"only \.json \.tar\.gz; if \.json holds documents, say \*\.json$"
    with pytest.raises(ValueError, match=said):
        find(tmp_path / "settings")
    assert names(tmp_path / "settings/*.json") == ["a.json"]
