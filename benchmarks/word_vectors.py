"""Word vectors beside gensim: words a second, and how good the vectors are.

Skip-gram and CBOW of 100 numbers, a window of 5 and 5 negatives, on the Brown corpus (5
epochs) and on the documentation that this interpreter has installed (1 epoch), three
seeds each. A text is a file of words in lower case, a sentence to a line; the time is
from this file to the vectors, gensim's with two workers. These get sentences of one
reader: where each reads its share itself (`corpus_file`), each counts its own words
alone, and the rate falls to half of what it began with.
Spearman's rho is of WordSim353, of the pairs whose words both are known; analogies are
the questions of questions-words.txt whose words all are.
"""

from __future__ import annotations

import ast
import functools
import re
import sys
import sysconfig
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from common import ROOT, Contestant, compete, data_folder, print_ratios
from scipy.stats import spearmanr

PEERS = ROOT / ".venv-peers/bin/python"
EPOCHS, SEEDS, MOST_WORDS = {"brown": 5, "documentation": 1}, 3, 3_000_000
METHODS = ("skipgram", "cbow")
WORK = Path(tempfile.gettempdir()) / "massivetext-word-vectors"
_WORD = re.compile(r"[^\W\d_]+(?:'[^\W\d_]+)?")


def brown() -> Iterator[str]:
    yield from (data_folder() / "lm/brown.txt").read_text().lower().split("\n")


def documentation() -> Iterator[str]:
    """Sentences of the docstrings of installed packages, each line once."""
    seen: set[str] = set()
    for path in sorted(Path(sysconfig.get_paths()["purelib"]).rglob("*.py")):
        for text in docstrings(path):
            for part in re.split(r"\n\s*\n|(?<=[.!?])\s", text):
                words = " ".join(_WORD.findall(part.lower()))
                if words.count(" ") > 3 and words not in seen:
                    seen.add(words)
                    yield words


def docstrings(path: Path) -> list[str]:
    """Of a module and all in it; none of a file that is no Python of today."""
    try:
        tree = ast.parse(path.read_bytes())
    except (SyntaxError, ValueError, OSError):
        return []
    kinds = ast.Module, ast.ClassDef, ast.FunctionDef
    nodes = (node for node in ast.walk(tree) if isinstance(node, kinds))
    return [text for node in nodes if (text := ast.get_docstring(node))]


def text_of(name: str) -> Path:
    """The file of a text, made by whoever asks first."""
    path = WORK / f"{name}.txt"
    if not path.exists():
        WORK.mkdir(exist_ok=True)
        lines, words = [], 0
        for line in {"brown": brown, "documentation": documentation}[name]():
            if line.strip():
                lines.append(line)
                words += line.count(" ") + 1
            if words > MOST_WORDS:
                break
        path.write_text("\n".join(lines) + "\n")
    return path


def ours(path: Path, method: str, epochs: int, seed: int) -> tuple[list, np.ndarray]:
    from massivetext_keras.tasks import WordVectors

    vectors = WordVectors(method=method, seed=seed, units="spaced")
    vectors.fit(path, epochs=epochs, verbose=0)
    return vectors.words, vectors.vectors


def gensim(path: Path, method: str, epochs: int, seed: int) -> tuple[list, np.ndarray]:
    from gensim.models.word2vec import LineSentence, Word2Vec

    found = Word2Vec(
        LineSentence(str(path)),
        vector_size=100,
        window=5,
        negative=5,
        sample=1e-3,
        min_count=5,
        sg=int(method == "skipgram"),
        alpha=0.025 if method == "skipgram" else 0.05,
        workers=2,
        epochs=epochs,
        seed=seed + 1,
    )
    return found.wv.index_to_key, found.wv.vectors


def measured(train: Callable, name: str, method: str) -> dict[str, float]:
    """Speed and quality of some seeds of one method on one text."""
    path, rates, scores = text_of(name), [], []
    with open(path) as file:
        count = sum(len(line.split()) for line in file)
    for seed in range(SEEDS):
        begin = time.perf_counter()
        words, vectors = train(path, method, EPOCHS[name], seed)
        rates.append(count * EPOCHS[name] / (time.perf_counter() - begin))
        unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
        ids = {word: i for i, word in enumerate(words)}
        scores.append((similarity(ids, unit), analogies(ids, unit)))
    (rho, right), (rho_spread, right_spread) = np.mean(scores, 0), np.std(scores, 0)
    return {
        "words/s": max(rates),
        "WordSim353, rho": rho,
        "WordSim353 spread, rho": rho_spread,
        "analogies, accuracy": right,
        "analogies spread, accuracy": right_spread,
    }


def all_measured(train: Callable) -> dict[str, float]:
    return {
        f"{method}, {name}, {key}": float(value)
        for name in EPOCHS
        for method in METHODS
        for key, value in measured(train, name, method).items()
    }


def similarity(ids: dict[str, int], unit: np.ndarray) -> float:
    """Spearman's rho of cosines and judgements."""
    pairs = []
    for line in (data_folder() / "vec/wordsim353.tsv").read_text().lower().split("\n"):
        fields = line.split("\t")
        if len(fields) > 2 and fields[0] in ids and fields[1] in ids:
            one, other = (unit[ids[word]] for word in fields[:2])
            pairs.append((float(fields[2]), one @ other))
    return float(spearmanr(*np.array(pairs).T).statistic)


def analogies(ids: dict[str, int], unit: np.ndarray) -> float:
    """The share of questions whose fourth word is nearest to b - a + c."""
    text = (data_folder() / "vec/questions-words.txt").read_text().lower()
    rows = [line.split() for line in text.split("\n") if line[:1] != ":"]
    known = [row for row in rows if len(row) == 4 and all(word in ids for word in row)]
    asked, right = np.array([[ids[word] for word in row] for row in known]), 0
    for some in np.array_split(asked, len(asked) // 500 + 1):
        a, b, c, d = some.T
        scores = (unit[b] - unit[a] + unit[c]) @ unit.T
        scores[np.arange(len(some)), [a, b, c]] = -np.inf
        right += int((scores.argmax(1) == d).sum())
    return right / len(asked)


if __name__ == "__main__":
    if not set(sys.argv) & {"ours", "gensim"}:
        for text in EPOCHS:
            print(text, f"{text_of(text).stat().st_size / 1e6:.1f} MB", flush=True)
    best = compete(
        __file__,
        {
            "ours": functools.partial(all_measured, ours),
            "gensim": Contestant(functools.partial(all_measured, gensim), PEERS),
        },
        rounds=1,
    )
    for text in EPOCHS:
        for method in METHODS:
            print_ratios(best, "ours", f"{method}, {text}, words/s")
