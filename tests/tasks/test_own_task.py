"""A whole task outside the package: one class, and one for what it learns from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import keras
import numpy as np
import pytest
import tensorflow as tf

from massivetext_keras import data
from massivetext_keras.layers.dense import Dense
from massivetext_keras.models import BERT
from massivetext_keras.tasks import task_class
from massivetext_keras.tasks.base import Task
from massivetext_keras.tasks.examples import Examples
from massivetext_keras.tasks.served import STRING, served
from massivetext_keras.text.framing import framed, padded
from massivetext_keras.training import fine_tune
from tests.tasks.tiny import ENCODER, words

SPEC = f"{__name__}:Rater"


class RatedText(NamedTuple):
    text: str
    stars: float | None = None


class RatedTexts(Examples):
    fields = ("text", "stars")
    encodes_strings = True

    @classmethod
    def example(cls, fields: Mapping[str, Any]) -> RatedText:
        if not isinstance(fields.get("text"), str):
            raise ValueError("no 'text'")
        stars = fields.get("stars")
        return RatedText(fields["text"], None if stars is None else float(stars))

    def batches(
        self,
        examples: Sequence[RatedText],
        how: data.Batching,
        training: bool = True,
    ) -> data.Batches:
        tokenizer = self.task.need_tokenizer()
        length = self.task.within_context("max_length", how.length)
        ids = framed(tokenizer, tokenizer.tokenize([x.text for x in examples]))
        stars = np.array([x.stars for x in examples], np.float32)
        fixed = [stars, np.ones_like(stars)]
        rows = data.BucketedRows(
            [[row[:length] for row in ids.to_list()]],
            how.batch_tokens,
            how.batch_size,
            fixed=fixed,
        )

        def example(ids, mask, stars, weights):
            return {"token_ids": ids, "padding_mask": mask}, stars, weights

        return data.Batches(rows, example)

    def predictions(self, examples: Sequence[RatedText], progress=False):
        return [{"stars": x} for x in self.task.rate([x.text for x in examples])]

    def scores(self, examples, predictions):
        pairs = zip(examples, predictions, strict=True)
        return {"error": float(np.mean([abs(x.stars - y["stars"]) for x, y in pairs]))}


class Rater(Task):
    """A number for a text, from the mean of its states."""

    backbone_class = BERT
    data_class = RatedTexts
    weighs_rows, predicts_tokens = True, False
    options = ("highest",)

    def __init__(self, config, tokenizer=None, highest: float = 5.0, **kwargs):
        super().__init__(config, tokenizer, **kwargs)
        self.highest = highest
        self.head = Dense(1, dtype=self.dtype_policy, name="head")
        self.head.build((None, config.hidden_size))

    def heads(self):
        return {"head": self.head}

    def call(self, inputs, training=None):
        hidden = self.backbone(inputs, training=training)
        mask = tf.cast(inputs["padding_mask"], hidden.dtype)[..., None]
        mean = tf.reduce_sum(hidden * mask, axis=1) / tf.reduce_sum(mask, axis=1)
        stars = tf.sigmoid(tf.cast(self.head(mean), tf.float32))
        return self.highest * stars[:, 0]

    def summed_loss(self, features, labels, weights, training):
        rows = tf.square(self(features, training=training) - labels) * weights
        return [tf.reduce_sum(rows)], rows

    @served("rate", "serving_default", text=STRING)
    def rate_graph(self, text: tf.Tensor) -> dict[str, tf.Tensor]:
        ids = framed(self.tokenizer, self.tokenizer.tokenize(text))
        return {"stars": self(padded(self.tokenizer, ids))}

    def rate(self, texts: Sequence[str]) -> list[float]:
        return self.rate_graph.rows(list(texts))["stars"].tolist()


LEARNT = [
    {"text": "the cat sat on the mat", "stars": 5},
    {"text": "the cat", "stars": 5},
    {"text": "cat on the mat", "stars": 5},
    {"text": "dog", "stars": 1},
    {"text": "the dog sat", "stars": 1},
    {"text": "dog on the mat", "stars": 1},
]
EXAMPLES = [RatedText(x["text"], float(x["stars"])) for x in LEARNT]


@pytest.fixture(scope="module")
def rater() -> Rater:
    keras.utils.set_random_seed(0)
    task = Rater(ENCODER.replace(num_layers=1, dropout=0.0), words())
    train, valid = task.datasets(LEARNT, LEARNT, batch_size=2, seed=1)
    for batches in (train, valid):
        rows = np.concatenate([y[w > 0] for _, y, w in batches])
        assert sorted(rows) == [1, 1, 1, 5, 5, 5]
    task.compile(keras.optimizers.Adam(0.02), jit_compile=False)
    before = task.measure(LEARNT)["error"]
    task.fit(train, validation_data=valid, epochs=20, verbose=0)
    assert task.measure(LEARNT)["error"] < 0.5 < 1.0 < before
    return task


def test_it_answers_and_is_measured(rater):
    predictions = rater.predictions(EXAMPLES)
    for example, prediction in zip(EXAMPLES, predictions, strict=True):
        assert prediction["stars"] == pytest.approx(example.stars, abs=1.0)
    wrong = [{"stars": x.stars - 0.25} for x in EXAMPLES]
    assert rater.measure(EXAMPLES, wrong) == {"error": 0.25}
    stars = [x.stars for x in EXAMPLES]
    texts = np.array([x.text for x in EXAMPLES])
    loss = rater.evaluate(texts, np.array(stars, "float32"), verbose=0)
    given = np.array([x["stars"] for x in predictions])
    assert loss == pytest.approx(np.mean((given - stars) ** 2), rel=1e-3, abs=1e-5)
    found = rater.predict(list(texts), verbose=0)
    np.testing.assert_allclose(found, given, rtol=1e-4)


def test_it_reads_files(rater, tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_text('{"text": "the cat", "stars": 4}\n{"words": 3}\n')
    assert Rater.read_examples(path) == [RatedText("the cat", 4.0)]
    with pytest.raises(ValueError, match="a.jsonl:2: no 'text'"):
        Rater.read_examples(path, strict=True)


def test_it_is_fine_tuned_with_its_measures():
    task = Rater(ENCODER.replace(num_layers=1), words())
    measures = fine_tune(task, LEARNT, EXAMPLES, epochs=1, batch_size=3)
    assert set(measures) == {"error"} and measures["error"] >= 0


def test_a_preset_is_found_by_module_and_class(rater, tmp_path):
    rater.save_preset(tmp_path)
    found = task_class(str(tmp_path))
    assert found is Rater
    again = found.from_preset(str(tmp_path))
    np.testing.assert_array_equal(again.rate(["the cat"]), rater.rate(["the cat"]))
    assert again.highest == 5.0
    assert task_class("bert_tiny", SPEC) is Rater
    with pytest.raises(ValueError, match="No module named 'tests.tasks.nothing'"):
        task_class("bert_tiny", "tests.tasks.nothing:Rater")
    with pytest.raises(
        ValueError, match="unknown task of .*'Ratter': did you mean 'Rater'"
    ):
        task_class("bert_tiny", f"{__name__}:Ratter")
    with pytest.raises(ValueError, match="unknown task of .*'RatedText'"):
        task_class("bert_tiny", f"{__name__}:RatedText")
    header = (tmp_path / "config.json").read_text()
    elsewhere = header.replace(SPEC, "not.imported:Rater")
    (tmp_path / "config.json").write_text(elsewhere)
    with pytest.raises(ValueError, match="import not.imported, or name the task"):
        task_class(str(tmp_path))


def test_an_export_answers_strings(rater, tmp_path):
    rater.export(tmp_path / "served")
    signatures = tf.saved_model.load(str(tmp_path / "served")).signatures
    assert set(signatures) == {"rate", "serving_default"}
    texts = ["the cat", "", "dog on the mat"]
    given = signatures["rate"](text=tf.constant(texts))["stars"]
    np.testing.assert_allclose(given, rater.rate(texts), rtol=1e-5)
