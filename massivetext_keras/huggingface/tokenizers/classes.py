"""What classes of tokenizers do that their files do not say."""

from __future__ import annotations

from typing import NamedTuple


class BytePairRules(NamedTuple):
    """Rules of `vocab.json` with `merges.txt`.

    Attributes:
        pattern: what cuts a text into words, one of `splitting.PATTERNS`.
        normal_form: that a text is brought into.
        template: the tokens around a text.
    """

    pattern: str = "gpt2"
    normal_form: str | None = None
    template: tuple[str | None, str | None] = (None, None)


_GPT2 = BytePairRules()
_ROBERTA = BytePairRules(template=("<s>", "</s>"))
_QWEN2 = BytePairRules("qwen2", "NFC")
# class without "Tokenizer" -> rules
BYTE_PAIRS = {
    **dict.fromkeys(("GPT2", "GPTNeoX", "CodeGen"), _GPT2),
    **dict.fromkeys(("Roberta", "Bart", "Longformer", "LED"), _ROBERTA),
    "Qwen2": _QWEN2,
}
_MODELS = {
    **dict.fromkeys(("roberta", "bart", "longformer", "led"), _ROBERTA),
    **dict.fromkeys(("qwen2", "qwen2_moe", "qwen3", "qwen3_moe"), _QWEN2),
}
# classes that read a `vocab.txt` as BERT's does
WORDPIECES = (
    "Bert",
    "DistilBert",
    "Electra",
    "MobileBert",
    "SqueezeBert",
    "ConvBert",
    "LayoutLM",
)


def byte_pair_rules(name: str | None, model: str | None) -> BytePairRules | None:
    """Returns the rules of a class, or else of a model type, or else GPT-2's; None of a
    class that has others.

    >>> byte_pair_rules("Qwen2", None).pattern, byte_pair_rules("CLIP", None)
    ('qwen2', None)
    """
    return _MODELS.get(model or "", _GPT2) if name is None else BYTE_PAIRS.get(name)


def class_name(name: str | None) -> str | None:
    """Returns a class without "Tokenizer" and "Fast", None of one that says nothing.

    >>> class_name("BertTokenizerFast"), class_name("PreTrainedTokenizerFast")
    ('Bert', None)
    """
    if name in (None, "PreTrainedTokenizerFast", "TokenizersBackend"):
        return None
    return name.removesuffix("Fast").removesuffix("Tokenizer")
