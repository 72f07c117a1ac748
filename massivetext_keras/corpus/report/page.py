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
from massivetext_keras.pages.elements import (
    Html,
    bar_of,
    breakable,
    figure_of,
    page_of,
    percent,
    table_of,
    tag,
    tiles_of,
)
from massivetext_keras.pages.pictures import short_size
from massivetext_keras.support.files import read_json, replacing_folder

PAGE = "report.html"
_MOST_LANGUAGES = 15
_MOST_WORDS = 120


def write_report(folder: str | Path, output: str | Path | None = None) -> Path:
    """Writes a page about a corpus, and its pictures beside it.

    Args:
        folder: of the corpus, with `manifest.json` and `report.json`.
        output: folder of the page; `report` in that of the corpus if it is None. What
            an earlier report left there is replaced.

    Returns:
        The page, `report.html`; NAME.png of each picture is beside it.

    Raises:
        FileNotFoundError: the corpus has no `report.json`.
        ValueError: one of its files is damaged.
        ImportError: matplotlib is not installed.
    """
    folder = Path(folder)
    data, manifest = ReportData.read(folder), read_json(folder / "manifest.json")
    output = folder / "report" if output is None else Path(output)
    with replacing_folder(output, overwrite=_is_report(output)) as new:
        pictures = draw(data, new)
        page = _page(folder.resolve().name, data, manifest, pictures)
        (new / PAGE).write_text(page, encoding="utf-8", errors="replace")
    return output / PAGE


def _is_report(folder: Path) -> bool:
    """Whether all that is in a folder is an earlier report."""
    return (folder / PAGE).is_file() and all(
        path.name == PAGE or path.suffix == ".png" for path in folder.iterdir()
    )


def _page(
    name: str, data: ReportData, manifest: Mapping[str, Any], pictures: dict[str, str]
) -> str:
    sections = (
        ("From raw to kept", "funnel", _funnel(data)),
        ("Subsets", "subsets", _subsets(data)),
        ("Languages", "languages", _languages(data)),
        ("Lengths", "lengths", _lengths(data, pictures)),
        ("Words", "words", _words(data, pictures)),
        ("Duplicates", "duplicates", _clusters(data)),
        ("What was dropped", "dropped", _samples(data)),
        ("Personal data", "personal-data", _personal_data(data)),
        ("Problems", "problems", _problems(data)),
        ("How it was made", "made", _made(manifest)),
    )
    title = f"Corpus report: {name}"
    return page_of(title, _summary(data), sections, _footer(manifest))


def _total(data: ReportData, outcome: str) -> Counter:
    return sum((entry[outcome] for entry in data.subsets.values()), Counter())


def _summary(data: ReportData) -> Html:
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
    return tiles_of((f"{value:,}", name, more) for name, (value, more) in tiles.items())


def _each(total: int, count: int) -> str:
    return f"{total / count:,.0f} in a document" if count else ""


def _most_kept(table: Mapping[str, Mapping[str, Counter]]) -> tuple[int, str]:
    """How many have documents that were kept, and the names of the first four."""
    ranked = sorted(table, key=lambda name: (-table[name]["kept"]["bytes"], name))
    kept = [name for name in ranked if table[name]["kept"]["documents"]]
    return len(kept), ", ".join(kept[:4]) + (", …" if len(kept) > 4 else "")


def _funnel(data: ReportData) -> list[Html]:
    kept, dropped = _total(data, "kept"), _total(data, "dropped")
    read = left = kept["documents"] + dropped["documents"]
    size = short_size(kept["bytes"] + dropped["bytes"])
    full = bar_of((read, "kept"), whole=read)
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
        count, cells = losses(_link(reasons[0]) if single else breakable(step), reasons)
        left -= count
        bar = bar_of((left, "kept"), (count, "dropped"), whole=read)
        rows.append(("step", [*cells, left, bar]))
        for reason in () if single else reasons:
            count, cells = losses(_link(reason, reason.partition(".")[2]), [reason])
            bar = bar_of((count, "dropped"), whole=read)
            rows.append(("rule", [*cells, "", bar]))
    size, bar = short_size(kept["bytes"]), bar_of((left, "kept"), whole=read)
    rows.append(("total", ["kept", "", percent(left, read), size, left, bar]))
    note = (
        "Rules in the order in which they decide: a document is dropped by the first "
        "one that it fails, and counted there."
    )
    idle = [step for step in data.steps if step not in (*_by_step(data), *PROBLEMS)]
    if idle:
        note += f" Nothing was dropped by {', '.join(idle)}."
    heads = ("rule", "#dropped", "#-of all read", "#-bytes", "#left", "=")
    return [tag("p", note, class_="soft"), _key(), table_of(heads, rows)]


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


def _link(reason: str, text: str | None = None) -> Html:
    is_problem = reason.partition(".")[0] in PROBLEMS
    place = "problems" if is_problem else _anchor(reason)
    return tag("a", breakable(text or reason), href=f"#{place}")


def _subsets(data: ReportData) -> list[Html]:
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
                    bar_of((own["bytes"], "kept"), whole=kept["bytes"]),
                ],
            )
        )
    heads = ["subset", "#-read", "#documents kept", "#-of read", "#bytes kept"]
    heads += ["#-words", "#share", *(["#asked for"] if weights else []), "-="]
    return [
        tag(
            "p",
            "Share is that of all bytes kept",
            "; asked for is the mixture of the build." if weights else ".",
            class_="soft",
        ),
        table_of(heads, rows),
    ]


def _languages(data: ReportData) -> list[Html]:
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
        bar = bar_of((own, "kept"), (lost, "dropped"), whole=whole)
        rows.append((None, [*cells, bar]))
    heads = ("language", "#read", "#kept", "#-of read", "#-bytes kept", "#-words", "=")
    note = (
        "ISO 639-1 codes; und: dropped before its language was identified, or not "
        "identified at all."
    )
    return [tag("p", note, class_="soft"), _key(), table_of(heads, rows)]


def _figure(pictures: Mapping[str, str], name: str, caption: str) -> Html:
    return figure_of(pictures[name], caption) if name in pictures else Html("")


def _lengths(data: ReportData, pictures: Mapping[str, str]) -> list[Html]:
    kept, dropped = _total(data, "kept"), _total(data, "dropped")
    means = ", ".join(
        f"{short_size(total['bytes'] / total['documents'])} in a {name} document"
        for name, total in (("kept", kept), ("dropped", dropped))
        if total["documents"]
    )
    return [
        tag("p", f"On average {means}.", class_="soft"),
        tag(
            "div",
            _figure(pictures, "bytes", "Documents by their bytes of UTF-8"),
            _figure(pictures, "words_per_document", "Kept documents by their words"),
            class_="pictures",
        ),
    ]


def _words(data: ReportData, pictures: Mapping[str, str]) -> list[Html]:
    total, missed = data.words["total"], data.words["missed"]
    counts = list(data.words["counts"].items())[:_MOST_WORDS]
    if not counts:
        return []
    low = f"each count may be too low by at most {missed:,}"
    exact = low if missed else "counts are exact"
    note = f"{total:,} words in kept documents; {exact}. In scripts without spaces a "
    most = (
        tag(
            "li",
            tag("span", word),
            tag("span", f"{count:,}", class_="number"),
            title=f"{1e6 * count / total:,.0f} in a million words",
        )
        for word, count in counts
    )
    return [
        tag("p", note, "word is a character.", class_="soft"),
        _figure(pictures, "zipf", "Occurrences by rank (Zipf)"),
        tag("h3", f"The {len(counts)} most frequent, with their occurrences"),
        tag("ol", *most, class_="words"),
    ]


def _clusters(data: ReportData) -> list[Html]:
    made = [
        tag(
            "div",
            tag(
                "div",
                tag("b", f"{cluster['documents']:,} documents"),
                f": {cluster['exact']:,} dropped as equal, {cluster['fuzzy']:,} as "
                f"nearly equal; kept: {_place(cluster)}",
                class_="facts",
            ),
            tag("pre", cluster["excerpt"]),
            class_="sample cluster",
        )
        for cluster in data.clusters
    ]
    note = "The largest groups of documents that say the same; one of each was kept."
    return [tag("p", note, class_="soft"), *made] if made else []


def _place(row: Mapping[str, Any]) -> str:
    position = row["position"]
    where = row["source"] or ""
    if position is not None:
        where += f", document {position:,}"
    return f"{row['subset']}: {where}" if row["subset"] else where


def _samples(data: ReportData) -> list[Html]:
    made = []
    for step, reasons in _by_step(data).items():
        for reason in reasons if step not in PROBLEMS else ():
            entry = data.reasons[reason]
            count = f" {entry['documents']:,} documents, {short_size(entry['bytes'])}"
            summary = tag(
                "summary",
                tag("b", breakable(reason)),
                tag("span", count, class_="count"),
            )
            # A link to what is inside opens it.
            samples = tag("div", *map(_sample, entry["samples"]), id=_anchor(reason))
            made.append(tag("details", summary, samples))
    note = (
        f"Up to {SAMPLES} of each rule, chosen by a hash of their text, with what was "
        "measured and what would have been kept."
    )
    return [tag("p", note, class_="soft"), *made] if made else []


def _sample(sample: Mapping[str, Any]) -> Html:
    value, bounds = sample["value"], sample["bounds"]
    facts = [short_size(sample["bytes"]), sample["language"], _place(sample)]
    measured = [
        *([tag("b", f"{value:,.4g}")] if value is not None else []),
        *([f" (kept: {bounds})" if value is not None else bounds] if bounds else []),
        *([" · "] if value is not None or bounds else []),
    ]
    more = " · ".join(fact for fact in facts if fact)
    return tag(
        "div",
        tag("div", *measured, more, class_="facts"),
        tag("pre", sample["text"], lang=sample["language"]) if sample["text"] else None,
        class_="sample",
    )


def _personal_data(data: ReportData) -> list[Html]:
    rows = [
        (None, [kind.replace("_", " "), counts["documents"], counts["spans"]])
        for kind, counts in sorted(data.personal_data.items())
    ]
    heads = ("kind", "#documents", "#found")
    note = "Masked in the documents that were kept."
    table = table_of(heads, rows)
    return [tag("p", note, class_="soft"), table] if rows else []


def _problems(data: ReportData) -> list[Html]:
    rows, total = [], 0
    for step, reasons in _by_step(data).items():
        for reason in reasons if step in PROBLEMS else ():
            entry = data.reasons[reason]
            total += entry["documents"]
            rows += [
                (None, [reason, _place(sample), sample["bounds"] or ""])
                for sample in entry["samples"]
            ]
    if not rows:
        note = "Every file was read and every document finished."
        return [tag("p", note, class_="soft")]
    note = f"{total:,} files or documents that were not read or not finished"
    note += (
        f"; up to {MOST_PROBLEMS} of each kind are listed."
        if total > len(rows)
        else "."
    )
    return [tag("p", note, class_="soft"), table_of(("what", "where", "detail"), rows)]


def _made(manifest: Mapping[str, Any]) -> list[Html]:
    """What the manifest says of the recipe, one block each."""
    made = []
    for name in ("recipe", "build", "inputs", "versions", "run"):
        if manifest.get(name):
            text = json.dumps(manifest[name], indent=2, ensure_ascii=False)
            made.append(tag("details", tag("summary", name), tag("pre", text)))
    return made


def _key() -> Html:
    return tag(
        "p",
        tag("i", style="background:var(--kept);margin-left:0"),
        "kept",
        tag("i", style="background:var(--dropped)"),
        "dropped",
        class_="key soft",
    )


def _footer(manifest: Mapping[str, Any]) -> str:
    version = manifest.get("versions", {}).get("massivetext_keras")
    return "Made by massivetext_keras" + (f" {version}" if version else "")
