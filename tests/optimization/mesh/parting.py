"""A worker of a mesh that says when its work is done: the first at once, or by an
error, the other later."""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path

from massivetext_keras.training import make_mesh

SECONDS = 4.0


def main(folder: Path, fails: str = "") -> None:
    index = json.loads(os.environ["TF_CONFIG"])["task"]["index"]
    make_mesh(data=2)
    if index:
        time.sleep(SECONDS)
    (folder / "done").write_text(str(time.time()))
    if fails and not index:
        raise ValueError("no more")


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:])
