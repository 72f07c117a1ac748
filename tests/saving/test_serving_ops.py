"""The operations of exports are among those that TensorFlow Serving has."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from tensorflow.core.framework import op_def_pb2
from tensorflow.core.protobuf import saved_model_pb2
from tensorflow.python.client import pywrap_tf_session
from tensorflow_text.python import ops

from massivetext_keras import tasks
from massivetext_keras.tokenizers import SentencePieceTokenizer
from tests.serving.exports import write_texts
from tests.tasks.tiny import byte_lm, encoder_task

# Of TF-Text. Serving's binary links `//tensorflow_text:ops_lib` of TF-Text 2.20.0
# (tensorflow/serving: tensorflow_serving/model_servers/BUILD, SUPPORTED_TENSORFLOW_OPS;
# tensorflow_serving/workspace.bzl, org_tensorflow_text), and that has, among others,
# fast_bert_normalizer_cc, fast_wordpiece_tokenizer_cc, normalize_ops_cc,
# regex_split_ops_cc and sentencepiece_tokenizer_cc (tensorflow/text:
# tensorflow_text/BUILD). Others of ops_lib may be added here with the export that needs
# them; those of no library there, such as a later one of TF-Text, may not.
TEXT_OPS = {
    "CaseFoldUTF8",
    "FastBertNormalize",
    "FastWordpieceTokenizeWithOffsets",
    "NormalizeUTF8",
    "NormalizeUTF8WithOffsetsMap",
    "RegexSplitWithOffsets",
    "SentencepieceDetokenizeOp",
    "SentencepieceOp",
    "SentencepieceTokenizeOp",
    "SentencepieceTokenizeWithOffsetsOp",
}
LIBRARIES = {
    "_fast_bert_normalizer",
    "_fast_wordpiece_tokenizer",
    "_normalize_ops",
    "_regex_split_ops",
    "_sentencepiece_tokenizer",
}
# TensorFlow alone, in a process that knows no other library: which of some operations
# are registered.
ALONE = """
import json, sys
import tensorflow as tf
from tensorflow.python.framework import op_def_registry
assert "tensorflow_text" not in sys.modules and "keras_hub" not in sys.modules
asked = json.load(sys.stdin)
print(json.dumps([name for name in asked if op_def_registry.get(name) is not None]))
"""
LINES = ["The cat sat on the mat, and the dog ran.", "A naïve café, 中文 text."] * 9


def ops_of(path) -> set[str]:
    """Names of all operations of a SavedModel, in its functions too."""
    written = saved_model_pb2.SavedModel()
    written.ParseFromString((path / "saved_model.pb").read_bytes())
    found: set[str] = set()
    for graph in written.meta_graphs:
        found |= {node.op for node in graph.graph_def.node}
        functions = graph.graph_def.library.function
        found |= {node.op for function in functions for node in function.node_def}
        found -= {function.signature.name for function in functions}
    return found


@pytest.fixture(scope="module")
def exports(tmp_path_factory):
    """The operations of two exports that have tokenizers of TF-Text, by name."""
    folder = tmp_path_factory.mktemp("exports")
    pieces = SentencePieceTokenizer.train(texts=LINES, vocabulary_size=300)
    lm = byte_lm(tokenizer=pieces, vocabulary_size=300, chat_template="chatml")
    names = "complete", "score", "count"
    write_texts(lm, folder / "sentencepiece", *names, streaming=True)
    encoder_task(tasks.TextEmbedder).export(folder / "wordpiece")
    return {path.name: ops_of(path) for path in folder.iterdir()}


@pytest.mark.slow
def test_the_ops_of_tensorflow_are_its_own(exports):
    asked = sorted(set().union(*exports.values()) - TEXT_OPS)
    done = subprocess.run(
        [sys.executable, "-c", ALONE],
        input=json.dumps(asked),
        capture_output=True,
        text=True,
        check=True,
    )
    known = json.loads(done.stdout.splitlines()[-1])
    assert sorted({*asked} - {*known}) == []


@pytest.mark.slow
def test_the_ops_of_tf_text_are_those_of_the_list(exports):
    used = set().union(*exports.values())
    assert {"FastWordpieceTokenizeWithOffsets", "SentencepieceOp"} <= used
    assert not {op for op in used if "Trim" in op}  # newer than some of Serving's


def test_the_list_is_of_libraries_that_serving_links():
    folder, found = ops.__path__[0], set()
    for name in LIBRARIES:
        library = pywrap_tf_session.TF_LoadLibrary(f"{folder}/{name}.so")
        told = op_def_pb2.OpList.FromString(pywrap_tf_session.TF_GetOpList(library))
        found |= {op.name for op in told.op}
    assert sorted(TEXT_OPS - found) == []
