"""How byte-level BPE cuts a text into words: known patterns, and their form in RE2."""

from __future__ import annotations

import dataclasses

import tensorflow as tf

# what `\s` is to Hugging Face
_WS = r"\t-\r \x{85}\p{Z}"
_WS_IN_LINE = r"\t\x{b}\x{c} \x{85}\p{Z}"
_TAIL = r"|\s+(?!\S)|\s+"
_WITH_NEWLINES = r"|\s*[\r\n]+"

# occurs in no valid UTF-8, and neither does 0xFE
MARK = b"\xff"

_CONTRACTIONS = "'s|'t|'re|'ve|'m|'ll|'d"
_LINES = rf"{_WITH_NEWLINES}{_TAIL}"
_UPPER, _LOWER = r"\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}", r"\p{Ll}\p{Lm}\p{Lo}\p{M}"


def _capitals(number: str, ending: str = "") -> str:
    """The pattern that cuts a word before its capitals, too."""
    return (
        rf"[^\r\n\p{{L}}\p{{N}}]?[{_UPPER}]*[{_LOWER}]+{ending}"
        rf"|[^\r\n\p{{L}}\p{{N}}]?[{_UPPER}]+[{_LOWER}]*{ending}"
        rf"|{number}| ?[^\s\p{{L}}\p{{N}}]+[\r\n/]*{_LINES}"
    )


PATTERNS = {
    "gpt2": rf"{_CONTRACTIONS}| ?\p{{L}}+| ?\p{{N}}+| ?[^\s\p{{L}}\p{{N}}]+{_TAIL}",
    "gpt2_digits": (
        rf"{_CONTRACTIONS}| ?\p{{L}}+|\p{{N}}| ?[^\s\p{{L}}\p{{N}}]+{_TAIL}"
    ),
    "llama3": (
        rf"(?i:{_CONTRACTIONS})|[^\r\n\p{{L}}\p{{N}}]?\p{{L}}+|\p{{N}}{{1,3}}"
        rf"| ?[^\s\p{{L}}\p{{N}}]+[\r\n]*{_LINES}"
    ),
    "qwen2": (
        rf"(?i:{_CONTRACTIONS})|[^\r\n\p{{L}}\p{{N}}]?\p{{L}}+|\p{{N}}"
        rf"| ?[^\s\p{{L}}\p{{N}}]+[\r\n]*{_LINES}"
    ),
    "qwen3_5": (
        rf"(?i:{_CONTRACTIONS})|[^\r\n\p{{L}}\p{{N}}]?[\p{{L}}\p{{M}}]+|\p{{N}}"
        rf"| ?[^\s\p{{L}}\p{{M}}\p{{N}}]+[\r\n]*{_LINES}"
    ),
    "gpt4o": _capitals(r"\p{N}{1,3}", rf"(?i:{_CONTRACTIONS})?"),
    "tekken": _capitals(r"\p{N}"),
}


@dataclasses.dataclass(frozen=True)
class Splitting:
    r"""Cuts texts by one of `PATTERNS`.

    RE2 lacks the look-ahead of `\s+(?!\S)`, so a mark cuts a run of spaces before its
    last one instead, where a word may take that. Whole-match rewrites are much faster
    than groups.

    Arguments:
        name: a key of `PATTERNS`. With "gpt2_digits" each digit is cut off before all
            else, so that spaces before it stay together.
    Raises:
        ValueError: there is no such pattern.

    >>> words = Splitting("llama3")(tf.constant(["It's  1234.\n\n x"])).numpy()[0]
    >>> [word for word in words.split(MARK) if word]
    [b'It', b"'s", b' ', b' ', b'123', b'4', b'.\n\n', b' x']
    """

    name: str = "gpt2"

    def __post_init__(self):
        if self.name not in PATTERNS:
            raise ValueError(f"pattern: {self.name!r} is none of {', '.join(PATTERNS)}")

    def __call__(self, texts: tf.Tensor) -> tf.Tensor:
        """Puts `MARK` after each word, and before some.

        Arguments:
            texts: string [n], valid UTF-8; parts of it that `MARK` or the byte 0xFE
                begins and `MARK` ends are cut, too.
        """
        marked = tf.strings.regex_replace(texts, self._last_space, MARK + rb"\0")
        return tf.strings.regex_replace(marked, self._word, rb"\0" + MARK)

    @property
    def _last_space(self) -> str:
        space = _WS_IN_LINE if _WITH_NEWLINES in PATTERNS[self.name] else _WS
        cut = r"\p{N}" if self.name == "gpt2_digits" else ""
        return rf"[{space}][^{_WS}{cut}]"

    @property
    def _word(self) -> str:
        words = PATTERNS[self.name].removesuffix(_TAIL)
        words = words.replace(r"[^\s", f"[^{_WS}").replace(r"\s", f"[{_WS}]")
        return f"{words}|[{_WS}]+"


def pre_tokenizers(name: str) -> list[dict]:
    """Returns what stands before ByteLevel in a `tokenizer.json`.

    ByteLevel itself uses its pattern, GPT-2's, where no Split is among them.

    >>> pre_tokenizers("gpt2_digits")
    [{'type': 'Digits', 'individual_digits': True}]
    """
    if name == "gpt2":
        return []
    if name == "gpt2_digits":
        return [{"type": "Digits", "individual_digits": True}]
    pattern = {"Regex": PATTERNS[name]}
    how = {"behavior": "Isolated", "invert": False}
    return [{"type": "Split", "pattern": pattern, **how}]


def pattern_name(pre_tokenizer: dict) -> str:
    """Returns the key of `PATTERNS` for the pre_tokenizer of a `tokenizer.json`.

    Raises:
        ValueError: it is another one; the message names it.

    >>> pattern_name({"type": "ByteLevel", "use_regex": True})
    'gpt2'
    """
    *before, last = pre_tokenizer.get("pretokenizers", [pre_tokenizer])
    kinds = " + ".join(str(step.get("type")) for step in (*before, last))
    splits = [step for step in before if step.get("type") == "Split"]
    if last.get("type") != "ByteLevel":
        raise ValueError(f"the pre_tokenizer {kinds!r}")
    if bool(splits) == last.get("use_regex", True):
        raise ValueError(f"{kinds}: ByteLevel without its pattern, or with two")
    if before and last.get("add_prefix_space"):
        raise ValueError("add_prefix_space after another pre_tokenizer")
    for name in PATTERNS:
        if before in (known := pre_tokenizers(name), [_inverted(s) for s in known]):
            return name
    raise ValueError(f"{kinds} with {splits[0]['pattern'] if splits else before}")


def _inverted(step: dict) -> dict:
    """The same split, since every pattern here covers all of a text."""
    return {**step, "behavior": "Removed", "invert": True} if "invert" in step else step
