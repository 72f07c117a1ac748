"""The pages of the documentation that are made of other files, a hook of mkdocs.

README.md is the first page; CHANGELOG.md and CONTRIBUTING.md are pages; so are the
notebooks of examples/notebooks, each with the notebook beside it to be taken along, the
public names of each module, for mkdocstrings, and the verbs of the command line with
the flags that the program has. Neither TensorFlow nor Keras is imported: names are read
off the source.
"""

from __future__ import annotations

import ast
import json
import posixpath
import re
import sys
from collections.abc import Iterator, Mapping
from html import escape
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = "massivetext_keras"

NOTEBOOKS = sorted(ROOT.glob("examples/notebooks/*.ipynb"))

# Files of the repository that are pages, and where
PAGES = {
    "README.md": "index.md",
    "CHANGELOG.md": "changelog.md",
    "CONTRIBUTING.md": "contributing.md",
    **{
        path.relative_to(ROOT).as_posix(): f"tutorials/{path.stem}.md"
        for path in NOTEBOOKS
    },
}
# Code, links to files with what they show, and names of pages in a sentence
_LINKS = re.compile(
    r"^```.*?^```$|`[^`\n]*`"
    r"|\[([^\]]*)\]\((?!\w+:|#)([^)#\s]+)(#[^)\s]*)?\)"
    r"|(?<![\w/])(docs/\w+\.md|(?:CHANGELOG|CONTRIBUTING)\.md)",
    re.MULTILINE | re.DOTALL,
)


class Public(NamedTuple):
    """A name that users write.

    Attributes:
        name: as in `massivetext_keras.MODULE.NAME`.
        home: dotted path of where it is defined.
    """

    name: str
    home: str


def modules() -> dict[str, Path]:
    """The public modules by name, with their files."""
    tree = ast.parse((ROOT / PACKAGE / "__init__.py").read_text())
    found = {}
    for name in _value(tree, "_MODULES"):
        place = ROOT / PACKAGE / name
        found[name] = place / "__init__.py" if place.is_dir() else Path(f"{place}.py")
    return found


def public_names(file: Path) -> list[Public]:
    """What `__all__` of a module has, [] without one."""
    tree = ast.parse(file.read_text())
    place = file.parent if file.name == "__init__.py" else file.with_suffix("")
    module = ".".join(place.relative_to(ROOT).parts)
    homes = {}
    for node in tree.body:
        if isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                name = alias.asname or alias.name
                homes[name] = f"{node.module}.{alias.name}"
        elif isinstance(node, ast.FunctionDef | ast.ClassDef):
            homes[node.name] = f"{module}.{node.name}"
        elif isinstance(node, ast.Assign) and isinstance(node.value, ast.Attribute):
            owner, _, rest = ast.unparse(node.value).partition(".")
            if owner in homes:
                homes[node.targets[0].id] = f"{homes[owner]}.{rest}"
    found = []
    for element in _elements(tree, "__all__"):
        if isinstance(element, ast.Starred):  # of a table: what is imported when asked
            table = _value(tree, element.value.id)
            found += [Public(x, f"{module}.{table[x]}.{x}") for x in table]
        else:
            name = ast.literal_eval(element)
            found.append(Public(name, homes.get(name) or _elsewhere(name, file)))
    return found


def _elsewhere(name: str, file: Path) -> str:
    """Where a name is defined that a module has from one above it, when asked."""
    for module, other in modules().items():
        if other == file or f'"{name}"' not in other.read_text():
            continue
        if f"{PACKAGE}.{module}" in file.read_text():
            return next(x.home for x in public_names(other) if x.name == name)
    place = file.parent if file.name == "__init__.py" else file.with_suffix("")
    return ".".join([*place.relative_to(ROOT).parts, name])


def _assigned(tree: ast.Module, name: str) -> ast.expr | None:
    for node in tree.body:
        targets = getattr(node, "targets", [getattr(node, "target", None)])
        if name in (getattr(target, "id", None) for target in targets):
            return node.value
    return None


def _elements(tree: ast.Module, name: str) -> list[ast.expr]:
    found = _assigned(tree, name)
    return [] if found is None else found.elts


def _value(tree: ast.Module, name: str):
    return ast.literal_eval(_assigned(tree, name))


def api_pages() -> Iterator[tuple[str, str]]:
    """A page for each module that has public names: its address and its Markdown."""
    rows, first = [], {}
    for module, file in modules().items():
        tree = ast.parse(file.read_text())
        line = (ast.get_docstring(tree) or "").partition("\n\n")[0].replace("\n", " ")
        names = public_names(file)
        if not names:
            continue
        rows.append(f"| [`mtk.{module}`]({module}.md) | {line} |")
        page = [f"# mtk.{module}", "", line, ""]
        for public in names:
            home = first.setdefault(public.home, module)
            if home == module:
                page += [f"::: {public.home}", ""]
            else:
                link = f"[`mtk.{home}.{public.name}`]({home}.md#{public.home})"
                page += [f"## {public.name}", "", f"The same as {link}.", ""]
        yield f"reference/api/{module}.md", "\n".join(page)
    head = [
        "# Python",
        "",
        "`import massivetext_keras as mtk`",
        "",
        "| | |",
        "|---|---|",
    ]
    yield "reference/api/index.md", "\n".join([*head, *rows, ""])


def command_page() -> str:
    """Every verb of the program with its flags."""
    if str(ROOT) not in sys.path:
        sys.path.insert(0, str(ROOT))
    from massivetext_keras.cli import VERBS
    from massivetext_keras.cli.shell.help import groups, see_also, wrapped

    lines = ["# Command line", "", "`massivetext VERB [--flag=value ...]`", ""]
    for name, verb in VERBS.items():
        lines += [f"## {name}", "", verb.summary.capitalize() + ".", ""]
        lines += [escape(verb.details), ""]
        for heading, flags in groups(verb).items():
            lines += [f"| {heading} | |", "|---|---|"]
            for flag in flags:
                meaning = escape(flag.help, quote=False).replace("|", "\\|")
                lines.append(f"| `--{flag.name}` | {meaning} |")
            lines.append("")
        examples = [y for x in verb.examples for y in wrapped(x, "", " \\")]
        lines += ["```", *examples, "```", ""]
        page = see_also(verb)[1]
        lines += [f"More: [{page}.md](../{page}.md)", ""]
    return "\n".join(lines)


def notebook_page(path: Path) -> str:
    """A notebook as Markdown: its texts, its code, and a link to the notebook."""
    parts = []
    for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
        source = "".join(cell["source"])
        is_code = cell["cell_type"] == "code"
        parts.append(f"```python\n{source}\n```" if is_code else source)
    title, _, rest = parts[0].partition("\n")
    link = f'<a href="{path.name}" download>{path.name}</a>'
    parts[0] = f"{title}\n\nThis page is a notebook: {link}.\n{rest}"
    return "\n\n".join([*parts, ""])


def with_links(text: str, place: str, pages: Mapping[str, str]) -> str:
    """Markdown of the repository whose links lead where the site has the same.

    Args:
        text: of a page.
        place: its file, from the repository's root.
        pages: of the site, from docs/, with their titles, which links show in place of
            a file's name; code stays as it is.
    """

    def link(found: re.Match) -> str:
        shown, target, mark, bare = found.groups()
        if bare:
            shown, path = bare, bare
        elif target is None:  # code
            return found[0]
        else:
            path = posixpath.normpath(posixpath.join(posixpath.dirname(place), target))
        inside = PAGES.get(path, path.removeprefix("docs/"))
        if path not in PAGES and not path.startswith("docs/") or inside not in pages:
            return shown if shown.startswith("`") else f"`{path}`"
        if shown.endswith(".md"):
            shown = pages[inside] or shown
        here = posixpath.dirname(PAGES.get(place, place.removeprefix("docs/")))
        return f"[{shown}]({posixpath.relpath(inside, here or '.')}{mark or ''})"

    return _LINKS.sub(link, text)


def title(file) -> str:
    """Of a page of mkdocs, up to a colon; "" of a file that is none."""
    if not file.is_documentation_page():
        return ""
    found = re.search(r"^# ([^:\n]+)", file.content_string, re.MULTILINE)
    return found[1] if found else ""


def on_files(files, config):
    """mkdocs asks which files there are: those that are made, too."""
    from mkdocs.structure.files import File

    for place, page in PAGES.items():
        path = ROOT / place
        text = path.read_text(encoding="utf-8")
        if path in NOTEBOOKS:
            beside = page.replace(".md", ".ipynb")
            files.append(File.generated(config, beside, content=text))
            text = notebook_page(path)
        files.append(File.generated(config, page, content=text))
    for page, text in api_pages():
        files.append(File.generated(config, page, content=text))
    text = command_page()
    files.append(File.generated(config, "reference/cli.md", content=text))
    return files


def on_page_markdown(markdown, page, config, files):
    """Links between files of the repository become links of the site."""
    uri = page.file.src_uri
    places = {page: place for place, page in PAGES.items()}
    known = {file.src_uri: title(file) for file in files}
    return with_links(markdown, places.get(uri, f"docs/{uri}"), known)
