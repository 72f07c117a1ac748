"""`massivetext adversarial train`: from lines of text to a folder that writes."""

from __future__ import annotations

import pytest

SMALL = (
    "--length=6",
    "--pretrain_epochs=1",
    "--discriminator_epochs=0",
    "--rounds=0",
    "--batch_size=8",
)


@pytest.fixture(scope="module")
def text(tmp_path_factory):
    path = tmp_path_factory.mktemp("adversarial") / "lines.txt"
    path.write_text("a cat sat\na dog ran .\n\nthe cat ran\n" * 6)
    return path


def test_from_lines_to_texts(good, text, tmp_path):
    folder, logs = tmp_path / "m", tmp_path / "logs"
    flags = (f"--input={text}", f"--output={folder}", *SMALL, f"--logs={logs}")
    said = good("adversarial", "train", *flags, f"--validation={text}")
    wanted = f"{folder}: 12 tokens, 0 rounds of policy_gradient"
    assert said.splitlines()[-1] == wanted
    assert any(logs.glob("validation/events*"))
    said = good("generate", f"--preset={folder}", "--prompt=a", "--seed=1")
    assert said.startswith("a")


@pytest.mark.parametrize(
    ("change", "code", "complaint"),
    [
        ("--method=gumbel", 2, "gumbel_softmax"),
        ("--rounds=-1", 2, "--rounds=-1 must be at least 0"),
        ("--min_count=99", 1, "min_count=99 leave none of 7 words: the most frequent"),
        ("--preset=seqgen", 2, "did you mean 'seqgan'"),
        ("--preset=bert_tiny", 1, "is a recurrent model, such as the shapes seqgan"),
    ],
)
def test_wrong_usage(bad, text, tmp_path, change, code, complaint):
    flags = (f"--input={text}", f"--output={tmp_path / 'm'}", *SMALL, change)
    found, line = bad("adversarial", "train", *flags)
    assert complaint in line and found == code
    assert not (tmp_path / "m").exists()
