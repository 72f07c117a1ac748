"""The tiny models of Hugging Face, and how ours compute what is stored beside them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import tensorflow as tf

from massivetext_keras import models
from massivetext_keras.huggingface import models as huggingface
from massivetext_keras.kernels.activation import ACTIVATIONS
from massivetext_keras.saving import weights

FIXTURES = Path(__file__).parents[1] / "fixtures" / "huggingface"
NAMES = sorted(path.parent.name for path in FIXTURES.glob("*/config.json"))
# fixture -> the head that its file has
HEADS = {
    "albert": "pretraining",
    "bert_masked_lm": "masked_lm",
    "bert_pretraining": "pretraining",
    "distilbert": "masked_lm",
    "electra_discriminator": "discriminator",
    "electra_generator": "masked_lm",
    "roberta": "masked_lm",
    "xlm_roberta": "masked_lm",
}
CLASSES = {
    "decoder": models.GPT,
    "encoder": models.BERT,
    "encoder_decoder": models.Seq2Seq,
}


def expected(name: str) -> dict[str, np.ndarray]:
    """Inputs and what transformers makes of them."""
    with np.load(FIXTURES / name / "expected.npz") as arrays:
        return dict(arrays)


def build(folder: Path, head: str | None = None):
    """A model with the weights of a folder, and those of its head by name."""
    config, tensors = huggingface.load(folder, head)
    outside = {k: tensors[k] for k in tensors if k.startswith("head/")}
    model = CLASSES[config.stack](config)
    inside = {k: tensors[k] for k in tensors if k not in outside}
    weights.assign(model, inside)
    return model, outside


def compute(model, head, arrays) -> dict[str, tf.Tensor]:
    """What `make.py` stores, by our models."""
    inputs = {name: value for name, value in arrays.items() if value.dtype == "int32"}
    hidden = model(inputs)
    if model.config.stack != "encoder":
        return {"logits": model.logits(hidden)}
    results = {"hidden": hidden}
    if model.pooler is not None:
        results["pooled"] = model.pooled(hidden)
    if "head/next_sentence/kernel" in head:
        results["next_sentence"] = _dense(head, "next_sentence", results.pop("pooled"))
    if head:
        x = ACTIVATIONS[model.config.activation](_dense(head, "transform", hidden))
        if "head/score/kernel" in head:
            results["scores"] = _dense(head, "score", x)[..., 0]
        else:
            mean, variance = tf.nn.moments(x, axes=[-1], keepdims=True)
            gain, offset = head["head/norm/gain"], head["head/norm/offset"]
            epsilon = model.config.norm_epsilon
            x = (x - mean) * tf.math.rsqrt(variance + epsilon) * gain + offset
            words = model.tokens.matrix()
            results["logits"] = x @ tf.transpose(words) + head["head/bias"]
    return results


def real(arrays: dict[str, np.ndarray], name: str) -> np.ndarray:
    """Which places of a result mean something: [3] of texts, [3, 24] of tokens."""
    mask = arrays.get("padding_mask", np.ones([3, 24])) == 1
    return mask[:, 0] if name in ("pooled", "next_sentence") else mask


def _dense(head: dict[str, np.ndarray], name: str, x: tf.Tensor) -> tf.Tensor:
    return x @ head[f"head/{name}/kernel"] + head[f"head/{name}/bias"]
