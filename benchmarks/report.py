"""The table of README.md and a page for each machine, of what benchmarks found.

    python benchmarks/report.py

Reads every file of `benchmarks/results`, writes a page beside it, and puts the table
between the two marks of README.md.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from results import RESULTS, Best, Results, peer_of, peers

from massivetext_keras.pages.pictures import (
    FAINT,
    FIRST,
    SECOND,
    WIDTH,
    logarithmic,
    picture,
    short_number,
)
from massivetext_keras.pages.render import Section, Tile, render
from massivetext_keras.support.files import read_json, replacing_file

README = Path(__file__).parents[1] / "README.md"
BEGIN, END = "<!-- benchmarks -->", "<!-- end of benchmarks -->"
PEERS = {
    "keras_hub": "KerasHub",
    "hugging_face": "Hugging Face",
    "nanogpt": "nanoGPT",
    "datatrove": "datatrove",
}
# (script, measurement) -> what README says of it
ROWS = {
    ("train_step", "tokens/s"): "training step of a GPT, tokens/s",
    ("fine_tune", "examples/s"): "fine-tuning MiniLM, examples/s",
    **{
        (
            "generate",
            f"batch {batch}, prompt {prompt}, tokens/s",
        ): f"generation, {batch} × {prompt} tokens of prompt, tokens/s"
        for batch in (1, 8, 32)
        for prompt in (16, 200)
    },
    **{
        (
            "translate",
            f"batch {batch}, 4 beams, tokens/s",
        ): f"translation with 4 beams, batch {batch}, tokens/s"
        for batch in (1, 8)
    },
    ("nanogpt", "to 1.8857 nats, s"): "nanoGPT's CPU setting to 1.8857 nats, s",
    ("serving_clients", "32 clients, tokens/s"): "32 clients of a server, tokens/s",
    ("serving_clients", "32 clients, vectors/s"): "the same, vectors of MiniLM/s",
    (
        "corpus_end_to_end",
        "2 workers, MB/s per core",
    ): "corpus from HTML, MB/s of a core",
}
Report = Mapping[str, Any]  # a file of results: its machine and its benchmarks


def results_of(report: Report, script: str) -> Results:
    """What a script found, {} if it was not run."""
    return report["benchmarks"].get(script, {}).get("results", {})


def found(report: Report) -> dict[tuple[str, str], tuple[float, dict[str, Best]]]:
    """(script, measurement) of `ROWS` -> ours, and the peers' best."""
    known = {}
    for script, measurement in ROWS:
        results = results_of(report, script)
        if measurement in results.get("ours", {}):
            mine = results["ours"][measurement]
            known[script, measurement] = mine, peers(results, measurement)
    return known


def peak(report: Report) -> tuple[str, float] | None:
    """The faster product of matrices: its type, and GFLOP/s."""
    products = [
        results_of(report, name).get("product") for name in ("train_step", "growth")
    ]
    kinds = [item for product in products if product for item in product.items()]
    if not kinds:
        return None
    name, value = max(kinds, key=lambda item: item[1])
    return name.partition(", ")[0], value


def number(value: float) -> str:
    """With three or more digits.

    >>> number(13017.8), number(4.239), number(0.05)
    ('13,018', '4.24', '0.0500')
    """
    return f"{value:,.0f}" if value >= 100 else f"{value:#.3g}"


def table(reports: Sequence[Report]) -> str:
    """Markdown: a row for each of `ROWS` that was measured, a column for a machine."""
    if not reports:
        return ""
    columns = [found(report) for report in reports]
    names = [chr(ord("A") + place) for place in range(len(reports))]
    lines = [f"| | {' | '.join(names)} |", "|---" * (len(names) + 1) + "|"]
    for key, what in ROWS.items():
        if any(key in column for column in columns):
            cells = (cell(*column[key]) if key in column else "" for column in columns)
            lines.append(f"| {what} | {' | '.join(cells)} |")
    lines += [
        "",
        *(f"{n}: {describe(r)}  " for n, r in zip(names, reports, strict=True)),
    ]
    return "\n".join(lines).rstrip()


def cell(mine: float, beside: Mapping[str, Best]) -> str:
    """Our number, and how many times as good it is as each peer's best.

    >>> cell(200.0, {"keras_hub": Best(100.0, "XLA", 2.0)})
    '200 (2.00 × KerasHub)'
    """
    ratios = [f"{best.ratio:.2f} × {PEERS[peer]}" for peer, best in beside.items()]
    return f"{number(mine)} ({', '.join(ratios)})" if ratios else number(mine)


def describe(report: Report) -> str:
    """A machine in a line: what it is, what it multiplies, and when that was."""
    machine, best = report["machine"], peak(report)
    words = [machine["processor"], f"{machine['cores']} cores"]
    words.append(f"{machine['instruction_sets'][-1]} at the most")
    if best:
        words.append(
            f"a product of matrices reaches {best[1]:,.0f} GFLOP/s in {best[0]}"
        )
    dates = [each["date"] for each in report["benchmarks"].values()]
    return f"{', '.join(words)}; {max(dates)}"


def with_table(text: str, new: str) -> str:
    """A page with a table in place of the one between its marks.

    Raises:
        ValueError: the page has no such marks.
    """
    pattern = re.compile(f"{re.escape(BEGIN)}.*{re.escape(END)}", re.DOTALL)
    if not pattern.search(text):
        raise ValueError(f"the page has no lines {BEGIN} and {END}")
    return pattern.sub(lambda _: "\n".join([BEGIN, *new.splitlines(), END]), text)


def page(report: Report) -> str:
    """HTML about a machine."""
    sections = (
        Section("Beside peers", "peers", peers_section(report)),
        Section("Share of the peak", "shares", shares_section(report)),
        Section("Growth", "growth", growth_section(report)),
        Section("Loss by updates", "learning", learning_section(report)),
        Section("All numbers", "numbers", numbers_section(report)),
        Section("How it was made", "made", made_section(report)),
    )
    machine = report["machine"]
    tiles = [
        Tile(f"{machine['cores']}", "cores", f"{machine['memory_gb']} GB of memory"),
        Tile(machine["instruction_sets"][-1], "newest instructions", ""),
    ]
    if best := peak(report):
        tiles.append(Tile(f"{best[1]:,.0f}", "GFLOP/s at the most", f"in {best[0]}"))
    title = f"Benchmarks on {machine['processor']}"
    footer = "Instructions: " + ", ".join(machine["instruction_sets"])
    return render("report.html", title, tiles, sections, footer, Path(__file__).parent)


def peers_section(report: Report) -> dict[str, Any]:
    rows, bars = [], {}
    for key, (mine, beside) in found(report).items():
        for peer, best in beside.items():
            name = ", ".join(filter(None, [PEERS[peer], best.setting]))
            ratio = f"{best.ratio:.2f}"
            rows.append(
                ("", (ROWS[key], number(mine), name, number(best.value), ratio))
            )
            bars.setdefault(ROWS[key].rpartition(", ")[0], {})[peer] = best.ratio
    return {"rows": rows, "pictures": [ratios_picture(bars)]} if rows else {}


def ratios_picture(bars: Mapping[str, Mapping[str, float]]) -> str:
    """SVG: bars of how many times as good ours is, KerasHub's in the first colour."""
    colours = defaultdict(lambda: FAINT, keras_hub=FIRST, hugging_face=SECOND)

    def draw(axes) -> None:
        ticks, place = {}, 0.0
        for what, ratios in reversed(bars.items()):
            ticks[what] = place + (len(ratios) - 1) / 2
            for peer, ratio in reversed(ratios.items()):
                axes.barh(place, ratio, 0.85, color=colours[peer], label=PEERS[peer])
                place += 1
            place += 0.6
        axes.axvline(1, color=FAINT, lw=1)
        axes.set_yticks(list(ticks.values()), list(ticks))
        axes.set_xlabel("times as good")
        handles = dict(zip(*axes.get_legend_handles_labels()[::-1], strict=True))
        axes.legend(handles.values(), handles, frameon=False)
        axes.figure.set_size_inches(1.5 * WIDTH, 1 + 0.22 * place)

    return picture(draw, "ratios")


def shares(report: Report) -> dict[str, float]:
    """Percent of the peak that each contestant's training step reaches."""
    best = peak(report)
    return {
        name: 100 * numbers["GFLOP/s"] / best[1]
        for name, numbers in results_of(report, "train_step").items()
        if best and "GFLOP/s" in numbers
    }


def shares_section(report: Report) -> dict[str, Any]:
    best, reached = peak(report), shares(report)
    if not reached:
        return {}

    def draw(axes) -> None:
        names = sorted(reached, key=reached.get)
        colours = [FIRST if peer_of(name) == "ours" else FAINT for name in names]
        axes.barh(names, [reached[name] for name in names], color=colours)
        axes.set_xlabel("%")
        axes.figure.set_size_inches(1.5 * WIDTH, 0.8 + 0.26 * len(names))

    says = f"{best[1]:,.0f} GFLOP/s in {best[0]}"
    return {"peak": says, "picture": picture(draw, "shares")}


# What is drawn, or who -> its line: a size or an update -> a number.
Lines = dict[str, dict[str, dict[int, float]]]


def growth_lines(report: Report) -> Lines:
    """Tokens a second against each size: ours, and the best of each peer."""
    results, lines = results_of(report, "growth"), {}
    for measurement, value in results.get("ours", {}).items():
        size, _, unit = measurement.partition(", ")
        if unit == "tokens/s":
            axis, count = size.split()
            values = {"ours": value}
            values |= {k: v.value for k, v in peers(results, measurement).items()}
            for name, speed in values.items():
                line = lines.setdefault(axis, {}).setdefault(name, {})
                line[int(count)] = speed
    return lines


def growth_section(report: Report) -> list[tuple[str, str]]:
    return [
        (f"Tokens per second by {axis}", lines_picture(lines, axis, "tokens/s"))
        for axis, lines in growth_lines(report).items()
    ]


def learning_lines(report: Report) -> Lines:
    """The loss after updates, of each width and contestant."""
    lines: Lines = {}
    for name, numbers in results_of(report, "learning").items():
        for measurement, loss in numbers.items():
            width, update, _ = measurement.split(", ")
            line = lines.setdefault(width, {}).setdefault(name, {})
            line[int(update.split()[-1])] = loss
    return lines


def learning_section(report: Report) -> list[tuple[str, str]]:
    return [
        (f"Nats per character, {width}", lines_picture(lines, "updates", "nats", width))
        for width, lines in learning_lines(report).items()
    ]


def lines_picture(
    lines: Mapping[str, Mapping[int, float]], across: str, up: str, what: str = ""
) -> str:
    """SVG: a line for each contestant, ours in the first colour.

    Args:
        lines: who -> its line.
        across, up: what is measured.
        what: tells pictures with the same axes apart.
    """

    def draw(axes) -> None:
        colours = iter((SECOND, FAINT))
        for name, line in lines.items():
            colour = FIRST if name == "ours" else next(colours)
            label = PEERS.get(name, name)
            axes.plot(list(line), list(line.values()), "o-", color=colour, label=label)
        axes.set(xlabel=across, ylabel=up)
        if up != "nats":
            axes.set_ylim(0)
            axes.yaxis.set_major_formatter(short_number)
            logarithmic(axes, "x", short_number)
        axes.legend(frameon=False)

    return picture(draw, f"{across} {up} {what}")


def numbers_section(report: Report) -> list[tuple[str, list]]:
    return [
        (
            script,
            [
                ("", (name, measurement, number(value)))
                for name, numbers in each["results"].items()
                for measurement, value in numbers.items()
            ],
        )
        for script, each in report["benchmarks"].items()
    ]


def made_section(report: Report) -> list:
    return [
        ("", (script, each["date"], each["seconds"], versions(each)))
        for script, each in report["benchmarks"].items()
    ]


def versions(benchmark: Mapping[str, Any]) -> str:
    return ", ".join(" ".join(item) for item in benchmark["versions"].items())


def main() -> None:
    files = sorted(RESULTS.glob("*.json"))
    if not files:
        raise SystemExit(f"{RESULTS} has no results yet: make bench writes them")
    reports = {path: read_json(path) for path in files}
    for path, report in reports.items():
        with replacing_file(path.with_suffix(".html")) as draft:
            draft.write_text(page(report), encoding="utf-8")
        print(path.with_suffix(".html"))
    text = with_table(README.read_text(), table(list(reports.values())))
    with replacing_file(README) as draft:
        draft.write_text(text)


if __name__ == "__main__":
    main()
