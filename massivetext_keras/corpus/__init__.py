"""Raw text in, clean documents out; nothing here imports TensorFlow."""

from __future__ import annotations

from massivetext_keras.corpus.python_docs import (
    python_documentation,
    write_python_documentation,
)
from massivetext_keras.corpus.shards.split import Split, split_documents
from massivetext_keras.reading.texts import (
    ReadReport,
    expand,
    fingerprint,
    read_documents,
    read_file,
)
from massivetext_keras.support.extras import need

# These need the packages of the extra `corpus`.
_PIPELINE = {
    "Batch": "batch",
    "Check": "batch",
    "LocalEngine": "engines.local",
    "Manifest": "shards.manifest",
    "RECIPES": "recipes",
    "Recipe": "recipes",
    "SparkEngine": "engines.spark",
    "build": "pipeline",
    "load_recipe": "recipes",
    "read_manifest": "shards.manifest",
    "rule": "rules",
    "write_report": "report.page",
}

__all__ = [
    *_PIPELINE,
    "ReadReport",
    "Split",
    "expand",
    "fingerprint",
    "python_documentation",
    "read_documents",
    "read_file",
    "split_documents",
    "write_python_documentation",
]


def __getattr__(name: str):
    if name not in _PIPELINE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(need(f"{__name__}.{_PIPELINE[name]}"), name)
