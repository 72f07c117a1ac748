"""SavedModels with text signatures: written aside, checked, then put in place."""

from __future__ import annotations

import contextlib
import json
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import keras
import tensorflow as tf
import tensorflow_text

CONFIG = "config.json"


def write_saved_model(
    path: str | Path,
    module: tf.Module,
    signatures: Mapping[str, Callable],
    metadata: Mapping,
    check: Callable[[Mapping[str, Callable]], None],
    overwrite: bool = False,
) -> None:
    """Writes a SavedModel beside a `config.json` that says what it needs.

    Args:
        path: folder of the export.
        module: holds the variables and tokenizers that the signatures use.
        signatures: name -> `tf.function` with an input signature and named outputs.
        metadata: what else `config.json` shall hold.
        check: gets the signatures of the loaded export, raises if they are wrong.
        overwrite: replace what is in the folder.

    Raises:
        FileExistsError: the folder is not empty and `overwrite` is false.
    """
    with replacing(path, overwrite) as folder:
        tf.saved_model.save(module, str(folder), signatures=dict(signatures))
        described = {}
        for name, function in signatures.items():
            traced = function.get_concrete_function()
            described[name] = {
                "inputs": [spec.name for spec in traced.structured_input_signature[0]],
                "outputs": sorted(traced.structured_outputs),
            }
        versions = {
            "tensorflow": tf.__version__,
            "tensorflow-text": tensorflow_text.__version__,
            "keras": keras.__version__,
        }
        config = {**metadata, "signatures": described, "made_with": versions}
        (folder / CONFIG).write_text(json.dumps(config, indent=2) + "\n")
        loaded = tf.saved_model.load(str(folder))
        check(loaded.signatures)


@contextlib.contextmanager
def replacing(path: str | Path, overwrite: bool = False) -> Iterator[Path]:
    """A new folder that takes the place of `path` if the block raises nothing.

    Raises:
        FileExistsError: there is something at `path` and `overwrite` is false.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as place:
    ...     with replacing(f"{place}/new") as folder:
    ...         _ = (folder / "file").write_text("text")
    ...     (Path(place) / "new" / "file").read_text()
    'text'
    """
    path = Path(path)
    if path.is_file():
        raise FileExistsError(f"{path} is a file: give a folder to export to")
    if path.exists() and any(path.iterdir()) and not overwrite:
        raise FileExistsError(
            f"{path} is not empty: choose another folder, or overwrite it"
        )
    path.parent.mkdir(parents=True, exist_ok=True)
    # Beside the target, so that the last step is a rename within one file system.
    aside = Path(tempfile.mkdtemp(prefix=f".{path.name}.", dir=path.parent))
    new, old = aside / "new", aside / "old"
    try:
        new.mkdir()
        yield new
        if path.exists():
            path.rename(old)
        new.rename(path)
    except BaseException:
        if old.exists() and not path.exists():
            old.rename(path)
        raise
    finally:
        shutil.rmtree(aside, ignore_errors=True)
