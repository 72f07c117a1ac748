"""Tiny random models of KerasHub, each a task with its tokenizer and preprocessor."""

from __future__ import annotations

import functools
import io
import json
from collections.abc import Callable
from typing import Any

import keras_hub
import numpy as np
import sentencepiece
import tokenizers as hf

hub = keras_hub.models
TEXTS = [
    "The cat sat on the mat, and the dog saw it.",
    "Straßen für Fußgänger: schöne Grüße aus Köln!",
    "我们今天去北京看长城。",
]
_BERT = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
_ROBERTA = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
_LLAMA3 = ["<|begin_of_text|>", "<|end_of_text|>", "<|eot_id|>"]
_LLAMA3 += ["<|start_header_id|>", "<|end_header_id|>"]
LENGTH = 24
_SIZES = {"num_layers": 2, "hidden_dim": 16, "intermediate_dim": 32}
_HEADS = {**_SIZES, "num_heads": 2}
_LEARNED = {**_HEADS, "max_sequence_length": LENGTH}
_GROUPED = {**_SIZES, "num_query_heads": 4, "num_key_value_heads": 2}


def word_piece(name: str, lowercase: bool = True, **more: Any):
    """A tokenizer of letters, of Chinese characters and of some words."""
    letters = sorted({*"".join(TEXTS).lower(), *"".join(TEXTS)} - {" "})
    words = ["the", "##at", "strassen", "gruße", "grüße", "schone", "Grü", "##ße"]
    vocabulary = [*_BERT, *letters, *(f"##{x}" for x in letters), *words]
    return getattr(hub, f"{name}Tokenizer")(vocabulary, lowercase=lowercase, **more)


def byte_pair(name: str, special: list[str]):
    """A tokenizer of bytes and of 40 merges; special tokens come first."""
    model = hf.Tokenizer(hf.models.BPE())
    model.pre_tokenizer = hf.pre_tokenizers.ByteLevel(add_prefix_space=False)
    trainer = hf.trainers.BpeTrainer(
        vocab_size=256 + len(special) + 40,
        special_tokens=special,
        initial_alphabet=hf.pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    model.train_from_iterator(TEXTS * 3, trainer)
    trained = json.loads(model.to_str())["model"]
    merges = [" ".join(merge) for merge in trained["merges"]]
    return getattr(hub, f"{name}Tokenizer")(trained["vocab"], merges)


def pieces(name: str, **options: Any):
    """A tokenizer of SentencePiece, with all characters of the texts."""
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(TEXTS * 3),
        model_writer=model,
        vocab_size=200,
        hard_vocab_limit=False,
        minloglevel=2,
        **options,
    )
    return getattr(hub, f"{name}Tokenizer")(model.getvalue())


_gpt2 = functools.partial(byte_pair, special=["<|endoftext|>"])
_roberta = functools.partial(byte_pair, special=_ROBERTA)
_llama = functools.partial(pieces, model_type="bpe")
_albert = functools.partial(
    pieces, pad_id=0, unk_id=1, bos_id=2, eos_id=3, bos_piece="[CLS]", eos_piece="[SEP]"
)
_albert = functools.partial(_albert, control_symbols=["[MASK]"])
_t5 = functools.partial(pieces, pad_id=0, eos_id=1, unk_id=2, bos_id=-1)
_scaled = {
    "rope_max_wavelength": 500,
    "rope_frequency_adjustment_factor": 8.0,
    "rope_low_freq_factor": 1.0,
    "rope_high_freq_factor": 4.0,
    "rope_pretraining_sequence_length": 16,
}
_experts = {**_GROUPED, "num_experts": 4, "top_k": 2, "sliding_window": 5}
_untied_t5 = {"tie_embedding_weights": False, "key_value_dim": 8}
_t5_sizes = {**_HEADS, "key_value_dim": 6, "use_gated_activation": False}

# case -> what classes begin with, the task, its tokenizer and sizes of its backbone
CASES: dict[str, tuple[str, str, Callable, dict[str, Any]]] = {
    "bert": ("Bert", "TextClassifier", word_piece, _LEARNED),
    "bert masked": ("Bert", "MaskedLM", word_piece, _LEARNED),
    "bert embedder": ("Bert", "TextEmbedder", word_piece, _LEARNED),
    "roberta": ("Roberta", "TextClassifier", _roberta, _LEARNED),
    "roberta masked": ("Roberta", "MaskedLM", _roberta, _LEARNED),
    "distilbert": ("DistilBert", "TextClassifier", word_piece, _LEARNED),
    "distilbert masked": ("DistilBert", "MaskedLM", word_piece, _LEARNED),
    "albert": ("Albert", "TextClassifier", _albert, {**_LEARNED, "embedding_dim": 8}),
    "albert masked": ("Albert", "MaskedLM", _albert, {**_LEARNED, "embedding_dim": 8}),
    "gpt2": ("GPT2", "CausalLM", _gpt2, _LEARNED),
    "gpt_neox": ("GPTNeoX", "CausalLM", _gpt2, {**_LEARNED, "rotary_percentage": 0.5}),
    "llama": ("Llama", "CausalLM", _llama, {**_GROUPED, "dropout": 0.1}),
    "llama3": (
        "Llama3",
        "CausalLM",
        functools.partial(byte_pair, special=_LLAMA3),
        {**_GROUPED, **_scaled},
    ),
    "mistral": (
        "Mistral",
        "CausalLM",
        _llama,
        {**_GROUPED, "sliding_window": 5, "head_dim": 6, "rope_scaling_factor": 2.0},
    ),
    "mixtral": ("Mixtral", "CausalLM", _llama, _experts),
    "qwen": ("Qwen", "CausalLM", _gpt2, {**_GROUPED, "tie_word_embeddings": False}),
    "qwen window": (
        "Qwen",
        "CausalLM",
        _gpt2,
        {**_GROUPED, "use_sliding_window_attention": True, "sliding_window_size": 5},
    ),
    "bart": ("Bart", "Seq2SeqLM", _roberta, _LEARNED),
    "t5": ("T5", "Seq2SeqLM", _t5, _t5_sizes),
    "t5 1.1": ("T5", "Seq2SeqLM", _t5, {**_HEADS, **_untied_t5, "activation": "silu"}),
}


def make(case: str, seed: int = 0):
    """A task whose weights are all random."""
    prefix, kind, tokenizer_of, sizes = CASES[case]
    tokenizer = tokenizer_of(prefix)
    backbone = backbone_of(prefix, tokenizer.vocabulary_size(), sizes)
    length = {"sequence_length": LENGTH}
    if kind == "Seq2SeqLM":
        length = {"encoder_sequence_length": LENGTH, "decoder_sequence_length": LENGTH}
    if kind == "MaskedLM":  # no token is another one by chance
        length |= {"mask_token_rate": 1.0, "random_token_rate": 0.0}
    preprocessor = getattr(hub, f"{prefix}{kind}Preprocessor")(tokenizer, **length)
    more = {"num_classes": 3} if kind == "TextClassifier" else {}
    task = getattr(hub, f"{prefix}{kind}")(backbone, preprocessor=preprocessor, **more)
    randomize(task, seed)
    return task


def backbone_of(prefix: str, words: int, sizes: dict[str, Any]):
    name = "vocab_size" if prefix == "Electra" else "vocabulary_size"
    return getattr(hub, f"{prefix}Backbone")(**{name: words}, **sizes)


def randomize(model, seed: int = 0) -> None:
    """Sets all weights, so that none is where it began."""
    random = np.random.default_rng(seed)
    for weight in model.weights:
        mean = 1.0 if weight.path.endswith(("gamma", "scale")) else 0.0
        weight.assign(random.normal(mean, 0.3, weight.shape))


def inputs_for(task, seed: int = 1) -> dict[str, np.ndarray]:
    """Random ids, of which the last of some rows are padding."""
    random = np.random.default_rng(seed)
    words = task.preprocessor.tokenizer.vocabulary_size()
    mask = np.ones([3, 12], np.int32)
    mask[1, 7:] = mask[2, 1:] = 0

    def ids():
        return random.integers(0, words, mask.shape).astype(np.int32)

    names = {*task.backbone.input}
    if "encoder_token_ids" in names:
        sides = ("encoder", "decoder")
        arrays = {f"{side}_token_ids": ids() for side in sides}
        return arrays | {f"{side}_padding_mask": mask for side in sides}
    arrays = {"token_ids": ids(), "padding_mask": mask}
    if "segment_ids" in names:
        arrays["segment_ids"] = random.integers(0, 2, mask.shape).astype(np.int32)
    return arrays


def ids_of(tokenizer, text: str) -> list[int]:
    """Of a tokenizer of KerasHub, in Python."""
    return np.asarray(tokenizer(text)).tolist()


def logits_of(task, arrays: dict[str, np.ndarray]) -> np.ndarray:
    """What a task of KerasHub gives; of a masked language model, at all places."""
    if type(task).__name__.endswith("MaskedLM"):
        places = np.tile(np.arange(12, dtype=np.int32), [3, 1])
        arrays = {**arrays, "mask_positions": places}
    return np.asarray(task(arrays))
