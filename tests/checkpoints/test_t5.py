"""T5 of Mesh TensorFlow: names, its gin file, logits, sentinels."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import ml_dtypes
import numpy as np
import pytest
import sentencepiece
import tensorflow as tf

from massivetext_keras.cli.planning import config_of
from massivetext_keras.huggingface.models import load as load_huggingface
from massivetext_keras.saving.weights import read_tensors
from massivetext_keras.tasks import Seq2SeqLM
from tests.huggingface.fixtures import FIXTURES, expected

# Theirs of Hugging Face -> that of the checkpoint, as transformers 4 read it.
NAMES = [
    (r"^shared\.weight$", "shared.embedding"),
    (r"^lm_head\.weight$", "decoder.logits.kernel"),
    (r"\.block\.(\d+)\.layer\.(\d+)", r".block_00\1.layer_00\2"),
    (r"_norm\.weight$", "_norm.scale"),
    (r"(Dense.*)\.weight$", r"\1.kernel"),
    (r"(Attention.*)\.weight$", r"\1"),
]
# As a run writes it, the parts that tell of the model
STACK = """
{0}/DenseReluDense.activation = {activation}
{0}/DenseReluDense.dropout_rate = %dropout_rate
{0}/DenseReluDense.hidden_size = %d_ff
{0}/DenseReluDense.use_bias = False
{0}/LayerStack.sublayers_final = \\
    [@transformer.sublayer_rms_norm, @transformer.sublayer_dropout]
{0}/LayerStack.sublayers_initial = [@transformer.sublayer_dropout]
{0}/LayerStack.sublayers_per_layer = \\
    [@transformer.sublayer_rms_norm,
     @transformer.sublayer_call_layer,
     @transformer.sublayer_dropout,
     @transformer.sublayer_residual]
{0}/make_layer_stack.block_scope = True
{0}/make_layer_stack.layers = \\
    [@mesh_tensorflow.transformer.transformer_layers.SelfAttention,
     @mesh_tensorflow.transformer.transformer_layers.DenseReluDense]
{0}/make_layer_stack.num_layers = {layers}
{0}/SelfAttention.attention_func = None
{0}/SelfAttention.combine_dims = True
{0}/SelfAttention.dropout_rate = %dropout_rate
{0}/SelfAttention.fold_scaling_into_initializer = True
{0}/SelfAttention.key_value_size = %d_kv
{0}/SelfAttention.num_heads = %num_heads
{0}/SelfAttention.num_memory_heads = 0
{0}/SelfAttention.relative_attention_num_buckets = 10
{0}/SelfAttention.relative_attention_type = 'bias_shared'
{0}/SelfAttention.shared_kv = False
{0}/Unitransformer.d_model = %d_model
{0}/Unitransformer.max_length = 512
{0}/Unitransformer.positional_embedding = False
{0}/Unitransformer.vocab_divisor = 128
"""
GIN = """import mesh_tensorflow.transformer.transformer
import t5.models.mesh_transformer

# Macros:
# ==============================================================================
d_ff = 22
d_kv = 5
d_model = 18
dropout_rate = 0.1
MIXTURE_NAME = 'all_mix'
num_heads = 3
num_layers = 2

# Parameters for Bitransformer:
# ==============================================================================
Bitransformer.shared_embedding = True
run.sequence_length = {'inputs': 512, 'targets': 512}
"""


def gin_of(name: str) -> str:
    kind = "'relu'" if name == "t5" else "['gelu', 'linear']"
    sides = STACK.format("encoder", activation=kind, layers="%num_layers")
    sides += STACK.format("decoder", activation=kind, layers=1)
    epsilon = {"t5": "1e-06", "t5_v1_1": "0.001"}[name]
    return f"{GIN}{sides}sublayer_rms_norm.epsilon = {epsilon}\n"


def variables_of(
    tensors: Mapping[str, np.ndarray], norms: str = "layer_norm"
) -> dict[str, np.ndarray]:
    """What a checkpoint has, made of the weights of Hugging Face's model."""
    found = {}
    for theirs in tensors:
        if "embed_tokens" in theirs or "EncDecAttention.relative" in theirs:
            continue
        new = theirs
        for pattern, replacement in NAMES:
            new = re.sub(pattern, replacement, new)
        if norms == "rms_norm":
            new = re.sub(r"(final_)?layer_norm\.", "rms_norm.", new)
        array = tensors[theirs]
        array = array if new == "shared.embedding" else array.T
        found[new.replace(".", "/")] = np.ascontiguousarray(array)
    return found


def variables(name: str, norms: str = "layer_norm") -> dict[str, np.ndarray]:
    return variables_of(read_tensors(FIXTURES / name), norms)


def save(folder: Path, arrays: dict[str, np.ndarray]) -> None:
    tf.raw_ops.SaveV2(
        prefix=str(folder / "model.ckpt-1000000"),
        tensor_names=[*arrays],
        shape_and_slices=[""] * len(arrays),
        tensors=[*arrays.values()],
    )


def vocabulary(folder: Path, own: Sequence[str] = ()) -> None:
    lines = ["the cat sat on the mat", "a dog ran to the tree"] * 9
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(lines),
        model_writer=model,
        vocab_size=30,
        user_defined_symbols=[*own],
        hard_vocab_limit=False,
        minloglevel=2,
        pad_id=0,
        eos_id=1,
        unk_id=2,
        bos_id=-1,
    )
    (folder / "sentencepiece.model").write_bytes(model.getvalue())


def write(folder: Path, name: str, arrays: dict[str, np.ndarray]) -> str:
    """A folder whose vocabulary of 30 pieces and a few sentinels fits the model."""
    folder.mkdir(exist_ok=True)
    ids = "SentencePieceVocabulary.extra_ids = 5\n"
    (folder / "operative_config.gin").write_text(gin_of(name) + ids)
    vocabulary(folder)
    save(folder, arrays)
    return f"t5:{folder}"


def logits(lm: Seq2SeqLM, name: str) -> tuple[np.ndarray, np.ndarray]:
    """Ours, and those of transformers."""
    arrays = expected(name)
    inputs = {k: x for k, x in arrays.items() if x.dtype == "int32"}
    return lm(inputs).numpy(), arrays["logits"]


@pytest.mark.parametrize(
    ("name", "norms"),
    [("t5", "layer_norm"), ("t5_v1_1", "layer_norm"), ("t5_v1_1", "rms_norm")],
)
def test_logits_are_those_of_transformers(tmp_path, name, norms):
    published = variables(name, norms)
    trained = {
        "global_step": np.array(1000000),
        "shared/embedding_slot_vr": np.ones(37),
        "shared/embedding_slot_vc": np.ones(18),
        "encoder/final_layer_norm/scale_slot_v": np.ones(18),
    }
    source = write(tmp_path, name, published | trained)
    # no gin file says how far distances go: it is a constant of that program
    assert config_of(source).relative_max_distance == 128
    lm = Seq2SeqLM.from_preset(source, relative_max_distance=14)
    config, tensors = load_huggingface(FIXTURES / name)
    assert lm.config == config
    named = lm.named_weights()
    assert {*named} == {*tensors}
    for path in named:
        np.testing.assert_array_equal(named[path], tensors[path], err_msg=path)
    ours, theirs = logits(lm, name)
    np.testing.assert_allclose(ours, theirs, atol=1e-4)
    assert np.abs(theirs).max() > 0.1


def test_a_config_of_transformers_stands_in(tmp_path):
    for name in ("t5", "t5_v1_1", "mt5"):
        folder = tmp_path / name
        folder.mkdir()
        described = (FIXTURES / name / "config.json").read_text()
        (folder / "config.json").write_text(described)
        published = variables(name)
        if tied := "decoder/logits/kernel" not in published:
            assert name != "t5_v1_1"
        save(folder, published)
        vocabulary(folder)
        with pytest.raises(ValueError, match="the tokenizer has 1.. tokens, the model"):
            Seq2SeqLM.from_preset(f"t5:{folder}")
        config = config_of(f"t5:{folder}")
        assert config.tied_embeddings == tied
        assert config.relative_max_distance == 14


def test_the_vocabulary_and_its_sentinels(tmp_path):
    source = write(tmp_path, "t5", variables("t5"))
    lm = Seq2SeqLM.from_preset(source)
    model = str(tmp_path / "sentencepiece.model")
    reference = sentencepiece.SentencePieceProcessor(model)
    pieces, tokenizer = reference.get_piece_size(), lm.tokenizer
    assert tokenizer.vocabulary_size == pieces + 5
    assert tokenizer(["the cat"]).to_list() == [reference.encode("the cat")]
    ids = [tokenizer.token_to_id(f"<extra_id_{i}>") for i in range(5)]
    assert ids == [pieces + 4, pieces + 3, pieces + 2, pieces + 1, pieces]
    assert (tokenizer.pad_id, tokenizer.eos_id, lm.start_id) == (0, 1, 0)
    assert tokenizer.add_eos and not tokenizer.add_bos
    assert lm.fill_spans("the <extra_id_0> sat", 3).keys() == {"<extra_id_0>"}


def test_a_vocabulary_that_has_its_sentinels(tmp_path):
    source = write(tmp_path, "t5", variables("t5"))
    vocabulary(tmp_path, own=[f"▁<extra_id_{i}>" for i in (4, 3, 2, 1, 0)])
    tokenizer = Seq2SeqLM.from_preset(source).tokenizer
    ids = [tokenizer.token_to_id(f"<extra_id_{i}>") for i in range(5)]
    assert ids == [7, 6, 5, 4, 3]
    assert {*ids} <= {*tokenizer.special_ids}


def test_weights_of_sixteen_bits(tmp_path):
    published = variables("t5")
    halves = {k: x.astype(ml_dtypes.bfloat16) for k, x in published.items()}
    named = Seq2SeqLM.from_preset(write(tmp_path, "t5", halves)).named_weights()
    ours = named["tokens/embeddings"].numpy()
    assert ours.dtype == np.float32
    np.testing.assert_array_equal(ours, halves["shared/embedding"].astype(np.float32))


@pytest.mark.parametrize(
    ("bound", "instead", "message"),
    [
        (
            "encoder/SelfAttention.num_heads = %num_heads",
            "",
            "no number is bound to encoder/SelfAttention.num_heads",
        ),
        ("d_ff = 22", "d_ff = %d_ff", "d_ff = %d_ff leads to no value"),
        ("num_layers = 2", "", "num_layers = %num_layers leads to no value"),
        (
            "decoder/Unitransformer.d_model = %d_model",
            "decoder/Unitransformer.d_model = 20",
            "decoder/Unitransformer.d_model=20 is not supported; known: 18",
        ),
        (
            "encoder/SelfAttention.shared_kv = False",
            "encoder/SelfAttention.shared_kv = True",
            "encoder/SelfAttention.shared_kv=true is not supported; known: false",
        ),
        (
            "decoder/DenseReluDense.activation = 'relu'",
            "decoder/DenseReluDense.activation = ['squared_relu']",
            r'decoder/DenseReluDense.activation=\["squared_relu"\] is not supported; '
            'known: "relu"',
        ),
        (
            "DenseReluDense.activation = 'relu'",
            "DenseReluDense.activation = ['linear', 'gelu']",
            r'encoder/DenseReluDense.activation=\["linear", "gelu"\] is not supported',
        ),
        (
            "sublayer_rms_norm,\n     @transformer.sublayer_call_layer,",
            "sublayer_call_layer,\n     @transformer.sublayer_rms_norm,",
            r'encoder/LayerStack.sublayers_per_layer=\["call_layer", "rms_norm", "drop',
        ),
        (
            "Bitransformer.shared_embedding = True",
            "encoder/LayerStack.norm_epsilon = 1e-5",
            "encoder/LayerStack.norm_epsilon=1e-05 is not supported; known: 1e-06",
        ),
        ("d_kv = 5", "d_kv = 6", r"q is \(18, 15\), wanted \(18, 18\)"),
    ],
)
def test_other_gin_files(tmp_path, bound, instead, message):
    source = write(tmp_path, "t5", variables("t5"))
    file = tmp_path / "operative_config.gin"
    text = file.read_text()
    assert bound in text
    file.write_text(text.replace(bound, instead))
    with pytest.raises(ValueError, match=message):
        Seq2SeqLM.from_preset(source)


def test_bad_folders(tmp_path):
    source = f"t5:{tmp_path}"
    with pytest.raises(FileNotFoundError, match="operative_config.gin: no such file"):
        Seq2SeqLM.from_preset(source)
    published = variables("t5")
    name = "decoder/block_000/layer_001/EncDecAttention/q"
    write(tmp_path, "t5", {k: x for k, x in published.items() if k != name})
    problem = f"do not fit operative_config.gin:\n  missing: {name}"
    with pytest.raises(ValueError, match=problem):
        Seq2SeqLM.from_preset(source)
    write(tmp_path, "t5", published | {"encoder/embedding": np.ones([37, 18])})
    with pytest.raises(ValueError, match=r"\n  left over: encoder/embedding \(37, 18"):
        Seq2SeqLM.from_preset(source)
    write(tmp_path, "t5", published)
    (tmp_path / "sentencepiece.model").unlink()
    with pytest.raises(
        FileNotFoundError, match="sentencepiece.model: no such file; T5"
    ):
        Seq2SeqLM.from_preset(source)
    (tmp_path / "operative_config.gin").unlink()
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "bert"}))
    with pytest.raises(ValueError, match='config.json: model_type="bert" is not'):
        Seq2SeqLM.from_preset(source)
    (tmp_path / "model.ckpt-1000000.index").unlink()
    (tmp_path / "operative_config.gin").write_text(gin_of("t5"))
    with pytest.raises(FileNotFoundError, match="one checkpoint is wanted, .* is none"):
        Seq2SeqLM.from_preset(source)
