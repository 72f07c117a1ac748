"""Live against transformers, where torch is: `make parity` runs it."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")

HOME = Path(__file__).parents[1] / "fixtures/generation"


def test_the_beams_on_disk_are_not_stale(tmp_path):
    spec = importlib.util.spec_from_file_location("make_beams", HOME / "make.py")
    make = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(make)
    make.main(tmp_path / "beams.json")
    fresh, stored = (
        json.loads((home / "beams.json").read_text()) for home in (tmp_path, HOME)
    )
    scores = [[case.pop("scores") for case in x["cases"]] for x in (fresh, stored)]
    assert fresh == stored
    for new, old in zip(*scores, strict=True):
        np.testing.assert_allclose(new, old, atol=1e-4)
