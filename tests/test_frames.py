"""How many calls of ours lie between the user's and the mathematics.

A frame of ours is one of Python's stack, while a step is traced, whose file is in the
package.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

import massivetext_keras
from massivetext_keras.configs import RecurrentConfig
from massivetext_keras.layers.attention import Attention
from massivetext_keras.layers.dense import Dense
from massivetext_keras.models import GPT
from massivetext_keras.tasks import CausalLM, MaskedLM
from massivetext_keras.tokenizers import ByteTokenizer
from tests.tasks.tiny import ENCODER, TINY

PACKAGE = Path(massivetext_keras.__file__).parent
MOST_TO_ATTENTION = 6
MOST_TO_LOOP = 5


def frames() -> list[str]:
    """Ours, from the user's call to where this is asked: "file:function"."""
    frame, found = sys._getframe(1), []
    while frame is not None:
        path = Path(frame.f_code.co_filename)
        if path.is_relative_to(PACKAGE):
            found.append(f"{path.relative_to(PACKAGE)}:{frame.f_code.co_name}")
        frame = frame.f_back
    return found[::-1]


@pytest.mark.parametrize(("task", "config"), [(CausalLM, TINY), (MaskedLM, ENCODER)])
def test_from_fit_to_attention(task, config):
    seen = []

    class Asked(Attention):
        def project(self, *args, **kwargs):
            seen.append(frames())
            return super().project(*args, **kwargs)

    lm = task(config)
    for block in lm.backbone.stack.blocks:
        block.attention.__class__ = Asked
    lm.compile()
    ids = np.arange(24, dtype="int32").reshape(2, 12)
    lm.fit(tf.data.Dataset.from_tensors(({"token_ids": ids}, ids)), verbose=0)
    assert len(seen) >= len(lm.backbone.stack.blocks)
    for calls in seen:
        assert len(calls) <= MOST_TO_ATTENTION, calls
        assert calls[0] == "optimization/step.py:fit"
        assert calls[-1] == "layers/attention.py:call"


def test_from_fit_to_a_recurrent_layer():
    seen = []

    class Asked(Dense):
        def call(self, *args, **kwargs):
            seen.append(frames())
            return super().call(*args, **kwargs)

    lm = CausalLM(RecurrentConfig(vocabulary_size=50, hidden_size=4))
    for block in lm.backbone.stack.blocks:
        block.projection.__class__ = Asked
    lm.compile()
    ids = np.arange(24, dtype="int32").reshape(2, 12)
    lm.fit(tf.data.Dataset.from_tensors(({"token_ids": ids}, ids)), verbose=0)
    assert len(seen) >= len(lm.backbone.stack.blocks)
    for calls in seen:
        assert len(calls) <= MOST_TO_ATTENTION, calls
        assert calls[-1] == "layers/recurrent/layer.py:call"


def test_from_generate_to_the_decoding_loop():
    seen = []

    class Asked(GPT):
        def call(self, *args, **kwargs):
            seen.append(frames())
            return super().call(*args, **kwargs)

    lm = CausalLM(TINY.replace(vocabulary_size=259), ByteTokenizer())
    lm.backbone.__class__ = Asked
    lm.generate("a", max_new_tokens=3, seed=1)
    loop = "generation/decoding.py:_decode"
    (calls, *_) = (calls for calls in seen if loop in calls)
    calls = calls[: calls.index(loop) + 1]
    assert len(calls) <= MOST_TO_LOOP, calls
    assert calls[0] == "tasks/language_model/task.py:generate"
