"""What names of models begin with: every form is opened, without TensorFlow told."""

from __future__ import annotations

import subprocess
import sys

import pytest

from massivetext_keras.architecture.sources import FOREIGN, described, is_foreign
from massivetext_keras.cli.planning import config_of
from massivetext_keras.tasks.source import Source


@pytest.mark.parametrize("prefix", FOREIGN)
def test_every_form_is_opened(prefix, tmp_path):
    name = f"{prefix}{tmp_path}/nowhere"
    assert is_foreign(name)
    with pytest.raises(FileNotFoundError, match="nowhere"):
        _ = Source.open(name).config


def test_a_folder_whose_name_is_a_word(tmp_path, monkeypatch):
    """ "t5:m" might be the place of a shape, too."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "m").mkdir()
    with pytest.raises(
        FileNotFoundError, match="^m/operative_config.gin: no such file"
    ):
        config_of("t5:m")


def test_all_forms_in_one_line():
    wanted = "hf:FOLDER, kerashub:FOLDER, bert:FOLDER, t5:FOLDER or gguf:FILE"
    assert described() == wanted
    assert not is_foreign("models/hf:gpt2")


def test_they_need_no_tensorflow():
    code = "import sys, massivetext_keras.cli.settings as _; "
    code += "print('tensorflow' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.strip() == "False", done.stderr
