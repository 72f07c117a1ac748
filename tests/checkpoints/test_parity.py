"""Live against transformers, where torch is: `make parity` runs it."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

from massivetext_keras.tasks import Seq2SeqLM  # noqa: E402
from massivetext_keras.tokenizers import ByteTokenizer  # noqa: E402
from tests.checkpoints.test_t5 import STACK, save, variables_of  # noqa: E402

SIZES = {"d_model": 32, "d_ff": 48, "d_kv": 8, "num_heads": 3, "num_layers": 2}
VOCABULARY = 384
LENGTH = 160  # beyond 128 all distances are one
KINDS = {"relu": "'relu'", "gated-gelu": "['gelu', 'linear']"}


def model_of(kind: str):
    """A random T5 of version 1.0 or 1.1, whose output layer is its own."""
    tied = kind == "relu"
    config = transformers.T5Config(
        **SIZES,
        vocab_size=VOCABULARY,
        feed_forward_proj=kind,
        tie_word_embeddings=tied,
        scale_decoder_outputs=tied,
    )
    model = transformers.T5ForConditionalGeneration(config).eval()
    torch.manual_seed(5)
    if not tied:  # transformers 5 ties it as it makes one
        own = torch.nn.Parameter(torch.empty(model.shared.weight.shape))
        model.lm_head.weight = own
    for name, weight in model.named_parameters():
        scale = 0.5 if weight.ndim == 1 or "relative" in name else 0.25
        if name.endswith("Attention.q.weight"):  # T5 does not scale its scores
            scale *= 0.3
        gain = weight.ndim == 1
        weight.data = torch.randn(weight.shape) * scale + gain
    return model


@pytest.mark.parametrize("kind", KINDS)
def test_logits_of_t5(tmp_path, kind):
    model = model_of(kind)
    stacks = [
        STACK.format(side, activation=KINDS[kind], layers="%num_layers")
        for side in ("encoder", "decoder")
    ]
    macros = "\n".join(f"{name} = {value}" for name, value in SIZES.items())
    text = "\n".join([macros, "dropout_rate = 0.0", *stacks])
    (tmp_path / "operative_config.gin").write_text(text.replace("= 10", "= 32"))
    arrays = {k: x.detach().numpy() for k, x in model.state_dict().items()}
    if kind == "relu":
        arrays.pop("lm_head.weight")
    save(tmp_path, variables_of(arrays))
    lm = Seq2SeqLM.from_preset(f"t5:{tmp_path}", ByteTokenizer())
    rng = np.random.default_rng(0)
    ids = rng.integers(2, VOCABULARY, [2, 2, LENGTH])
    mask = np.ones([2, LENGTH], np.int64)
    mask[1, -30:] = 0
    with torch.no_grad():
        theirs = model(
            input_ids=torch.tensor(ids[0]),
            attention_mask=torch.tensor(mask),
            decoder_input_ids=torch.tensor(ids[1]),
        ).logits.numpy()
    ours = lm(
        {
            "encoder_token_ids": ids[0],
            "encoder_padding_mask": mask,
            "decoder_token_ids": ids[1],
        }
    )
    np.testing.assert_allclose(ours, theirs, atol=1e-4)
    assert np.abs(theirs).max() > 1
