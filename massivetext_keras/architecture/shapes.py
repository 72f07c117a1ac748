"""Named shapes of models: a plain table, its rows varied by `replace`.

A family is a row that others vary. `PAPERS` says where the numbers of a row come from.
Shapes of an installed package are known by an entry point of the group
`massivetext_keras.shapes`; any other as "package.module:NAME".
"""

from __future__ import annotations

from typing import Any

from massivetext_keras.architecture.config import TransformerConfig
from massivetext_keras.architecture.model import ModelConfig
from massivetext_keras.architecture.recurrent import RecurrentConfig
from massivetext_keras.architecture.recurrent_seq2seq import RecurrentSeq2SeqConfig
from massivetext_keras.architecture.word_encoder import WordEncoderConfig
from massivetext_keras.support.registry import Registry
from massivetext_keras.support.values import UnknownName, choose


def _sized(
    config: TransformerConfig,
    layers: int,
    size: int,
    heads: int,
    inner: int | None = None,
    **changes,
) -> TransformerConfig:
    """A family's row of another size; inside the feed-forward layer it is 4 times as
    wide where `inner` does not say how wide."""
    return config.replace(
        num_layers=layers,
        hidden_size=size,
        num_heads=heads,
        intermediate_size=inner or 4 * size,
        **changes,
    )


# What encoders after BERT share (Devlin et al., 2019): normalised after each part.
_bert = TransformerConfig(
    stack="encoder",
    vocabulary_size=30522,
    max_length=512,
    dropout=0.1,
    activation="gelu",
    norm_position="post",
    norm_epsilon=1e-12,
    embedding_norm=True,
    segment_types=2,
    pooler=True,
)
_bert_large = _sized(_bert, 24, 1024, 16)
_roberta = _bert.replace(
    vocabulary_size=50265, norm_epsilon=1e-5, position_offset=2, segment_types=1
)
_roberta_large = _sized(_roberta, 24, 1024, 16)
_distilbert = _bert.replace(num_layers=6, segment_types=0, pooler=False)
_albert = _bert.replace(
    vocabulary_size=30000,
    embedding_size=128,
    activation="gelu_tanh",
    dropout=0.0,
    shared_layers=True,
)
_electra = _bert.replace(pooler=False)
_electra_small = _sized(_electra, 12, 256, 4, embedding_size=128)

# Radford et al., 2019: pre-norm, learned positions, tanh gelu, tied output.
_gpt2 = TransformerConfig(vocabulary_size=50257, max_length=1024, dropout=0.1)

_neox = TransformerConfig(
    vocabulary_size=50304,
    max_length=2048,
    activation="gelu",
    position="rotary",
    rotary_fraction=0.25,
    parallel=True,
    tied_embeddings=False,
)

# RMSNorm, rotary positions, gated silu, no biases.
_llama = TransformerConfig(
    vocabulary_size=32000,
    num_layers=32,
    hidden_size=4096,
    num_heads=32,
    intermediate_size=11008,
    max_length=4096,
    activation="silu",
    gated=True,
    norm="rms_norm",
    position="rotary",
    qkv_bias=False,
    output_bias=False,
    feed_forward_bias=False,
    tied_embeddings=False,
)


def _llama3(factor: float | None = None) -> TransformerConfig:
    """Grouped heads, a vocabulary of 128,256, and wavelengths stretched by `factor`."""
    scaling = {
        "rope_type": "llama3",
        "factor": factor,
        "low_freq_factor": 1.0,
        "high_freq_factor": 4.0,
        "original_max_position_embeddings": 8192,
    }
    return _llama.replace(
        vocabulary_size=128256,
        intermediate_size=14336,
        num_key_value_heads=8,
        max_length=131072 if factor else 8192,
        rope_theta=500000.0,
        rope_scaling=scaling if factor else None,
    )


_mistral = _llama.replace(
    num_key_value_heads=8, intermediate_size=14336, max_length=32768, window=4096
)
_qwen2 = _llama.replace(
    vocabulary_size=151936,
    qkv_bias=True,
    rope_theta=1e6,
    norm_epsilon=1e-6,
    max_length=32768,
)

# Vaswani et al., 2017, in Sockeye's and Marian's form: one vocabulary for both texts.
_transformer = TransformerConfig(
    stack="encoder_decoder",
    vocabulary_size=37000,
    num_layers=6,
    hidden_size=512,
    num_heads=8,
    intermediate_size=2048,
    max_length=512,
    dropout=0.1,
    attention_dropout=0.0,
    activation="relu",
    norm_position="post",
    position="sinusoidal",
    embedding_scale=True,
)
_bart = TransformerConfig(
    stack="encoder_decoder",
    vocabulary_size=50265,
    num_layers=6,
    max_length=1024,
    dropout=0.1,
    attention_dropout=0.0,
    activation="gelu",
    norm_position="post",
    embedding_norm=True,
    position_offset=2,
)
_t5 = TransformerConfig(
    stack="encoder_decoder",
    vocabulary_size=32128,
    max_length=512,
    dropout=0.1,
    activation="relu",
    norm="rms_norm",
    norm_epsilon=1e-6,
    position="relative",
    qkv_bias=False,
    output_bias=False,
    feed_forward_bias=False,
    attention_scale=1.0,
)


def _t5_sized(layers, size, heads, inner, head_size=64, **changes) -> TransformerConfig:
    """T5 multiplies the hidden states by size^-0.5 before its tied output layer."""
    changes = {"head_size": head_size, "logit_scale": size**-0.5, **changes}
    return _sized(_t5, layers, size, heads, inner, **changes)


def _t5_v1_1(layers, size, heads, inner, vocabulary=32128) -> TransformerConfig:
    """T5 v1.1: gated, and an output layer of its own."""
    return _t5_sized(
        layers,
        size,
        heads,
        inner,
        vocabulary_size=vocabulary,
        activation="gelu_tanh",
        gated=True,
        tied_embeddings=False,
        logit_scale=1.0,
    )


# Dropout of Zaremba et al. is drawn anew for each step.
_lstm = RecurrentConfig(
    vocabulary_size=10000,
    num_layers=2,
    hidden_size=200,
    variational=False,
    tied_embeddings=False,
)
# The sizes and rates of its published program, with cuDNN's two biases.
_awd_lstm = RecurrentConfig(
    vocabulary_size=10000,
    num_layers=3,
    hidden_size=1150,
    embedding_size=400,
    dropout=0.4,
    input_dropout=0.4,
    hidden_dropout=0.25,
    embedding_dropout=0.1,
    weight_dropout=0.5,
    recurrent_bias=True,
)

# The generator, and with other weights the oracle, of its synthetic task.
_seqgan = RecurrentConfig(
    vocabulary_size=5000,
    num_layers=1,
    hidden_size=32,
    tied_embeddings=False,
)
# Each language with words of its own; its reset gate precedes the product with the
# state, ours follows it, which takes as many weights.
_rnnsearch = RecurrentSeq2SeqConfig(
    cell="gru",
    vocabulary_size=30000,
    hidden_size=1000,
    embedding_size=620,
    output_size=500,
    max_length=50,
    query="before",
    readout="maxout",
    shared_embeddings=False,
    tied_embeddings=False,
)
# Global attention, "general", with input feeding and the source reversed.
_luong = RecurrentSeq2SeqConfig(
    cell="lstm",
    vocabulary_size=50000,
    num_layers=4,
    hidden_size=1000,
    max_length=50,
    dropout=0.2,
    bidirectional=False,
    bridge="copy",
    attention="multiplicative",
    shared_embeddings=False,
    tied_embeddings=False,
    logit_bias=False,
)
_multi30k = RecurrentSeq2SeqConfig(
    cell="gru",
    vocabulary_size=4096,
    hidden_size=320,
    embedding_size=256,
    max_length=128,
    dropout=0.4,
    input_dropout=0.3,
    hidden_dropout=0.3,
    attention="multiplicative",
)
# 18,765 words of the movie reviews of Pang & Lee, 2005, and two tokens beside.
_words = WordEncoderConfig(vocabulary_size=18767, hidden_size=300)
# Half of the 200 units from each direction.
_bilstm_crf = WordEncoderConfig(
    vocabulary_size=20000,
    num_layers=1,
    hidden_size=200,
    embedding_size=100,
    crf=True,
    head="max",
)

_T5_V1_1 = {
    "small": (8, 512, 6, 1024),
    "base": (12, 768, 12, 2048),
    "large": (24, 1024, 16, 2816),
    "xl": (24, 2048, 32, 5120),
    "xxl": (24, 4096, 64, 10240),
}

# paper -> name -> config
_FAMILIES: dict[str, dict[str, ModelConfig]] = {
    "ours: GPT-2 at the size of a laptop": {
        "gpt_nano": _sized(
            _gpt2, 4, 256, 4, vocabulary_size=4096, max_length=256, dropout=0.0
        ),
        "gpt_mini": _sized(_gpt2, 6, 320, 5, vocabulary_size=8192, max_length=512),
    },
    "GPT-2: Radford et al., 2019": {
        "gpt2_small": _gpt2,
        "gpt2_medium": _sized(_gpt2, 24, 1024, 16),
        "gpt2_large": _sized(_gpt2, 36, 1280, 20),
        "gpt2_xl": _sized(_gpt2, 48, 1600, 25),
    },
    "LSTM: Zaremba et al., 2014": {
        "lstm_small": _lstm,
        "lstm_medium": _lstm.replace(hidden_size=650, dropout=0.5),
        "lstm_large": _lstm.replace(hidden_size=1500, dropout=0.65),
    },
    "AWD-LSTM: Merity et al., 2018": {
        "awd_lstm_ptb": _awd_lstm,
        "awd_lstm_wikitext2": _awd_lstm.replace(
            vocabulary_size=33278, hidden_dropout=0.2, input_dropout=0.65
        ),
    },
    "SeqGAN: Yu et al., 2017": {"seqgan": _seqgan},
    "RNNsearch: Bahdanau et al., 2015": {"rnnsearch": _rnnsearch},
    "attention of Luong et al., 2015": {"luong_lstm": _luong},
    "ours: attention of Luong et al., 2015, for Multi30k": {
        "luong_multi30k": _multi30k,
    },
    "GPT-NeoX: Black et al., 2022": {
        "gpt_neox_20b": _sized(
            _neox, 44, 6144, 64, vocabulary_size=50432, activation="gelu_tanh"
        ),
    },
    "Pythia: Biderman et al., 2023": {
        "pythia_70m": _sized(_neox, 6, 512, 8),
        "pythia_160m": _neox,
        "pythia_410m": _sized(_neox, 24, 1024, 16),
        "pythia_1b": _sized(_neox, 16, 2048, 8),
        "pythia_1.4b": _sized(_neox, 24, 2048, 16),
    },
    "Llama 2: Touvron et al., 2023": {
        "llama2_7b": _llama,
        "llama2_13b": _sized(_llama, 40, 5120, 40, 13824),
        "llama2_70b": _sized(_llama, 80, 8192, 64, 28672, num_key_value_heads=8),
    },
    "Llama 3: Grattafiori et al., 2024": {
        "llama3_8b": _llama3(),
        "llama3_70b": _sized(_llama3(), 80, 8192, 64, 28672),
        "llama_1b": _sized(_llama3(32.0), 16, 2048, 32, tied_embeddings=True),
        "llama_8b": _llama3(8.0),
    },
    "Mistral: Jiang et al., 2023": {"mistral_7b": _mistral},
    "Mixtral: Jiang et al., 2024": {
        "mixtral_8x7b": _mistral.replace(
            window=None, rope_theta=1e6, num_experts=8, experts_per_token=2
        ),
    },
    "Qwen2: Yang et al., 2024": {
        "qwen2_0.5b": _sized(
            _qwen2, 24, 896, 14, 4864, num_key_value_heads=2, tied_embeddings=True
        ),
        "qwen2_1.5b": _sized(
            _qwen2, 28, 1536, 12, 8960, num_key_value_heads=2, tied_embeddings=True
        ),
        "qwen2_7b": _sized(
            _qwen2, 28, 3584, 28, 18944, num_key_value_heads=4, vocabulary_size=152064
        ),
    },
    "UniLM: Dong et al., 2019": {
        "unilm_base": _bert.replace(stack="prefix", segment_types=0, pooler=False),
    },
    "BERT: Devlin et al., 2019; the small ones Turc et al., 2019": {
        "bert_tiny": _sized(_bert, 2, 128, 2),
        "bert_mini": _sized(_bert, 4, 256, 4),
        "bert_small": _sized(_bert, 4, 512, 8),
        "bert_medium": _sized(_bert, 8, 512, 8),
        "bert_base_uncased": _bert,
        "bert_base_cased": _bert.replace(vocabulary_size=28996),
        "bert_base_multilingual_cased": _bert.replace(vocabulary_size=119547),
        "bert_base_chinese": _bert.replace(vocabulary_size=21128),
        "bert_large_uncased": _bert_large,
        "bert_large_cased": _bert_large.replace(vocabulary_size=28996),
    },
    "RoBERTa: Liu et al., 2019": {
        "roberta_base": _roberta,
        "roberta_large": _roberta_large,
    },
    "XLM-RoBERTa: Conneau et al., 2020": {
        "xlm_roberta_base": _roberta.replace(vocabulary_size=250002),
        "xlm_roberta_large": _roberta_large.replace(vocabulary_size=250002),
    },
    "DistilBERT: Sanh et al., 2019": {
        "distilbert_base_uncased": _distilbert,
        "distilbert_base_cased": _distilbert.replace(vocabulary_size=28996),
        "distilbert_base_multilingual_cased": _distilbert.replace(
            vocabulary_size=119547
        ),
    },
    "MiniLM: Wang et al., 2020": {
        "minilm_l6": _sized(_bert, 6, 384, 12),
        "minilm_l12": _sized(_bert, 12, 384, 12),
    },
    "ALBERT: Lan et al., 2020": {
        "albert_base": _albert,
        "albert_large": _sized(_albert, 24, 1024, 16),
        "albert_xlarge": _sized(_albert, 24, 2048, 16),
        "albert_xxlarge": _sized(_albert, 12, 4096, 64),
    },
    "ELECTRA: Clark et al., 2020": {
        "electra_small_discriminator": _electra_small,
        "electra_base_discriminator": _electra,
        "electra_large_discriminator": _sized(_electra, 24, 1024, 16),
        "electra_small_generator": _electra_small,
        "electra_base_generator": _electra_small.replace(embedding_size=768),
        "electra_large_generator": _electra_small.replace(
            num_layers=24, embedding_size=1024
        ),
    },
    "embeddings alone, for a head of convolutions: Kim, 2014": {
        "word_embeddings": TransformerConfig(
            stack="encoder",
            vocabulary_size=30522,
            num_layers=0,
            hidden_size=300,
            num_heads=1,
            max_length=512,
            embedding_scale=True,
            position="none",
            norm_position="post",
        ),
    },
    "convolutions on words: Kim, 2014": {
        "cnn_rand": _words.replace(head="convolution"),
    },
    "means of words: Iyyer et al., 2015; Joulin et al., 2017": {
        "mean_rand": _words.replace(word_dropout=0.3),
    },
    "recurrent readers of words: Schuster & Paliwal, 1997; Conneau et al., 2017": {
        "bilstm_rand": _words.replace(num_layers=1, head="max"),
        "bigru_rand": _words.replace(num_layers=1, head="max", cell="gru"),
    },
    "BiLSTM-CRF: Huang et al., 2015; Lample et al., 2016": {"bilstm_crf": _bilstm_crf},
    "BiLSTM-CNN-CRF: Ma & Hovy, 2016": {
        "bilstm_cnn_crf": _bilstm_crf.replace(
            hidden_size=400, character_size=30, character_maps=30, max_length=2048
        ),
    },
    "Transformer: Vaswani et al., 2017": {
        "transformer_base": _transformer,
        "transformer_big": _sized(_transformer, 6, 1024, 16, dropout=0.3),
    },
    "Transformer for Multi30k: Wu et al., 2021": {
        "transformer_multi30k": _sized(
            _transformer,
            4,
            128,
            4,
            256,
            max_length=128,
            dropout=0.3,
            norm_position="pre",
        ),
    },
    "BART: Lewis et al., 2020": {
        "bart_base": _bart,
        "bart_large": _sized(_bart, 12, 1024, 16),
    },
    "Marian: Junczys-Dowmunt et al., 2018; Tiedemann & Thottingal, 2020": {
        "opus_mt_en_de": _transformer.replace(
            vocabulary_size=58101, activation="silu", logit_bias=True
        ),
        "opus_mt_en_zh": _transformer.replace(
            vocabulary_size=65001, activation="silu", logit_bias=True
        ),
    },
    "T5: Raffel et al., 2020": {
        "t5_small": _t5_sized(6, 512, 8, 2048),
        "t5_base": _t5_sized(12, 768, 12, 3072),
        "t5_large": _t5_sized(24, 1024, 16, 4096),
        "t5_3b": _t5_sized(24, 1024, 32, 16384, 128),
        "t5_11b": _t5_sized(24, 1024, 128, 65536, 128),
    },
    "T5 v1.1: Shazeer, 2020": {
        f"t5_v1_1_{size}": _t5_v1_1(*shape) for size, shape in _T5_V1_1.items()
    },
    "Flan-T5: Chung et al., 2022": {
        f"flan_t5_{size}": _t5_v1_1(*shape) for size, shape in _T5_V1_1.items()
    },
    "mT5: Xue et al., 2021": {
        f"mt5_{size}": _t5_v1_1(*shape, vocabulary=250112)
        for size, shape in _T5_V1_1.items()
    },
}

PAPERS: dict[str, str] = {
    name: paper for paper, rows in _FAMILIES.items() for name in rows
}


def _check(asked: str, shape: Any) -> None:
    """Refuses what is no shape."""
    if not isinstance(shape, ModelConfig):
        kind = type(shape).__name__
        raise UnknownName(
            f"preset {asked!r} is a {kind}, not a TransformerConfig, RecurrentConfig, "
            "RecurrentSeq2SeqConfig or WordEncoderConfig"
        )


PRESETS: Registry[ModelConfig] = Registry(
    "preset", None, "massivetext_keras.shapes", kind="value", plain=_check
)
for _rows in _FAMILIES.values():
    for _name, _config in _rows.items():
        PRESETS.add(_config, _name, _config)


def preset(name: str) -> ModelConfig:
    """The config of a preset.

    Args:
        name: of a row, of an entry point, or "package.module:NAME".

    Raises:
        ValueError: the name is unknown; the message names the nearest one. Or what it
            names is no shape.

    >>> preset("gpt2_small").num_layers
    12
    """
    return choose("preset", name, PRESETS)


def transformer(name: str) -> TransformerConfig:
    """As `preset`, of a name that is a Transformer's.

    Raises:
        ValueError: the name is unknown, or it is another kind of model.

    >>> transformer("llama2_7b").norm
    'rms_norm'
    """
    config = preset(name)
    if not isinstance(config, TransformerConfig):
        raise ValueError(f"{name!r} is a {type(config).__name__}, and no Transformer")
    return config
