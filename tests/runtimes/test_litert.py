"""Files of LiteRT: run by its interpreter in a process that has nothing of ours."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import numpy as np
import pytest

from massivetext_keras.runtimes.litert_files.check import TEXTS, runner
from massivetext_keras.tasks import (
    CausalLM,
    MaskedLM,
    QuestionAnswerer,
    ReplacedTokenDetector,
    TextClassifier,
    TextEmbedder,
    TokenClassifier,
)
from massivetext_keras.tokenizers import ByteTokenizer
from tests.models.families import ENCODERS, shrunk
from tests.tasks.tiny import TINY, encoder_task, randomize

pytest.importorskip(
    "ai_edge_litert", reason="pip install 'massivetext-keras[litert]': LiteRT"
)

IDS = """
import json, sys
import numpy as np
from ai_edge_litert.interpreter import Interpreter

given = {k: np.array(x, "int32") for k, x in json.load(sys.stdin).items()}
found = Interpreter(sys.argv[1]).get_signature_runner()(**given)
assert "tensorflow" not in sys.modules and "massivetext_keras" not in sys.modules
print(json.dumps({k: x.tolist() for k, x in found.items()}))
"""
STRINGS = """
import json, sys
import numpy as np
import tensorflow_text as text
from ai_edge_litert.interpreter import InterpreterWithCustomOps

texts = np.array([x.encode() for x in json.load(sys.stdin)])
run = InterpreterWithCustomOps(
    custom_op_registerers=text.tflite_registrar.SELECT_TFTEXT_OPS,
    model_path=sys.argv[1],
).get_signature_runner()
found = run(text=texts)
assert "massivetext_keras" not in sys.modules
print(json.dumps({k: x.tolist() for k, x in found.items()}))
"""


def answers(script: str, file, given) -> dict:
    """What a process that does not know this package gets of a file."""
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    done = subprocess.run(
        [sys.executable, "-c", script, str(file)],
        input=json.dumps(given),
        capture_output=True,
        text=True,
        cwd=file.parent,
        env=environment,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def config_of(folder) -> dict:
    return json.loads((folder / "config.json").read_text())


def test_ids_in_another_process(tmp_path):
    task = encoder_task(TextEmbedder, tokenizer=ByteTokenizer(), vocabulary_size=259)
    task.export(tmp_path / "1", format="litert")
    assert config_of(tmp_path / "1")["inputs"] == [
        "token_ids",
        "padding_mask",
        "segment_ids",
    ]
    ids = np.array([[1, 100, 101, 2, 0], [1, 99, 2, 0, 0]])
    given = {"token_ids": ids, "padding_mask": ids > 0, "segment_ids": ids * 0}
    given = {name: x.astype(int).tolist() for name, x in given.items()}
    found = answers(IDS, tmp_path / "1/model.tflite", given)["sentence_embedding"]
    np.testing.assert_allclose(found, task.embed(["ab", "`"]), atol=1e-4)
    names = {path.name for path in (tmp_path / "1").iterdir()}
    assert names == {
        "README.md",
        "config.json",
        "model.tflite",
        "tokenizer.json",
        "tokenizer_config.json",
    }


@pytest.mark.slow
def test_strings_in_another_process(tmp_path):
    task = encoder_task(TextClassifier, labels=["a", "b"], head="mean", temperature=0.5)
    task.export(tmp_path / "1", format="litert")
    assert config_of(tmp_path / "1")["inputs"] == ["text"]
    texts = [*TEXTS, "The CAT sat on mats", "unbelievable, dog " * 30]
    found = answers(STRINGS, tmp_path / "1/model.tflite", texts)["scores"]
    own = [[*answer.scores.values()] for answer in task.classify(texts)]
    np.testing.assert_allclose(found, own, atol=1e-4)


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=[pytest.mark.slow] * (name != "bert_base_uncased"))
        for name in ENCODERS
    ],
)
def test_families(name, tmp_path):
    """The export compares the file with the task; wrong numbers would raise."""
    task = randomize(MaskedLM(shrunk(name, num_layers=1)), scale=0.3)
    task.export(tmp_path / "1", format="litert")
    assert config_of(tmp_path / "1")["largest_difference"] < 1e-4


@pytest.mark.slow
@pytest.mark.parametrize(
    ("cls", "options"),
    [
        (QuestionAnswerer, {"stride": 8}),
        (ReplacedTokenDetector, {}),
        (TokenClassifier, {"labels": ["PER"]}),
        (TextClassifier, {"labels": ["a", "b"], "head": "convolution"}),
    ],
)
def test_tasks(cls, options, tmp_path):
    task = encoder_task(cls, **options)
    task.export(tmp_path / "1", format="litert")
    assert config_of(tmp_path / "1")["largest_difference"] < 1e-4


@pytest.mark.slow
def test_eight_bits_are_near_and_small(tmp_path):
    sizes = {"hidden_size": 128, "intermediate_size": 512, "segment_types": 0}
    task = encoder_task(
        TextEmbedder,
        tokenizer=ByteTokenizer(),
        vocabulary_size=259,
        scale=0.1,
        **sizes,
    )
    for kind in ("float32", "int8"):
        task.export(tmp_path / kind, format="litert", weight_type=kind)
    small, whole = (
        (tmp_path / kind / "model.tflite").stat().st_size
        for kind in ("int8", "float32")
    )
    assert small < 0.4 * whole
    assert 0.0 < config_of(tmp_path / "int8")["largest_difference"] < 0.1
    run = runner(tmp_path / "int8/model.tflite", strings=False)
    ids = np.array([[1, 100, 101, 2]], np.int32)
    found = run(token_ids=ids, padding_mask=np.ones_like(ids))["sentence_embedding"]
    assert (found @ task.embed("ab")).item() > 0.99


def test_what_it_cannot_hold_is_named(tmp_path):
    lm = CausalLM(TINY)
    with pytest.raises(ValueError, match="stack='decoder', not 'encoder'; format=.on"):
        lm.export(tmp_path / "1", format="litert")
    tagger = encoder_task(TokenClassifier, labels=["PER"], crf=True)
    with pytest.raises(ValueError, match="TokenClassifier: crf=True"):
        tagger.export(tmp_path / "1", format="litert")
    assert list(tmp_path.iterdir()) == []
