"""The folder in which a build keeps its stages."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

from massivetext_keras.corpus.inputs import stamp
from massivetext_keras.corpus.shards.manifest import Manifest


class Work:
    """The folder beside the output that holds the stages until the build ends.

    What decides the bytes of a stage is in its name, so that a build by another recipe
    does not take them for its own.

    Args:
        output: folder of the corpus.
        files: rows of what is read.
        manifest: how the corpus is made.
    """

    def __init__(self, output: Path, files: Sequence[Mapping], manifest: Manifest):
        stamps = [stamp(file["path"]) for file in files]
        decides = [files, *stamps, manifest.to_dict()]
        encoded = json.dumps(decides, sort_keys=True).encode()
        self.identity = hashlib.sha256(encoded).hexdigest()
        self.folder = output.with_name(f".{output.name}.work") / self.identity[:16]

    def stage(self, name: str) -> Path:
        """The folder of a stage."""
        return self.folder / name

    def remove(self) -> None:
        """Removes all stages; a kill meanwhile leaves none that looks complete."""
        gone = self.folder.with_name("finished")
        if self.folder.exists():
            shutil.rmtree(gone, ignore_errors=True)
            self.folder.rename(gone)
        shutil.rmtree(self.folder.parent, ignore_errors=True)
