"""Python's own documentation: the corpus that every installation has."""

from __future__ import annotations

import ast
import functools
import re
import sysconfig
import warnings
from collections.abc import Iterator
from pathlib import Path
from pydoc_data.topics import topics

_NOT_DOCUMENTATION = {
    *("site-packages", "dist-packages", "__pycache__"),
    *("test", "tests", "idle_test"),
}
_DOCUMENTED = (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)


def python_documentation() -> list[str]:
    """Collect the language reference and the standard library's docstrings.

    The documents are the topics of `help()` (`pydoc_data.topics`) and one document per
    module of the standard library: its docstrings in source order, dedented, each under
    its qualified name. The modules are parsed and never imported. Tests and installed
    packages are left out, and so are a docstring that an earlier place already has,
    and a module whose document differs from an earlier one in its name, paths and words
    with digits alone: of the code pages that were generated from tables, one of each
    kind. The text is that of the running Python, so another version gives another
    corpus.

    Returns:
        The documents, sorted by name, library before topics; about 2 MB.

    Example:
        >>> [lines] = [
        ...     text.splitlines()
        ...     for text in python_documentation()
        ...     if text.startswith("bisect\\n")
        ... ]
        >>> lines[:3]
        ['bisect', '', 'Bisection algorithms.']
    """
    return list(_named_documents().values())


def write_python_documentation(folder: str | Path) -> list[Path]:
    """Write the documents of `python_documentation` as UTF-8 text files.

    Args:
        folder: is made if it is missing; gets library/<module>.txt and
            topics/<topic>.txt.

    Returns:
        The files, in the documents' order.

    Raises:
        OSError: the folder cannot be written.

    Example:
        >>> paths = write_python_documentation(getfixture("tmp_path"))
        >>> [path.parent.name for path in paths if path.name == "bisect.txt"]
        ['library']
    """
    paths = []
    for name, text in _named_documents().items():
        path = Path(folder) / f"{name}.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode())
        paths.append(path)
    return paths


@functools.cache
def _named_documents() -> dict[str, str]:
    """`library/json.decoder` or `topics/lambda` -> document, sorted by name."""
    root = Path(sysconfig.get_paths()["stdlib"])
    modules = {
        ".".join(path.relative_to(root).with_suffix("").parts): path
        for path in root.rglob("*.py")
        if not _NOT_DOCUMENTATION.intersection(path.relative_to(root).parts)
    }
    documents: dict[str, str] = {}
    seen: set[str] = set()
    patterns: set[str] = set()
    for module in sorted(modules):
        name = module.removesuffix(".__init__")
        sections = []
        for qualified, docstring in _docstrings(_parse(modules[module]), name):
            if docstring not in seen:
                seen.add(docstring)
                sections.append(f"{qualified}\n\n{docstring}\n")
        text = "\n".join(sections)
        pattern = _pattern(text, name)
        if sections and pattern not in patterns:
            patterns.add(pattern)
            documents[f"library/{name}"] = text
    for topic in sorted(topics):
        text = topics[topic].strip() + "\n"
        if text not in seen:
            seen.add(text)
            documents[f"topics/{topic}"] = text
    return dict(sorted(documents.items()))


def _pattern(text: str, module: str) -> str:
    """A module's document without its name, paths and words with digits.

    >>> _pattern("encodings.cp037\\n\\nCodec cp037 from 'EBCDIC/CP037.TXT'", "x.cp037")
    'encodings.*\\n\\nCodec * from *'
    """
    named = text.replace(module.rpartition(".")[2], "*")
    return re.sub(r"[^\s.]*[\d/]\S*", "*", named)


def _parse(path: Path) -> ast.Module:
    with warnings.catch_warnings():  # invalid escapes in old modules
        warnings.simplefilter("ignore")
        return ast.parse(path.read_bytes())


def _docstrings(node: ast.AST, name: str) -> Iterator[tuple[str, str]]:
    """(qualified name, dedented docstring) of a module and all it defines."""
    if isinstance(node, (ast.Module, *_DOCUMENTED)):
        docstring = (ast.get_docstring(node) or "").strip()
        if docstring:
            yield name, docstring
    for child in ast.iter_child_nodes(node):
        if isinstance(child, _DOCUMENTED):
            yield from _docstrings(child, f"{name}.{child.name}")
        elif isinstance(child, (ast.stmt, ast.ExceptHandler)):
            yield from _docstrings(child, name)
