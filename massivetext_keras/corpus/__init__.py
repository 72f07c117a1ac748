"""Raw text in, clean documents out; nothing here imports TensorFlow."""

from __future__ import annotations

from massivetext_keras.corpus.pydoc import (
    python_documentation,
    write_python_documentation,
)
from massivetext_keras.corpus.readers import (
    ReadReport,
    expand,
    fingerprint,
    read_documents,
    read_file,
)
from massivetext_keras.corpus.split import Split, split_documents

__all__ = [
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
