"""What a corpus folder holds, and how it was made.

    manifest.json                          counts, hashes, thresholds, versions
    report.json                            what `report` draws
    web/train-00000-of-00007.jsonl.zst     documents sorted by id, and so on
    web/validation-00000-of-00001.jsonl.zst
    web/dropped-00000-of-00001.jsonl.zst   what is not kept: beginning, reason, value

Two builds of the same input by the same recipe differ in the manifest's `run` at most.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path

from massivetext_keras.support.files import file_hash, read_json, write_json
from massivetext_keras.support.values import Config

MANIFEST = "manifest.json"
FORMAT = "massivetext_keras corpus 1"


@dataclasses.dataclass(frozen=True)
class Manifest(Config):
    """The contents of `manifest.json`.

    Attributes:
        format: of the folder.
        inputs: subset -> `files`, `bytes` and one `hash` of all that was read.
        recipe: every step with every threshold.
        build: arguments of the build that decide its bytes: fractions, seed, weights,
            shard_bytes, format; and the hashes of the `files` that steps read.
        versions: package -> version.
        documents, bytes: `read` and `kept`; texts in UTF-8.
        dropped: reason -> `documents` and `bytes`, in the order of the steps.
        subsets: subset -> side -> `documents` and `bytes`.
        shards: file -> `documents`, `bytes` of text, `size` of the file, its `hash`.
        listings: the same of files that list the documents that are not kept.
        run: when, where, how long; what may differ from build to build.
    """

    format: str = FORMAT
    inputs: dict = dataclasses.field(default_factory=dict)
    recipe: dict = dataclasses.field(default_factory=dict)
    build: dict = dataclasses.field(default_factory=dict)
    versions: dict = dataclasses.field(default_factory=dict)
    documents: dict = dataclasses.field(default_factory=dict)
    bytes: dict = dataclasses.field(default_factory=dict)
    dropped: dict = dataclasses.field(default_factory=dict)
    subsets: dict = dataclasses.field(default_factory=dict)
    shards: dict = dataclasses.field(default_factory=dict)
    listings: dict = dataclasses.field(default_factory=dict)
    run: dict = dataclasses.field(default_factory=dict)

    def write(self, folder: str | Path) -> None:
        """Writes `manifest.json`, which makes a folder a corpus."""
        write_json(Path(folder) / MANIFEST, self.to_dict())


def read_manifest(folder: str | Path, check: bool = False) -> Manifest:
    """The manifest of a corpus.

    Args:
        folder: that `build` wrote.
        check: compare size and hash of every shard.

    Raises:
        FileNotFoundError: the folder has none: it is no corpus, or an unfinished one.
        ValueError: it is of another format, or a shard is missing or not what was
            written; names the file.
    """
    path = Path(folder) / MANIFEST
    if not path.is_file():
        raise FileNotFoundError(
            f"{folder} has no {MANIFEST}: not a corpus, or one whose build has not "
            "ended; run `massivetext corpus build` again to go on"
        )
    values = read_json(path)
    if values.get("format") != FORMAT:
        raise ValueError(f"{path}: not of the format {FORMAT!r}")
    manifest = Manifest.from_dict(values)
    files = manifest.shards | manifest.listings
    for name, shard in files.items() if check else ():
        file = Path(folder) / name
        if not file.is_file():
            raise ValueError(f"{file} is missing")
        if file.stat().st_size != shard["size"] or file_hash(file) != shard["hash"]:
            raise ValueError(f"{file} is not the file that was written")
    return manifest
