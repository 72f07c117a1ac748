"""Draws docs/parallel.svg: where weights lie on a mesh, and what is sent when.

    python docs/draw_parallel.py

Where weights lie is read from the table of roles that training has
(distribution/layouts.py), the order of work from distribution/pipeline.py.
"""

from __future__ import annotations

import sys
from html import escape
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from massivetext_keras.architecture.config import TransformerConfig  # noqa: E402
from massivetext_keras.architecture.weights import weights  # noqa: E402
from massivetext_keras.distribution.layouts import placements  # noqa: E402
from massivetext_keras.distribution.pipeline import one_forward_one_back  # noqa: E402
from massivetext_keras.distribution.sharded import with_data_axis  # noqa: E402

PICTURE = ROOT / "docs" / "parallel.svg"
CONFIG = TransformerConfig(num_layers=2)
DATA, TENSOR = 2, 2
STAGES, MICRO_BATCHES = 3, 4
WIDTH, LEFT = 1000, 24
# Of the two shares of the tensor axis, in the first replica and the second.
SHARES = {0: ("#2f6db5", "#a9c8ea"), 1: ("#d9822b", "#f6cf9f")}
WHOLE = ("#8a94a0", "#ccd3da")  # on all devices of the tensor axis
INK, PALE, SENT = "#1c2733", "#5b6875", "#b3261e"


def text(x: float, y: float, words: str, size=13, color=INK, **attributes) -> str:
    """A line of text; `anchor` and `weight` as of SVG."""
    more = "".join(
        f' {"text-anchor" if k == "anchor" else "font-weight"}="{v}"'
        for k, v in attributes.items()
    )
    return (
        f'<text x="{x:g}" y="{y:g}" font-size="{size}" fill="{color}"{more}>'
        f"{escape(words)}</text>"
    )


def box(x: float, y: float, width: float, height: float, fill: str, line="none") -> str:
    """A rectangle."""
    return (
        f'<rect x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}" '
        f'fill="{fill}" stroke="{line}"/>'
    )


def arrow(x: float, y: float, to_x: float, to_y: float, color=PALE) -> str:
    """A line with a head at its end."""
    head = "sent" if color == SENT else "head"
    return (
        f'<line x1="{x:g}" y1="{y:g}" x2="{to_x:g}" y2="{to_y:g}" stroke="{color}" '
        f'stroke-width="1.4" marker-end="url(#{head})"/>'
    )


def heading(y: float, words: str, more: str) -> list[str]:
    """The title of a part, and a sentence."""
    return [
        text(LEFT, y, words, size=18, weight="bold"),
        text(LEFT, y + 21, more, color=PALE),
    ]


def cut(x, y, width, height, sizes, placement, replica: int | None) -> list[str]:
    """A weight, each cell in the colour of the device that has it.

    Args:
        x, y, width, height: of all of it.
        sizes: of its axes; the last one's are those of its parts.
        placement: how it is split.
        replica: whose it is (None: replicas split it).
    """
    axes = placement.axes
    counts = {None: 1, "tensor": TENSOR, "data": DATA}
    rows = counts[axes[0]] if len(axes) > 1 else 1
    columns, parts = counts[axes[-1]], sizes[-1]
    gap = 3 if len(parts) > 1 else 0
    drawn, left = [], x
    for part in parts:
        wide = (width - gap * (len(parts) - 1)) * part / sum(parts)
        for i in range(rows):
            for j in range(columns):
                where = {axes[-1]: j} | ({axes[0]: i} if len(axes) > 1 else {})
                colors = SHARES.get(where.get("tensor"), WHOLE)
                color = colors[where.get("data", replica or 0)]
                cell = wide / columns, height / rows
                place = left + j * cell[0], y + i * cell[1]
                drawn.append(box(*place, *cell, color, "white"))
        left += wide + gap
    return drawn


def block_of_weights(top: float) -> tuple[list[str], float]:
    """The weights of a block, a row for each, and where they end."""
    found = heading(
        top,
        "Where the weights of a block lie",
        f"data {DATA} x tensor {TENSOR}: two replicas, each of two devices that share "
        "every matrix",
    )
    y = top + 48
    titles = {
        440: ("weights of the", "first replica"),
        592: ("weights of the", "second replica"),
        744: ("shared by replicas: moments", 'with "optimizer"; all with "weights"'),
    }
    for x, lines in titles.items():
        found += [text(x, y + 17 * i, line, color=PALE) for i, line in enumerate(lines)]
    y += 32
    table, prefix = placements(CONFIG, TENSOR), "stack/block_0/"
    for path, weight in weights(CONFIG).items():
        if not path.startswith(prefix):
            continue
        height = 36 if len(weight.sizes) > 1 else 11
        shape = tuple(x if isinstance(x, int) else sum(x) for x in weight.sizes)
        middle = y + height / 2 + 5
        found.append(text(LEFT, middle, path.removeprefix(prefix)))
        words = " x ".join(f"{size:,}" for size in shape)
        found.append(text(400, middle, words, color=PALE, anchor="end"))
        own = table[path]
        split = with_data_axis(own, shape, DATA) or own
        for x, placement, replica in ((440, own, 0), (592, own, 1), (744, split, None)):
            drawn = cut(x, y, 132, height, weight.sizes, placement, replica)
            found += drawn
        y += height + 10
    return [*found, *legend(y + 6)], y + 34


def legend(y: float) -> list[str]:
    """What the colours are."""
    found, x = [], LEFT
    entries = [
        *((SHARES[i], f"device {i} of the tensor axis") for i in SHARES),
        (WHOLE, "all devices of the tensor axis"),
    ]
    for colors, words in entries:
        found += [box(x, y, 14, 14, colors[0]), box(x + 16, y, 14, 14, colors[1])]
        found.append(text(x + 37, y + 12, words))
        x += 252
    found.append(text(x, y + 12, "dark: first replica, pale: second", color=PALE))
    return found


# What a token passes in a block: its words, and whether each device has a share of it.
PASSED = [
    ("norm", False),
    ("qkv", True),
    ("attention", True),
    ("output", True),
    ("+", False),
    ("norm", False),
    ("up", True),
    ("activation", True),
    ("down", True),
    ("+", False),
]


def messages(top: float) -> tuple[list[str], float]:
    """What the two devices of the tensor axis send in a block, there and back."""
    found = heading(
        top,
        "What is sent, and when",
        "Heads and shares of the inner width need no message. One sum ends each part "
        "on the way forward, one on the way back.",
    )
    y = top + 44
    found += _passage(y, forward=True)
    found += _passage(y + 96, forward=False)
    y += 204
    said = [
        (
            "forward",
            'with shard_state="weights" a block\'s weights are gathered from the '
            "replicas before it, and again on the way back",
        ),
        ("back", "the gradient of each weight is summed over replicas when it is made"),
        (
            "update",
            "squares of gradients are summed, for the norm; with "
            'shard_state="optimizer" replicas send the new weights of their shares',
        ),
    ]
    for when, words in said:
        found.append(text(LEFT, y, when, weight="bold"))
        found.append(text(LEFT + 74, y, words))
        y += 22
    return found, y


def _passage(y: float, forward: bool) -> list[str]:
    """Through a block: a lane for each device, and sums across both."""
    found = [text(LEFT, y + 40, "forward" if forward else "back", weight="bold")]
    step, wide, high = 88, 70, 28
    first = LEFT + 82
    for i, (words, shared) in enumerate(PASSED):
        x = first + i * step
        for lane in range(TENSOR):
            fill = SHARES[lane][1] if shared else WHOLE[1]
            place = y + lane * (high + 12)
            found.append(box(x, place, wide, high, fill))
            middle = x + wide / 2
            size = 12 if len(words) > 8 else 13
            found.append(text(middle, place + 19, words, size=size, anchor="middle"))
            if i:
                ends = (x - step + wide + 2, x - 3)
                ends = ends if forward else ends[::-1]
                found.append(arrow(ends[0], place + 14, ends[1], place + 14))
        ends_part = shared and not PASSED[i + 1][1]
        begins_part = shared and not PASSED[i - 1][1]
        if ends_part if forward else begins_part:
            place = x + wide + 8 if forward else x - 10
            found += _sum(place, y + high + 6)
    return found


def _sum(x: float, y: float) -> list[str]:
    """A sum over the devices of the tensor axis."""
    return [
        f'<line x1="{x:g}" y1="{y - 20:g}" x2="{x:g}" y2="{y + 20:g}" stroke="{SENT}" '
        'stroke-width="2"/>',
        f'<circle cx="{x:g}" cy="{y:g}" r="9" fill="{SENT}"/>',
        text(x, y + 4.5, "Σ", color="white", anchor="middle", weight="bold"),
    ]


def timeline(top: float) -> tuple[list[str], float]:
    """1F1B: when each stage works on which micro-batch, and what is handed on."""
    found = heading(
        top,
        f"A pipeline of {STAGES} stages and {MICRO_BATCHES} micro-batches",
        "One forward, one back. A stage keeps what entered, and makes its activations "
        "again on the way back: that takes a forward pass more.",
    )
    y, high, unit, first = top + 42, 30, 35, LEFT + 82
    spans, free = {}, [0] * STAGES
    for work in one_forward_one_back(STAGES, MICRO_BATCHES):
        stage, i, forward = work
        needs = [(stage - 1, i, True)] if forward else [(stage + 1, i, False)]
        begins = max([free[stage], *(spans[x][1] for x in needs if x in spans)])
        takes = 1 if forward else 3
        if stage == STAGES - 1:  # it goes forward and back in one
            begins, takes = (begins, 0) if forward else (begins, 3)
        free[stage] = begins + takes
        spans[work] = begins, begins + takes
    for (stage, i, forward), (begins, ends) in spans.items():
        if begins == ends:
            continue
        x, place = first + begins * unit, y + stage * (high + 16)
        fill = SHARES[0][1] if forward else SHARES[1][1]
        found.append(box(x, place, (ends - begins) * unit, high, fill, "white"))
        words = f"{'F' if forward else 'B'}{i}"
        if stage == STAGES - 1:
            words = f"F{i} B{i}"
        middle = x + (ends - begins) * unit / 2
        found.append(text(middle, place + 20, words, anchor="middle"))
    for (stage, _, forward), (_, ends) in spans.items():
        onto = stage + 1 if forward else stage - 1
        if not 0 <= onto < STAGES:
            continue
        x = first + ends * unit + (-14 if forward else -3)
        down = (high, high + 14) if forward else (0, -14)
        place = y + stage * (high + 16)
        found.append(arrow(x, place + down[0], x, place + down[1], SENT))
    last = max(ends for _, ends in spans.values())
    x = first + last * unit + 6
    for stage in range(STAGES):
        place = y + stage * (high + 16)
        found.append(text(LEFT, place + 20, f"stage {stage}", weight="bold"))
        found.append(box(x, place, 66, high, WHOLE[1], "white"))
        found.append(text(x + 33, place + 20, "update", anchor="middle"))
    y += STAGES * (high + 16) + 14
    found.append(arrow(LEFT + 8, y - 12, LEFT + 8, y + 4, SENT))
    words = (
        "hidden states to the next stage, their gradients to the one before; "
        "before the update gradients of weights that two stages read"
    )
    found.append(text(LEFT + 22, y, words, color=PALE))
    return found, y


def draw() -> str:
    """The picture, as SVG."""
    parts, y = [], 36.0
    for part in (block_of_weights, messages, timeline):
        lines, end = part(y)
        parts += lines
        y = end + 46
    height = round(y - 24)
    heads = "".join(
        f'<marker id="{name}" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" '
        f'markerHeight="7" orient="auto"><path d="M0,0 L8,4 L0,8 z" fill="{color}"/>'
        "</marker>"
        for name, color in (("head", PALE), ("sent", SENT))
    )
    begin = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" '
        'font-family="sans-serif">',
        f"<defs>{heads}</defs>",
        box(0, 0, WIDTH, height, "white"),
    ]
    return "\n".join([*begin, *parts, "</svg>", ""])


if __name__ == "__main__":
    PICTURE.write_text(draw())
    print(PICTURE.relative_to(ROOT))
