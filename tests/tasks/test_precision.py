"""A model of mixed precision writes and scores in float32, and trains as before."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from massivetext_keras.tasks import CausalLM
from massivetext_keras.training import adamw
from tests.tasks.tiny import byte_lm

pytestmark = pytest.mark.usefixtures("plain_loop", "without_xla")

PROMPTS = ["Once", "", "中文", "a longer prompt than the others"]
COUNT = 30


@pytest.fixture
def pair() -> tuple[CausalLM, CausalLM]:
    """The same weights, once for products of bfloat16 and once for float32."""
    return byte_lm(dtype="mixed_bfloat16"), byte_lm()


def answers(lm: CausalLM) -> dict:
    options = {"max_new_tokens": COUNT, "temperature": 0.0}
    return {
        "generate": lm.generate(PROMPTS, **options),
        "stream": ["".join(lm.stream(prompt, **options)) for prompt in PROMPTS],
        "generate_ids": lm.generate_ids(np.eye(8) * 30 + 90, **options).to_list(),
        "score": lm.score(PROMPTS),
    }


def test_it_answers_as_its_float32_copy_does(pair):
    mixed, exact = pair
    assert answers(mixed) == answers(exact)
    ids = {"token_ids": [[5, 6, 7]]}
    assert not np.array_equal(mixed(ids), exact(ids))


def train(lm: CausalLM) -> list[np.ndarray]:
    """Two updates; gives the weights."""
    ids = np.random.default_rng(0).integers(3, 259, [8, 9]).astype("int32")
    data = tf.data.Dataset.from_tensor_slices(({"token_ids": ids[:, :-1]}, ids[:, 1:]))
    lm.compile(adamw(1e-2))
    lm.fit(data.batch(4), verbose=0)
    return [variable.numpy() for variable in lm.backbone.weights]


@pytest.mark.slow
def test_training_does_not_notice(pair, monkeypatch):
    wrote = byte_lm(dtype="mixed_bfloat16")
    wrote.generate("Once", max_new_tokens=4)
    with monkeypatch.context() as patch, pytest.raises(ZeroDivisionError):
        patch.setattr(wrote.backbone, "logits", lambda hidden: 1 / 0)
        wrote.generate("Once", max_new_tokens=4, repetition_penalty=2.0)
    weights, (mixed, exact) = train(wrote), map(train, pair)
    assert all(map(np.array_equal, weights, mixed))
    assert not all(map(np.array_equal, weights, exact))
