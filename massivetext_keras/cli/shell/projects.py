"""The verb that writes a small project to start from."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from massivetext_keras.cli.flags import verb
from massivetext_keras.cli.shell.results import Result

_TEMPLATE = Path(__file__).parent / "template"
_END = ".txt"  # of each file there, so that none is taken for a module or a test
_NAMES = {"gitignore": ".gitignore"}


@verb("new")
def new(folder: Annotated[str, "of the project; must not be there"]) -> Result:
    """Write a small project to start from.

    It has texts with labels, a config, a script that trains, measures and exports a
    classifier, and a test of it. It runs as it is: `python train.py`.

    Examples:
        massivetext new reviews
    """
    from massivetext_keras.support.files import replacing_folder

    if Path(folder).exists():
        raise FileExistsError(f"{folder} is there: give the name of a new folder")
    name = Path(folder).resolve().name
    with replacing_folder(folder) as draft:
        for file in sorted(_TEMPLATE.rglob(f"*{_END}")):
            place = file.relative_to(_TEMPLATE).with_name(file.name.removesuffix(_END))
            path = draft / place.with_name(_NAMES.get(place.name, place.name))
            path.parent.mkdir(parents=True, exist_ok=True)
            text = file.read_text(encoding="utf-8")
            if path.suffix == ".md":
                text = text.replace("{name}", name)
            path.write_text(text, encoding="utf-8")
    files = sorted(
        path.relative_to(folder).as_posix()
        for path in Path(folder).rglob("*")
        if path.is_file()
    )
    text = f"{folder}: {len(files)} files; go on with `cd {folder}; python train.py`"
    return Result(text, {"project": folder, "files": files})
