"""The same GPT in three libraries, pages of text, contests between processes."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

VOCABULARY, LAYERS, WIDTH, HEADS, CONTEXT, DROPOUT = 8192, 4, 256, 4, 256, 0.1


def our_lm(dropout: float = DROPOUT):
    import massivetext_keras as mtk

    config = mtk.configs.TransformerConfig(
        vocabulary_size=VOCABULARY,
        num_layers=LAYERS,
        hidden_size=WIDTH,
        num_heads=HEADS,
        intermediate_size=4 * WIDTH,
        max_length=CONTEXT,
        dropout=dropout,
    )
    return mtk.tasks.CausalLM(config)


def keras_hub_lm():
    import keras_hub

    backbone = keras_hub.models.GPT2Backbone(
        vocabulary_size=VOCABULARY,
        num_layers=LAYERS,
        hidden_dim=WIDTH,
        num_heads=HEADS,
        intermediate_dim=4 * WIDTH,
        max_sequence_length=CONTEXT,
        dropout=DROPOUT,
    )
    return keras_hub.models.GPT2CausalLM(backbone)


def hugging_face_lm():
    import transformers

    config = transformers.GPT2Config(
        vocab_size=VOCABULARY,
        n_layer=LAYERS,
        n_embd=WIDTH,
        n_head=HEADS,
        n_positions=CONTEXT,
        resid_pdrop=DROPOUT,
        embd_pdrop=DROPOUT,
        attn_pdrop=DROPOUT,
    )
    return transformers.GPT2LMHeadModel(config)


def corpus_pages() -> list[str]:
    """English pages: what is extracted of web pages, Wikipedia, Python's documentation.

    Lines have no white space around them. The pages of the folder that MASSIVETEXT_DATA
    names are left out where it is unset.
    """
    import trafilatura

    from massivetext_keras.corpus import python_documentation

    pages = python_documentation()[::3]
    if "MASSIVETEXT_DATA" not in os.environ:
        print("MASSIVETEXT_DATA is unset: Python's documentation alone")
        return pages
    data = Path(os.environ["MASSIVETEXT_DATA"])
    for path in sorted((data / "clean/readability").glob("*/source.html")):
        pages.append(trafilatura.extract(path.read_text(), fast=True) or "")
    wikipedia = (data / "lm/wikitext2_valid.raw.txt").read_text()
    pages += re.split(r"(?m)^ (?== [^=]+ = $)", wikipedia)
    articles = json.loads((data / "qa/xquad.en.json").read_text())["data"]
    pages += [part["context"] for article in articles for part in article["paragraphs"]]
    pages = ["\n".join(map(str.strip, page.split("\n"))).strip() for page in pages]
    return [page for page in pages if page]


def compete(
    script: str,
    contestants: dict[str, Callable],
    rounds: int = 2,
    pythons: Mapping[str, str | Path] | None = None,
) -> dict:
    """Gives each contestant's best results over the rounds.

    Args:
        script: file of the benchmark; run with a name it prints a line of JSON.
        contestants: name -> function that measures, giving name -> number.
        rounds: turns; the machine's noise falls on all alike.
        pythons: name -> interpreter of those that have one of their own.

    Returns:
        name -> measurement -> best number; a contestant whose packages are missing is
        left out.
    """
    if len(sys.argv) > 1:
        print(json.dumps(contestants[sys.argv[1]]()))
        raise SystemExit
    best: dict[str, dict[str, float]] = {}
    pythons = {name: (pythons or {}).get(name, sys.executable) for name in contestants}
    for _ in range(rounds):
        for name, python in pythons.items():
            if not Path(python).exists():
                print(f"{name}: left out, {python} is missing (make bench makes it)")
                continue
            done = subprocess.run(
                [python, script, name], capture_output=True, text=True
            )
            if "ModuleNotFoundError" in done.stderr:
                print(f"{name}: left out, {done.stderr.strip().splitlines()[-1]}")
                continue
            if done.returncode:
                raise RuntimeError(f"{name} failed:\n{done.stderr}")
            results = json.loads(done.stdout.strip().splitlines()[-1])
            print(name, {k: round(v, 4) for k, v in results.items()}, flush=True)
            known = best.setdefault(name, results)
            best[name] = {k: max(v, known[k]) for k, v in results.items()}
    return best


def print_ratios(best: dict, ours: str, measurement: str) -> None:
    """A line for each peer: how many times as fast we are."""
    for name, results in best.items():
        if name != ours and measurement in results:
            ratio = best[ours][measurement] / results[measurement]
            print(f"{measurement}: {ratio:.2f} times {name}")
