"""The numbers behind the report of a corpus, gathered part by part."""

from __future__ import annotations

import heapq
import json
import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from massivetext_keras.corpus.batch import Batch
from massivetext_keras.corpus.text.words import words
from massivetext_keras.reading.document import Document
from massivetext_keras.support.files import read_json, write_json

if TYPE_CHECKING:
    import pyarrow as pa

    from massivetext_keras.corpus.duplicates.deduplication import Cluster

FILE = "report.json"
FORMAT = 1
UNDETERMINED = "und"  # the language of documents that have none, as in ISO 639-2
SAMPLES = 10  # of each reason
CLUSTERS = 20
PROBLEMS = ("read", "quarantine")  # steps before the recipe's
MOST_PROBLEMS = 200
EXCERPT = 600  # characters
MOST_WORDS = 20_000  # counted of each part
MOST_WRITTEN = 5_000  # words in the file
MOST_NAMES = 200  # of files and licences in the file
_LICENCES = ("license", "licence")  # columns of a document
_LICENCE = 80  # characters of one
_OUTCOMES = ("kept", "dropped")
_BY_OUTCOME = ("subsets", "languages", "licenses")
_COUNTED = (
    "personal_data",
    "masked",
    "personal_subsets",
    "personal_files",
    "evaluation",
)
# That reports of earlier versions have not.
_LATER: dict[str, Mapping] = dict.fromkeys((*_COUNTED[1:], "licenses"), {})
_ROWS, _CHARACTERS = 64, 2 << 20  # looked at together


@dataclass
class ReportData:
    """What `report.json` holds, beside the `manifest.json` of a corpus.

    It is made for each part of the rows and merged. Every document is added once: where
    it was dropped, with its reason, or where it is written, without one. All but
    `words` depends on the documents alone, not on how they were divided; `words` has
    the most frequent of each part, so let the parts of kept documents be the shards.

    Only kept documents have their words counted. A histogram is bin -> documents, where
    bin b has values from 2 ** (b / 2) to below 2 ** ((b + 1) / 2). In the file:

        {
          "format": 1,
          "steps": ["gopher_quality", "deduplication"],
          "mixture": {"web": 0.48, "books": 0.52},
          "subsets": {"web": {
            "kept": {"documents": 8, "bytes": 93214, "words": 15210},
            "dropped": {"documents": 1, "bytes": 31, "words": 0}}},
          "languages": {"en": … as of a subset …},
          "bytes": {"kept": {"26": 8}, "dropped": {"9": 1}},
          "words_per_document": {"21": 8},
          "reasons": {"gopher_quality.words": {
            "documents": 1,
            "bytes": 31,
            "samples": [
              {"id": "00ab…", "subset": "web", "source": "a.jsonl", "position": 7,
               "language": "en", "bytes": 31, "value": 6.0, "bounds": ">= 50",
               "text": "the first 600 characters"}]}},
          "clusters": [
            {"survivor": "00ab…", "documents": 12, "exact": 3, "fuzzy": 8,
             "subset": "web", "source": "a.jsonl", "position": 7,
             "excerpt": "of the document that was kept"}],
          "words": {"total": 15210, "missed": 0, "counts": {"the": 812, "of": 401}},
          "personal_data": {"email": {"documents": 2, "spans": 3}},
          "masked": {"email": {"documents": 1, "spans": 1}},
          "personal_subsets": {"web": {"email": 3}},
          "personal_files": {"web: a.jsonl": {"email": 3}},
          "evaluation": {"quiz.jsonl:7": {"dropped": 2, "cut": 1}},
          "licenses": {"CC-BY-4.0": … as of a subset …, "": …}
        }

    `personal_data` is of all documents, `masked` of those that were kept. Of
    `evaluation` an item is counted in the document that holds most of it. A licence is
    what a record has as `license` or `licence`, "" where it has none.

    `words.missed` says how exact the counts are: each may be too low by at most this
    many, 0 where no part had more than 20,000 distinct words. `samples` are those of
    the ten smallest ids; of what was not read or not finished (the steps of `PROBLEMS`)
    200, with the detail as `bounds`.

    Args:
        steps: names of the steps that may drop, in order.
        mixture: subset -> share of training; empty where no mixture was asked for.

    >>> import pyarrow as pa
    >>> rows = {"id": [b"a", b"b"], "subset": ["web", "web"], "bytes": [9, 3]}
    >>> data = ReportData(steps=["gopher_quality"])
    >>> data.add(pa.table({**rows, "reason": [None, "gopher_quality.words"]}))
    >>> data.subsets["web"]["dropped"]["bytes"], list(data.reasons)
    (3, ['gopher_quality.words'])
    >>> again = ReportData.from_dict(json.loads(json.dumps(data.to_dict())))
    >>> again.merge(data)
    >>> again.subsets["web"]["kept"]["documents"]
    2
    """

    steps: list[str] = field(default_factory=list)
    mixture: dict[str, float] = field(default_factory=dict)
    subsets: dict[str, dict[str, Counter]] = field(default_factory=dict)
    languages: dict[str, dict[str, Counter]] = field(default_factory=dict)
    bytes: dict[str, Counter] = field(
        default_factory=lambda: {outcome: Counter() for outcome in _OUTCOMES}
    )
    words_per_document: Counter = field(default_factory=Counter)
    reasons: dict[str, dict[str, Any]] = field(default_factory=dict)
    clusters: list[dict[str, Any]] = field(default_factory=list)
    words: dict[str, Any] = field(
        default_factory=lambda: {"total": 0, "missed": 0, "counts": Counter()}
    )
    personal_data: dict[str, Counter] = field(default_factory=dict)
    masked: dict[str, Counter] = field(default_factory=dict)
    personal_subsets: dict[str, Counter] = field(default_factory=dict)
    personal_files: dict[str, Counter] = field(default_factory=dict)
    evaluation: dict[str, Counter] = field(default_factory=dict)
    licenses: dict[str, dict[str, Counter]] = field(default_factory=dict)

    def add(self, rows: pa.Table, most_words: int = MOST_WORDS) -> None:
        """Adds documents.

        Args:
            rows: with the columns `id` (binary), `subset`, `bytes` and `reason` (null
                where kept); as far as they are there, `language`, `source`, `position`,
                `text` (of kept ones for the words, of dropped ones for the samples),
                `value` and `bounds` of the check that failed, `columns` (JSON).
            most_words: different words of these rows whose counts are kept.
        """
        words_found: Counter = Counter()
        for documents in _portions(rows):
            numbers = iter(_count_words(documents, words_found))
            for row in documents:
                self._add_document(row, next(numbers) if _has_words(row) else None)
        most = _most_frequent(words_found.items(), most_words)
        missed = most[-1][1] if len(most) < len(words_found) else 0
        self._merge_words(words_found.total(), missed, dict(most))

    def _add_document(self, row: Mapping[str, Any], count: int | None) -> None:
        outcome = "dropped" if row["reason"] else "kept"
        numbers = {"documents": 1, "bytes": row["bytes"], "words": count or 0}
        columns = json.loads(row.get("columns") or "{}")
        for table, key in (
            (self.subsets, row["subset"]),
            (self.languages, row.get("language") or UNDETERMINED),
            (self.licenses, _licence(columns)),
        ):
            entry = table.setdefault(key, {name: Counter() for name in _OUTCOMES})
            entry[outcome].update(numbers)
        self.bytes[outcome][_bin(row["bytes"])] += 1
        if count is not None:
            self.words_per_document[_bin(count)] += 1
        if row["reason"]:
            self._merge_reason(row["reason"], _dropped(row))
        self._add_personal_data(row, columns.get("personal_data") or {})
        if item := (columns.get("contamination") or {}).get("item"):
            is_reason = (row["reason"] or "").startswith("contamination.")
            counts = self.evaluation.setdefault(item, Counter())
            counts["dropped" if is_reason else "cut"] += 1

    def _add_personal_data(
        self, row: Mapping[str, Any], found: Mapping[str, int]
    ) -> None:
        for kind, spans in found.items():
            for table in (
                self.personal_data,
                *([] if row["reason"] else [self.masked]),
            ):
                entry = table.setdefault(kind, Counter())
                entry.update(documents=1, spans=spans)
            for table, key in (
                (self.personal_subsets, row["subset"]),
                (self.personal_files, file_of(row)),
            ):
                table.setdefault(key, Counter())[kind] += spans

    def add_cluster(self, cluster: Cluster) -> None:
        """Adds documents that say the same; the largest clusters are shown."""
        self._merge_clusters([cluster._asdict()])

    def merge(self, other: ReportData) -> None:
        """Adds what another one has; the order of merges does not matter."""
        self.steps = self.steps or list(other.steps)
        self.mixture = self.mixture or dict(other.mixture)
        for name in _BY_OUTCOME:
            mine = getattr(self, name)
            for key, entry in getattr(other, name).items():
                own = mine.setdefault(key, {name: Counter() for name in _OUTCOMES})
                for outcome in _OUTCOMES:
                    own[outcome].update(entry[outcome])
        for outcome in _OUTCOMES:
            self.bytes[outcome].update(other.bytes[outcome])
        self.words_per_document.update(other.words_per_document)
        for reason, entry in other.reasons.items():
            self._merge_reason(reason, entry)
        self._merge_clusters(other.clusters)
        self._merge_words(**other.words)
        for name in _COUNTED:
            for key, counts in getattr(other, name).items():
                getattr(self, name).setdefault(key, Counter()).update(counts)

    def _merge_reason(self, reason: str, entry: Mapping[str, Any]) -> None:
        empty = {"documents": 0, "bytes": 0, "samples": []}
        own = self.reasons.setdefault(reason, empty)
        own["documents"] += entry["documents"]
        own["bytes"] += entry["bytes"]
        own["samples"] = heapq.nsmallest(
            MOST_PROBLEMS if reason.partition(".")[0] in PROBLEMS else SAMPLES,
            [*own["samples"], *entry["samples"]],
            key=lambda sample: (
                *(sample["id"], sample["subset"]),
                *(sample["source"] or "", sample["position"] or 0),
            ),
        )

    def _merge_clusters(self, clusters: Iterable[dict[str, Any]]) -> None:
        self.clusters = heapq.nsmallest(
            CLUSTERS,
            [*self.clusters, *clusters],
            key=lambda cluster: (-cluster["documents"], cluster["survivor"]),
        )

    def _merge_words(self, total: int, missed: int, counts: Mapping[str, int]) -> None:
        self.words["total"] += total
        self.words["missed"] += missed
        self.words["counts"].update(counts)

    def to_dict(
        self, most_words: int | None = None, most_names: int | None = None
    ) -> dict[str, Any]:
        """Plain values for JSON, sorted, so that equal data is equal text.

        Args:
            most_words: how many words; None for all.
            most_names: how many licences, and files with personal data.
        """
        counts = _most_frequent(self.words["counts"].items(), most_words)
        tables = {name: _sorted(getattr(self, name)) for name in _BY_OUTCOME}
        tables |= {
            name: {key: _sorted(x) for key, x in _sorted(getattr(self, name)).items()}
            for name in _COUNTED
        }
        for name, size in (
            ("licenses", lambda entry: sum(x["documents"] for x in entry.values())),
            ("personal_files", lambda entry: sum(entry.values())),
        ):
            sizes = {key: size(entry) for key, entry in tables[name].items()}
            kept = dict(_most_frequent(sizes.items(), most_names))
            tables[name] = {k: x for k, x in tables[name].items() if k in kept}
        return {
            "format": FORMAT,
            "steps": self.steps,
            "mixture": self.mixture,
            "bytes": {name: _numbered(bins) for name, bins in self.bytes.items()},
            "words_per_document": _numbered(self.words_per_document),
            "reasons": _sorted(self.reasons),
            "clusters": self.clusters,
            "words": {**self.words, "counts": dict(counts)},
            **tables,
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> ReportData:
        """The inverse of `to_dict`.

        Raises:
            ValueError: another format.
        """
        if values.get("format") != FORMAT:
            raise ValueError(
                f"the data of a report have format {values.get('format')}, not "
                f"{FORMAT}: build the corpus again"
            )
        values = _LATER | dict(values)
        data = cls(list(values["steps"]), dict(values["mixture"]))
        for table in _BY_OUTCOME:
            for key, entry in values[table].items():
                counts = {name: Counter(entry[name]) for name in _OUTCOMES}
                getattr(data, table)[key] = counts
        for outcome in _OUTCOMES:
            data.bytes[outcome] = _unnumbered(values["bytes"][outcome])
        data.words_per_document = _unnumbered(values["words_per_document"])
        for reason, entry in values["reasons"].items():
            data._merge_reason(reason, entry)
        data.clusters = list(values["clusters"])
        data._merge_words(**values["words"])
        for name in _COUNTED:
            for key, counts in values[name].items():
                getattr(data, name)[key] = Counter(counts)
        return data

    def write(self, folder: str | Path) -> Path:
        """Writes `report.json` of a corpus; of its words the first 5,000, of files and
        licences those with the most."""
        path = Path(folder) / FILE
        write_json(path, self.to_dict(MOST_WRITTEN, MOST_NAMES))
        return path

    @classmethod
    def read(cls, folder: str | Path) -> ReportData:
        """What `write` wrote.

        Raises:
            FileNotFoundError, ValueError: there is no such file, or it is damaged.
        """
        path = Path(folder) / FILE
        try:
            return cls.from_dict(read_json(path))
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"{path} is damaged: {error!r}") from None


def _portions(rows: pa.Table) -> Iterator[list[dict[str, Any]]]:
    """Rows of a table, with about the same number of characters each time."""
    some, characters = [], 0
    for batch in rows.to_batches(max_chunksize=_ROWS):
        for row in batch.to_pylist():
            some.append(row)
            characters += len(row.get("text") or "")
        if characters >= _CHARACTERS:
            yield some
            some, characters = [], 0
    yield some


def _count_words(rows: Iterable[Mapping[str, Any]], counted: Counter) -> list[int]:
    """Counts the words of kept documents; how many each of them has."""
    found = words(Batch(Document(row["text"]) for row in rows if _has_words(row)))
    order = np.argsort(found.hashes)  # twice as fast as np.unique with indices
    ordered = found.hashes[order]
    edges = np.flatnonzero(np.append(True, ordered[1:] != ordered[:-1])[: len(order)])
    counts, at = np.diff(edges, append=len(order)), order[edges]
    places = (found.starts[at].tolist(), found.ends[at].tolist(), counts.tolist())
    for start, end, count in zip(*places, strict=True):
        counted[found.text[start:end]] += count
    return found.counts.tolist()


def file_of(row: Mapping[str, Any]) -> str:
    """The file that a document is from, with its subset.

    >>> file_of({"subset": "web", "source": "a.jsonl"})
    'web: a.jsonl'
    """
    source = row.get("source") or ""
    return f"{row['subset']}: {source}" if row["subset"] else source


def _licence(columns: Mapping[str, Any]) -> str:
    """What a record says of its licence."""
    found = next((columns[name] for name in _LICENCES if columns.get(name)), "")
    return str(found).strip()[:_LICENCE]


def _has_words(row: Mapping[str, Any]) -> bool:
    return not row["reason"] and row.get("text") is not None


def _dropped(row: Mapping[str, Any]) -> dict[str, Any]:
    """The entry of a reason that one document makes."""
    keys = ("subset", "source", "position", "language", "bytes", "value", "bounds")
    sample = {"id": row["id"].hex(), **{key: row.get(key) for key in keys}}
    if not math.isfinite(sample["value"] or 0):  # which JSON does not have
        sample["value"] = None
    sample["text"] = (row.get("text") or "")[:EXCERPT]
    return {"documents": 1, "bytes": row["bytes"], "samples": [sample]}


def _most_frequent(
    pairs: Iterable[tuple[str, int]], most: int | None
) -> list[tuple[str, int]]:
    return sorted(pairs, key=lambda pair: (-pair[1], pair[0]))[:most]


def bounds_of_bin(number: int) -> tuple[float, float]:
    """The values that a bin of a histogram has: from, to below.

    >>> bounds_of_bin(20)
    (1024.0, 1448.1546878700494)
    """
    return 2 ** (number / 2), 2 ** ((number + 1) / 2)


def _bin(value: int) -> int:
    """Of two in each octave, in whole numbers: no rounding at the bounds.

    >>> [_bin(value) for value in (0, 1, 2, 3, 1024, 1448, 1449)]
    [0, 0, 2, 3, 20, 20, 21]
    """
    octave = max(int(value), 1).bit_length() - 1
    return 2 * octave + (max(int(value), 1) ** 2 >= 2 ** (2 * octave + 1))


def _numbered(bins: Mapping[int, int]) -> dict[str, int]:
    return {str(number): bins[number] for number in sorted(bins)}


def _unnumbered(bins: Mapping[str, int]) -> Counter:
    return Counter({int(number): count for number, count in bins.items()})


def _sorted(table: Mapping[str, Any]) -> dict[str, Any]:
    return {key: table[key] for key in sorted(table)}
