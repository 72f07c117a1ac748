"""The verb that writes the card of a model or of a corpus."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from massivetext_keras.cli.flags import UsageError, verb
from massivetext_keras.cli.shell.results import Result

_BESIDE = "experiment", "summary"  # of the run that made a preset


@verb("card")
def card(
    *,
    preset: Annotated[
        str | None, "folder of a preset, or of the run that made it"
    ] = None,
    corpus: Annotated[str | None, "folder of a corpus, instead"] = None,
    output: Annotated[str | None, "file (default: README.md in the folder)"] = None,
    name: Annotated[
        str | None, "of the model or corpus (default: the folder's)"
    ] = None,
    evaluation: Annotated[
        str | None, "file with what `massivetext evaluate --json` prints"
    ] = None,
    license: Annotated[
        str | None, "as Hugging Face names it, such as apache-2.0"
    ] = None,
    language: Annotated[str | None, "codes, by commas, such as en,de"] = None,
    data: Annotated[str | None, "what a model was trained on, in words"] = None,
    intended_use: Annotated[str | None, "what it is for, in words"] = None,
    limitations: Annotated[str | None, "what it is not for, in words"] = None,
    contact: Annotated[str | None, "who answers questions"] = None,
    overwrite: Annotated[bool, "replace the file"] = False,
) -> Result:
    """Write the card of a model or of a corpus, in Markdown.

    It has what the files of the folder say, and what you say; the rest is marked as
    not said.

    Examples:
        massivetext card --preset=runs/a --license=apache-2.0 --language=en
    """
    from massivetext_keras.pages import cards
    from massivetext_keras.support.files import read_json, replacing_file

    given = [x for x in (preset, corpus) if x is not None]
    if len(given) != 1:
        raise UsageError("give --preset or --corpus")
    folder = Path(given[0])
    path = Path(output) if output else folder / "README.md"
    if path.exists() and not overwrite:
        raise FileExistsError(f"{path} exists: give --overwrite, or another --output")
    said = {
        "license": license,
        "language": language,
        "data": data,
        "intended_use": intended_use,
        "limitations": limitations,
        "contact": contact,
    }
    name = name or folder.resolve().name
    if corpus:
        text = cards.data_card(name, read_json(folder / "manifest.json"), said)
    else:
        beside = [folder / f"{x}.json" for x in _BESIDE]
        found = {f.stem: read_json(f) for f in beside if f.is_file()}
        measures = _measures(evaluation) if evaluation else None
        config = read_json(folder / "config.json")
        text = cards.model_card(name, config, measures=measures, said=said, **found)
    with replacing_file(path) as draft:
        draft.write_text(text, encoding="utf-8")
    missing = text.count(cards.UNKNOWN)
    return Result(
        f"{path}: {missing} of its sections are not said",
        {"card": str(path), "sections_not_said": missing},
    )


def _measures(path: str) -> dict[str, float]:
    from massivetext_keras.support.files import read_json

    found = read_json(path)
    numbers = {k: v for k, v in found.items() if isinstance(v, int | float)}
    if not numbers:
        raise ValueError(f"{path}: there is no measure")
    return numbers
