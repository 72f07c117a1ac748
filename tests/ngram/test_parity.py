"""Live against KenLM, where it is: `make parity` runs it."""

from __future__ import annotations

import pytest

kenlm = pytest.importorskip("kenlm")


def test_kenlm_reads_our_files_and_gives_our_numbers(data_dir, tmp_path):
    from massivetext_keras.tasks import NgramLM

    text = (data_dir / "lm/wikitext2_valid.raw.txt").read_text()
    lines = [line.strip() for line in text.split("\n") if line.strip()]
    lm = NgramLM(4, "spaced").fit(lines[:2000])
    lm.save(tmp_path / "model.arpa")
    theirs = kenlm.Model(str(tmp_path / "model.arpa"))
    for line in lines[2000:2200]:
        assert lm.perplexity(line) == pytest.approx(theirs.perplexity(line), rel=1e-4)
