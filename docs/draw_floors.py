"""Draws docs/floors.svg: the folders of the package as floors of a house.

    python docs/draw_floors.py

The floors are those that tests/test_architecture.py holds: a folder imports from the
floors below it, and from no other.
"""

from __future__ import annotations

import sys
from html import escape
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from tests.test_architecture import LEVELS  # noqa: E402

PICTURE = ROOT / "docs" / "floors.svg"
WIDTH, LINE, PADDING, GAP, NAMES = 720, 20, 10, 4, 150
# What a folder is for, in a few words.
ABOUT = {
    "cli": "massivetext VERB --flag",
    "serving": "HTTP and gRPC, batches, streams, limits",
    "training": "what a user runs: train, fine_tune, callbacks",
    "compression": "smaller models, and what that costs",
    "explain": "which words an answer depends on",
    "privacy": "what a task tells of its data",
    "robustness": "what small changes of a text do",
    "tasks": "tokenizer + model + head + loss; strings in, strings out",
    "runtimes": "exports: SavedModel, ONNX, GGUF, LiteRT",
    "quantization": "rounding to 4 bits by calibration texts",
    "generation": "the decoding loop, sampling, beams",
    "optimization": "one update, whatever the split",
    "data": "files to batches; objectives",
    "huggingface": "names and fields of the foreign land",
    "kerashub": "presets of KerasHub, without KerasHub",
    "checkpoints": "BERT and T5 as their authors published them",
    "text": "special tokens, words, passages",
    "models": "BERT, GPT, Seq2Seq over one stack",
    "tokenizers": "strings to ids, in the graph",
    "layers": "the mathematics of a block, as in a paper",
    "distribution": "strategies, replicas, workers",
    "saving": "presets, safetensors, exports",
    "corpus": "clean, filter, deduplicate, shard",
    "kernels": "the same mathematics, fast",
    "reading": "files on any disk to documents",
    "ngram": "counts, Kneser-Ney, ARPA files",
    "evaluation": "measures, tests of significance, reports",
    "configs": "all settings, under the names users write",
    "experiment": "the whole run as one frozen value",
    "planning": "what training takes elsewhere",
    "architecture": "shapes, weights, cost",
    "pages": "HTML and pictures",
    "support": "values, files, names, versions",
}
HIDDEN = {"__main__", "examples"}


def draw() -> str:
    """The picture, as SVG."""
    floors = [[x for x in names if x not in HIDDEN] for names in LEVELS]
    floors = [names for names in floors if names][::-1]
    heights = [len(names) * LINE + PADDING for names in floors]
    height = sum(heights) + GAP * (len(floors) + 1)
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" '
        'font-family="sans-serif" font-size="13">',
        f'<rect width="{WIDTH}" height="{height}" fill="white"/>',
    ]
    y = GAP
    for row, (names, high) in enumerate(zip(floors, heights, strict=True)):
        shade = 97 - round(22 * row / len(floors))
        lines.append(
            f'<rect x="{GAP}" y="{y}" width="{WIDTH - 2 * GAP}" height="{high}" '
            f'rx="3" fill="hsl(210, 45%, {shade}%)" stroke="#567" stroke-width="0.5"/>'
        )
        for line, name in enumerate(names):
            text = y + PADDING / 2 + LINE * (line + 0.72)
            lines.append(
                f'<text x="{4 * GAP}" y="{text:g}" font-weight="bold">'
                f"{escape(name)}</text>"
            )
            about = escape(ABOUT.get(name, ""))
            lines.append(f'<text x="{NAMES}" y="{text:g}" fill="#234">{about}</text>')
        y += high + GAP
    return "\n".join([*lines, "</svg>", ""])


if __name__ == "__main__":
    PICTURE.write_text(draw())
    print(PICTURE.relative_to(ROOT))
