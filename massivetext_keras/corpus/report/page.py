"""One page about a corpus that can be read anywhere, without a network."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from massivetext_keras.corpus.report.data import (
    MOST_PROBLEMS,
    PROBLEMS,
    SAMPLES,
    ReportData,
)
from massivetext_keras.corpus.report.pictures import draw
from massivetext_keras.corpus.report.terms import (
    Terms,
    count_terms,
    identity_lists,
    lists_of,
)
from massivetext_keras.pages.pictures import short_size
from massivetext_keras.pages.render import (
    Bar,
    Link,
    Name,
    Section,
    Tile,
    percent,
    render,
)
from massivetext_keras.support.arguments import Size
from massivetext_keras.support.files import read_json, replacing_folder
from massivetext_keras.support.values import parse_size

PAGE = "report.html"
_TEMPLATE = "corpus/report/page.html"
_MOST_LANGUAGES = 15
_MOST_WORDS = 120
_MOST_FILES = 20
_MOST_LICENCES = 30
_MOST_ENTRIES = 5  # of a list


def write_report(
    folder: str | Path,
    output: str | Path | None = None,
    terms: Mapping[str, str] | None = None,
    toxic: Mapping[str, str] | None = None,
    term_bytes: Size = "256MB",
) -> Path:
    """Writes a page about a corpus, and its pictures beside it.

    Args:
        folder: of the corpus, with `manifest.json` and `report.json`.
        output: folder of the page; `report` in that of the corpus if it is None. What
            an earlier report left there is replaced.
        terms: name -> file with an entry on each line, words for a group of people;
            those of `report.identity` if it is None, by language.
        toxic: the same of words that are to be few.
        term_bytes: of text in which both are looked for, a number or such as "256MB"; a
            random sample where there are more.

    Returns:
        The page, `report.html`; NAME.png of each picture is beside it.

    Raises:
        FileNotFoundError: the corpus has no `report.json`, or a list is not there.
        ValueError: one of its files is damaged, or a list has no entries.
        ImportError: matplotlib is not installed.
    """
    folder = Path(folder)
    data, manifest = ReportData.read(folder), read_json(folder / "manifest.json")
    lists = {
        "identity": identity_lists() if terms is None else lists_of(terms),
        "toxicity": lists_of(toxic or {}),
    }
    shards = manifest.get("shards", {})
    found = count_terms(folder, shards, lists, parse_size(term_bytes, "term_bytes"))
    output = folder / "report" if output is None else Path(output)
    with replacing_folder(output, overwrite=_is_report(output)) as new:
        pictures = draw(data, new)
        page = _page(folder.resolve().name, data, manifest, pictures, found)
        (new / PAGE).write_text(page, encoding="utf-8", errors="replace")
    return output / PAGE


def _is_report(folder: Path) -> bool:
    """Whether all that is in a folder is an earlier report."""
    return (folder / PAGE).is_file() and all(
        path.name == PAGE or path.suffix == ".png" for path in folder.iterdir()
    )


def _page(
    name: str,
    data: ReportData,
    manifest: Mapping[str, Any],
    pictures: dict[str, str],
    terms: Terms,
) -> str:
    sections = (
        Section("From raw to kept", "funnel", _funnel(data)),
        Section("Subsets", "subsets", _subsets(data)),
        Section("Languages", "languages", _languages(data)),
        Section("Lengths", "lengths", _lengths(data, pictures)),
        Section("Words", "words", _words(data, pictures)),
        Section("Duplicates", "duplicates", _clusters(data)),
        Section("What was dropped", "dropped", _samples(data)),
        Section("Evaluation sets", "evaluation", _evaluation(data, manifest)),
        Section("Personal data", "personal_data", _personal_data(data)),
        Section("Groups that are named", "identity", _terms(terms, "identity")),
        Section("Words of lists", "toxicity", _terms(terms, "toxicity")),
        Section("Licences", "licences", _licences(data)),
        Section("Problems", "problems", _problems(data)),
        Section("How it was made", "made", _made(manifest)),
    )
    title = f"Corpus report: {name}"
    return render(_TEMPLATE, title, _tiles(data), sections, _footer(manifest))


def _total(data: ReportData, outcome: str) -> Counter:
    return sum((entry[outcome] for entry in data.subsets.values()), Counter())


def _tiles(data: ReportData) -> list[Tile]:
    kept, dropped = _total(data, "kept"), _total(data, "dropped")
    read = kept + dropped
    share = percent(kept["documents"], read["documents"])
    tiles = {
        "documents read": (read["documents"], short_size(read["bytes"])),
        "documents kept": (kept["documents"], f"{share}, {short_size(kept['bytes'])}"),
        "words kept": (kept["words"], _each(kept["words"], kept["documents"])),
        "languages kept": _most_kept(data.languages),
        "subsets kept": _most_kept(data.subsets),
    }
    return [Tile(f"{value:,}", name, more) for name, (value, more) in tiles.items()]


def _each(total: int, count: int) -> str:
    return f"{total / count:,.0f} in a document" if count else ""


def _most_kept(table: Mapping[str, Mapping[str, Counter]]) -> tuple[int, str]:
    """How many have documents that were kept, and the names of the first four."""
    ranked = sorted(table, key=lambda name: (-table[name]["kept"]["bytes"], name))
    kept = [name for name in ranked if table[name]["kept"]["documents"]]
    return len(kept), ", ".join(kept[:4]) + (", …" if len(kept) > 4 else "")


def _funnel(data: ReportData) -> dict[str, Any]:
    kept, dropped = _total(data, "kept"), _total(data, "dropped")
    read = left = kept["documents"] + dropped["documents"]
    size = short_size(kept["bytes"] + dropped["bytes"])
    full = Bar(((read, "kept"),), read)
    rows: list[tuple[str, list]] = [
        ("total", ["all documents", "", "", size, read, full])
    ]

    def losses(name: Any, reasons: list[str]) -> tuple[int, list[Any]]:
        entries = [data.reasons[reason] for reason in reasons]
        count, size = (
            sum(entry[unit] for entry in entries) for unit in ("documents", "bytes")
        )
        return count, [name, count, percent(count, read), short_size(size)]

    for step, reasons in _by_step(data).items():
        single = len(reasons) == 1
        count, cells = losses(_link(reasons[0]) if single else Name(step), reasons)
        left -= count
        bar = Bar(((left, "kept"), (count, "dropped")), read)
        rows.append(("step", [*cells, left, bar]))
        for reason in () if single else reasons:
            count, cells = losses(_link(reason, reason.partition(".")[2]), [reason])
            bar = Bar(((count, "dropped"),), read)
            rows.append(("rule", [*cells, "", bar]))
    size, bar = short_size(kept["bytes"]), Bar(((left, "kept"),), read)
    rows.append(("total", ["kept", "", percent(left, read), size, left, bar]))
    idle = [step for step in data.steps if step not in (*_by_step(data), *PROBLEMS)]
    return {"rows": rows, "idle": idle}


def _by_step(data: ReportData) -> dict[str, list[str]]:
    """step -> its reasons, steps in their order, reasons by what they dropped."""
    found: dict[str, list[str]] = {}
    for reason in data.reasons:
        found.setdefault(reason.partition(".")[0], []).append(reason)
    steps = [*PROBLEMS, *data.steps]
    for reasons in found.values():
        reasons.sort(key=lambda reason: (-data.reasons[reason]["documents"], reason))
    ranked = sorted(
        found, key=lambda s: (steps.index(s) if s in steps else len(steps), s)
    )
    return {step: found[step] for step in ranked}


def _anchor(reason: str) -> str:
    return "rule-" + re.sub("[^A-Za-z0-9]+", "-", reason)


def _link(reason: str, text: str | None = None) -> Link:
    is_problem = reason.partition(".")[0] in PROBLEMS
    place = "problems" if is_problem else _anchor(reason)
    return Link(text or reason, place)


def _subsets(data: ReportData) -> dict[str, Any]:
    kept = _total(data, "kept")
    weights = sum(data.mixture.values())
    rows = []
    for name, entry in sorted(
        data.subsets.items(), key=lambda item: (-item[1]["kept"]["bytes"], item[0])
    ):
        own, lost = entry["kept"], entry["dropped"]
        documents, read = own["documents"], own["documents"] + lost["documents"]
        weight = data.mixture.get(name)
        rows.append(
            (
                None,
                [
                    *(name or "(no name)", read, documents, percent(documents, read)),
                    *(short_size(own["bytes"]), own["words"]),
                    percent(own["bytes"], kept["bytes"]),
                    *([percent(weight or 0, weights)] if weights else []),
                    Bar(((own["bytes"], "kept"),), kept["bytes"]),
                ],
            )
        )
    return {"rows": rows, "asked": bool(weights)}


def _languages(data: ReportData) -> dict[str, Any]:
    totals = {
        code: entry["kept"] + entry["dropped"] for code, entry in data.languages.items()
    }
    ranked = sorted(totals, key=lambda code: (-totals[code]["documents"], code))
    whole = max((total["documents"] for total in totals.values()), default=0)
    shown = {code: data.languages[code] for code in ranked[:_MOST_LANGUAGES]}
    if others := [data.languages[code] for code in ranked[_MOST_LANGUAGES:]]:
        shown[f"{len(others)} others"] = {
            outcome: sum((entry[outcome] for entry in others), Counter())
            for outcome in ("kept", "dropped")
        }
    rows = []
    for code, entry in shown.items():
        own, lost = entry["kept"]["documents"], entry["dropped"]["documents"]
        cells = [code, own + lost, own, percent(own, own + lost)]
        cells += [short_size(entry["kept"]["bytes"]), entry["kept"]["words"]]
        bar = Bar(((own, "kept"), (lost, "dropped")), whole)
        rows.append((None, [*cells, bar]))
    return {"rows": rows}


def _lengths(data: ReportData, pictures: Mapping[str, str]) -> dict[str, Any]:
    kept, dropped = _total(data, "kept"), _total(data, "dropped")
    means = [
        f"{short_size(total['bytes'] / total['documents'])} in a {name} document"
        for name, total in (("kept", kept), ("dropped", dropped))
        if total["documents"]
    ]
    return {"means": means, "pictures": pictures}


def _words(data: ReportData, pictures: Mapping[str, str]) -> dict[str, Any]:
    counts = list(data.words["counts"].items())[:_MOST_WORDS]
    if not counts:
        return {}
    totals = {name: data.words[name] for name in ("total", "missed")}
    return {**totals, "counts": counts, "pictures": pictures}


def _clusters(data: ReportData) -> dict[str, Any]:
    clusters = [{**cluster, "place": _place(cluster)} for cluster in data.clusters]
    return {"clusters": clusters} if clusters else {}


def _place(row: Mapping[str, Any]) -> str:
    position = row["position"]
    where = row["source"] or ""
    if position is not None:
        where += f", document {position:,}"
    return f"{row['subset']}: {where}" if row["subset"] else where


def _samples(data: ReportData) -> dict[str, Any]:
    rules = [
        {
            "reason": reason,
            "anchor": _anchor(reason),
            "documents": data.reasons[reason]["documents"],
            "size": short_size(data.reasons[reason]["bytes"]),
            "samples": [
                {**sample, "facts": _facts(sample)}
                for sample in data.reasons[reason]["samples"]
            ],
        }
        for step, reasons in _by_step(data).items()
        if step not in PROBLEMS
        for reason in reasons
    ]
    return {"rules": rules, "most": SAMPLES} if rules else {}


def _facts(sample: Mapping[str, Any]) -> list[str | None]:
    return [short_size(sample["bytes"]), sample["language"], _place(sample)]


def _evaluation(data: ReportData, manifest: Mapping[str, Any]) -> dict[str, Any]:
    """What documents hold of evaluation sets, by their files."""
    by_file: dict[str, Counter] = {}
    for item, counts in data.evaluation.items():
        entry = by_file.setdefault(item.partition(":")[0], Counter())
        entry.update(items=1, **counts)
    rows = [
        (None, [Name(file), *(counts[x] for x in ("items", "dropped", "cut"))])
        for file, counts in sorted(by_file.items())
    ]
    steps = manifest.get("recipe", {}).get("steps", {})
    looked_for = steps.get("contamination", {}).get("files", ())
    if not rows and not looked_for:
        return {}
    reasons = {
        name: data.reasons.get(f"contamination.{name}", {}).get("documents", 0)
        for name in ("jaccard", "containment")
    }
    return {"rows": rows, "files": looked_for, **reasons}


def _personal_data(data: ReportData) -> dict[str, Any]:
    kinds = sorted(data.personal_data)
    rows = []
    for kind in kinds:
        found, masked = data.personal_data[kind], data.masked.get(kind, Counter())
        counts = [entry[x] for entry in (found, masked) for x in ("documents", "spans")]
        # An earlier report does not say what was masked.
        cells = counts if data.personal_subsets else [*counts[:2], "", ""]
        rows.append((None, [kind.replace("_", " "), *cells]))

    def by_place(table: Mapping[str, Counter], most: int | None) -> list:
        ranked = sorted(table, key=lambda name: (-table[name].total(), name))
        return [
            (None, [Name(name or "(no name)"), *(table[name][kind] for kind in kinds)])
            for name in ranked[:most]
        ]

    if not rows:
        return {}
    return {
        "rows": rows,
        "kinds": [f"#{kind.replace('_', ' ')}" for kind in kinds],
        "subsets": by_place(data.personal_subsets, None),
        "files": by_place(data.personal_files, _MOST_FILES),
    }


def _terms(terms: Terms, kind: str) -> dict[str, Any]:
    rows = []
    for name, found in terms.found.get(kind, {}).items():
        words = 1e6 * found.places / max(found.of_words, 1)
        ranked = sorted(found.entries.items(), key=lambda pair: (-pair[1], pair[0]))
        most = ", ".join(f"{word} {n:,}" for word, n in ranked[:_MOST_ENTRIES])
        cells = [name, found.documents, percent(found.documents, found.of_documents)]
        cells += [found.places, f"{words:,.0f}", most]
        bar = Bar(((found.documents, "kept"),), found.of_documents)
        rows.append((None, [*cells, bar]))
    if not any(found.of_documents for found in terms.found.get(kind, {}).values()):
        return {}
    share = percent(terms.share, 1.0) if terms.share < 0.9995 else None
    numbers = {"documents": terms.documents, "size": short_size(terms.bytes)}
    return {"rows": rows, "share": share, **numbers}


def _licences(data: ReportData) -> dict[str, Any]:
    if not any(data.licenses):
        return {}
    kept = _total(data, "kept")

    def rank(name: str) -> tuple[int, str]:
        return -data.licenses[name]["kept"]["documents"], name

    rows = []
    for name in sorted(data.licenses, key=rank)[:_MOST_LICENCES]:
        own, lost = data.licenses[name]["kept"], data.licenses[name]["dropped"]
        cells = [Name(name or "(not said)"), own["documents"] + lost["documents"]]
        cells += [own["documents"], percent(own["documents"], kept["documents"])]
        bar = Bar(((own["documents"], "kept"),), kept["documents"])
        rows.append((None, [*cells, short_size(own["bytes"]), bar]))
    return {"rows": rows, "more": max(0, len(data.licenses) - _MOST_LICENCES)}


def _problems(data: ReportData) -> dict[str, Any]:
    rows, total = [], 0
    for step, reasons in _by_step(data).items():
        for reason in reasons if step in PROBLEMS else ():
            entry = data.reasons[reason]
            total += entry["documents"]
            rows += [
                (None, [reason, _place(sample), sample["bounds"] or ""])
                for sample in entry["samples"]
            ]
    return {"rows": rows, "total": total, "most": MOST_PROBLEMS}


def _made(manifest: Mapping[str, Any]) -> dict[str, Any]:
    """What the manifest says of the recipe, one block each."""
    blocks = [
        (name, json.dumps(manifest[name], indent=2, ensure_ascii=False))
        for name in ("recipe", "build", "inputs", "versions", "run")
        if manifest.get(name)
    ]
    return {"blocks": blocks} if blocks else {}


def _footer(manifest: Mapping[str, Any]) -> str:
    version = manifest.get("versions", {}).get("massivetext_keras")
    return "Made by massivetext_keras" + (f" {version}" if version else "")
