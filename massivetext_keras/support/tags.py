"""Spans of words as tags, and tags as spans."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

# (start, end, label), or (start, end) of a word, in characters or in words
Labelled = tuple[int, int, str]
Word = tuple[int, int]


# What a tag says of the place of a word in a span.
SCHEMES = {"BIO": "BI", "BIOES": "BIES"}


# Prefix of a tag -> the place it says, as BIOES has it: also BMES, and BILOU with U for
# a unit and L for the last word.
PLACES = {
    **{place: place for place in "BIES"},
    **{"M": "I", "L": "E", "U": "S", "W": "S"},
}


_TAG = re.compile(rf"O|[{''.join(PLACES)}]-\S(?:.*\S)?")


def is_tag(text: str) -> bool:
    """Whether a text is "O", or one of `PLACES` and a label.

    >>> is_tag("B-PER"), is_tag("B_PER"), is_tag("o")
    (True, False, False)
    """
    return bool(_TAG.fullmatch(text))


def place_of(tag: str) -> str:
    """O, or the place that a tag says of a word, as BIOES has it.

    >>> place_of("L-PER"), place_of("O")
    ('E', 'O')
    """
    return tag if tag == "O" else PLACES[tag[0]]


def tag_names(labels: Iterable[str], scheme: str = "BIO") -> tuple[str, ...]:
    """The tags that tell spans: O, and one for each label and place.

    >>> tag_names(["PER", "LOC"])
    ('O', 'B-PER', 'I-PER', 'B-LOC', 'I-LOC')
    """
    return ("O", *(f"{p}-{label}" for label in labels for p in SCHEMES[scheme]))


def spans_of_tags(tags: Sequence[str]) -> list[Labelled]:
    """The spans that tags of words say, as conlleval reads them.

    IOB1, BIO, BIOES, BMES and BILOU alike; a tag that cannot follow the one before it,
    such as an I- after O, begins a span (Tjong Kim Sang and Buchholz, 2000).

    Args:
        tags: "O", or one of `PLACES` and a label, such as "B-PER".

    Returns:
        The first word of each span, the one behind it, and the label.

    Raises:
        ValueError: a tag is something else; the same words each time.

    >>> spans_of_tags(["B-PER", "I-PER", "O", "I-LOC", "B-LOC"])
    [(0, 2, 'PER'), (3, 4, 'LOC'), (4, 5, 'LOC')]
    """
    if not all(map(is_tag, tags)):
        raise ValueError("a tag that is not O, or B-X, I-X, E-X or S-X")
    spans: list[list] = []
    before, open_label = "O", None
    for place, tag in enumerate(tags):
        said, label = place_of(tag), tag[2:]
        if said == "O":
            open_label = None
        elif said in "BS" or label != open_label or before in "ES":
            spans.append([place, place + 1, label])
            open_label = label
        else:
            spans[-1][1] = place + 1
        before = said
    return [tuple(span) for span in spans]


def tags_of_spans(
    words: Sequence[Word], spans: Iterable[Labelled], scheme: str = "BIO"
) -> list[str]:
    """The tags of words that say which spans there are.

    A word belongs to a span that covers half of it or more; a span that does so with
    none has the word that it covers most of. Of two spans the first one has a word.

    Args:
        words: (start, end) of each, in their order.
        spans: (start, end, label).
        scheme: "BIO" or "BIOES".

    >>> tags_of_spans([(0, 6), (7, 13), (14, 21)], [(0, 12, "PER")])
    ['B-PER', 'I-PER', 'O']
    >>> tags_of_spans([(0, 6), (7, 13), (14, 21)], [(14, 16, "X")], "BIOES")
    ['O', 'O', 'S-X']
    """
    tags = ["O"] * len(words)
    first = 0
    for start, end, label in sorted(span[:3] for span in spans):
        while first < len(words) and words[first][1] <= start:
            first += 1
        covered = {}
        for place in range(first, len(words)):
            begin, behind = words[place]
            if begin >= end:
                break
            if tags[place] == "O" and behind > begin:
                share = (min(end, behind) - max(start, begin)) / (behind - begin)
                covered[place] = share
        inside = [place for place, share in covered.items() if share >= 0.5]
        if not inside and covered:
            inside = [max(covered, key=covered.__getitem__)]
        for place in inside:
            tags[place] = f"I-{label}"
        if inside:
            tags[inside[0]] = f"B-{label}"
            if scheme == "BIOES":
                last = tags[inside[-1]]
                tags[inside[-1]] = f"{'S' if last[0] == 'B' else 'E'}-{label}"
    return tags
