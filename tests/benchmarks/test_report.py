"""The table and the page that are made of what benchmarks found."""

from __future__ import annotations

import copy
import json

import pytest
import report
from results import RESULTS

NEW = {
    "machine": {
        "processor": "New(R) Processor",
        "instruction_sets": ["avx2", "amx_bf16"],
        "cores": 2,
        "memory_gb": 24,
    },
    "benchmarks": {
        "train_step": {
            "date": "2026-11-29",
            "seconds": 300,
            "versions": {"keras": "3.15.1", "torch": "2.13.0"},
            "results": {
                "product": {"float32, GFLOP/s": 250.0, "bfloat16, GFLOP/s": 2000.0},
                "ours": {"tokens/s": 12000.0, "GFLOP/s": 500.0},
                "keras_hub, float32": {"tokens/s": 3000.0, "GFLOP/s": 125.0},
                "keras_hub, bfloat16, XLA": {"tokens/s": 5000.0, "GFLOP/s": 208.0},
                "hugging_face, float32": {"tokens/s": 4000.0, "GFLOP/s": 166.0},
            },
        },
        "growth": {
            "date": "2026-11-30",
            "seconds": 400,
            "versions": {"keras": "3.15.1"},
            "results": {
                "ours": {
                    "length 64, tokens/s": 15000.0,
                    "length 1024, tokens/s": 9000.0,
                    "length 64, GFLOP/s": 400.0,
                },
                "keras_hub, XLA": {
                    "length 64, tokens/s": 6000.0,
                    "length 1024, tokens/s": 2000.0,
                },
            },
        },
        "learning": {
            "date": "2026-11-30",
            "seconds": 500,
            "versions": {},
            "results": {
                "ours": {"width 64, update 10, nats": 2.5},
                "nanogpt": {"width 64, update 10, nats": 2.75},
            },
        },
    },
}
PLAIN = copy.deepcopy(NEW)
PLAIN["machine"]["instruction_sets"] = ["avx2"]
PLAIN["benchmarks"] = {
    "nanogpt": {
        "date": "2026-11-28",
        "seconds": 200,
        "versions": {},
        "results": {
            "ours": {"to 1.8857 nats, s": 20.0},
            "nanogpt": {"to 1.8857 nats, s": 50.0},
        },
    }
}
TABLE = """\
| | A | B |
|---|---|---|
| training step of a GPT, tokens/s | 12,000 (2.40 × KerasHub, 3.00 × Hugging Face) |  |
| nanoGPT's CPU setting to 1.8857 nats, s |  | 20.0 (2.50 × nanoGPT) |

A: New(R) Processor, 2 cores, amx_bf16 at the most, a product of matrices reaches \
2,000 GFLOP/s in bfloat16; 2026-11-30  
B: New(R) Processor, 2 cores, avx2 at the most; 2026-11-28"""


def test_the_table():
    assert report.table([NEW, PLAIN]) == TABLE


def test_the_table_takes_the_place_of_the_one_before():
    text = f"# Title\n{report.BEGIN}\nold\n{report.END}\nrest\n"
    expected = f"# Title\n{report.BEGIN}\n| \\1 |\n{report.END}\nrest\n"
    assert report.with_table(text, "| \\1 |") == expected
    with pytest.raises(ValueError, match="no lines <!-- benchmarks -->"):
        report.with_table("# Title\n", "new")


def test_readme_has_the_table_of_the_results():
    reports = [json.loads(path.read_text()) for path in sorted(RESULTS.glob("*.json"))]
    text = report.README.read_text()
    assert report.with_table(text, report.table(reports)) == text, (
        "run python benchmarks/report.py"
    )


def test_growth_is_beside_the_best_of_keras_hub():
    lines = report.growth_lines(NEW)
    assert lines == {
        "length": {
            "ours": {64: 15000.0, 1024: 9000.0},
            "keras_hub": {64: 6000.0, 1024: 2000.0},
        }
    }


def test_losses_are_lines_by_width():
    expected = {"width 64": {"ours": {10: 2.5}, "nanogpt": {10: 2.75}}}
    assert report.learning_lines(NEW) == expected


def test_shares_are_of_the_faster_product():
    shares = report.shares(NEW)
    assert shares["ours"] == 25.0
    assert shares["keras_hub, float32"] == 6.25


def test_the_page():
    page = report.page(NEW)
    assert "<title>Benchmarks on New(R) Processor</title>" in page
    for text in (
        "2,000 GFLOP/s in bfloat16",
        "KerasHub, bfloat16, XLA",
        "Tokens per second by length",
        "Nats per character, width 64",
        "keras 3.15.1, torch 2.13.0",
    ):
        assert text in page
    assert page.count("<svg") == 4  # ratios, shares, length, width 64


def test_a_page_has_only_what_was_measured():
    page = report.page(PLAIN)
    assert "2.50" in page
    assert "Share of the peak" not in page and "Growth" not in page
