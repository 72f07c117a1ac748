"""What names of models begin with: every form is opened, and told without TensorFlow."""

from __future__ import annotations

import subprocess
import sys

import pytest

from massivetext_keras.architecture.sources import FOREIGN, described, is_foreign
from massivetext_keras.tasks.source import Source


@pytest.mark.parametrize("prefix", FOREIGN)
def test_every_form_is_opened(prefix, tmp_path):
    name = f"{prefix}{tmp_path}/nowhere"
    assert is_foreign(name)
    with pytest.raises(FileNotFoundError, match="nowhere"):
        _ = Source.open(name).config


def test_all_forms_in_one_line():
    wanted = "hf:FOLDER, kerashub:FOLDER, bert:FOLDER, t5:FOLDER or gguf:FILE"
    assert described() == wanted
    assert not is_foreign("models/hf:gpt2")


def test_they_need_no_tensorflow():
    code = "import sys, massivetext_keras.cli.settings; print('tensorflow' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.strip() == "False", done.stderr
