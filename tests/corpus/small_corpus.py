"""Raw files of real documents, and what a build makes of them."""

from __future__ import annotations

import json
from pathlib import Path

import orjson
import zstandard

from massivetext_keras.corpus import python_documentation
from massivetext_keras.corpus.recipes import Recipe

QUICK = Recipe(
    "quick",
    {"normalize": {}, "gopher_quality": {"min_words": 20, "max_word_length": 12}},
)


def write_jsonl(path: Path, texts: list[str]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"".join(orjson.dumps({"text": text}) + b"\n" for text in texts))
    return path


def write_raw(folder: Path) -> Path:
    """Sixty real documents in three files, some twice, one nearly so, two short."""
    texts = [text for text in python_documentation() if 800 < len(text) < 6000][:60]
    near = texts[0].replace("the", "teh", 1)
    write_jsonl(folder / "a.jsonl", [*texts[:20], "too short", texts[5]])
    write_jsonl(folder / "b.jsonl", [*texts[20:40], near, texts[7], ""])
    write_jsonl(folder / "more/c.jsonl", [*texts[40:], texts[25], "short too"])
    return folder


def contents(folder: Path) -> dict[str, bytes]:
    """File -> bytes, but for the manifest's `run`."""
    found = {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }
    manifest = json.loads(found["manifest.json"])
    del manifest["run"]
    return found | {"manifest.json": json.dumps(manifest).encode()}


def documents(folder: Path, side: str = "*", parse=orjson.loads) -> list:
    """Lines of the shards of a side; of all but what was dropped."""
    lines = []
    for path in sorted(folder.rglob(f"{side}-*.jsonl.zst")):
        if side == "*" and path.name.startswith("dropped"):
            continue
        with zstandard.open(path, "rb") as file:
            lines += file.read().splitlines()
    return [parse(line) for line in lines]
