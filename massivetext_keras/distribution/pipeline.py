"""Stages of a pipeline: which blocks each has, and in which order they work."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from massivetext_keras.architecture.config import TransformerConfig
from massivetext_keras.architecture.weights import count, depth_of, layout
from massivetext_keras.planning.split import stages as even_stages


class Work(NamedTuple):
    """What a stage does with a micro-batch: it goes forward, or back."""

    stage: int
    micro_batch: int
    forward: bool


def stage_blocks(config: TransformerConfig, stages: int) -> list[range]:
    """The blocks of each stage, such that the one with the most work has the least.

    Work is counted in weights that a token is multiplied with; the last stage has the
    output layer beside its blocks.

    Args:
        config: of a model with one stack.
        stages: how many.

    Raises:
        ValueError: the model cannot be cut into so many.

    >>> config = TransformerConfig(num_layers=5, vocabulary_size=100)
    >>> stage_blocks(config, 2)
    [range(0, 3), range(3, 5)]
    >>> stage_blocks(config.replace(vocabulary_size=50_000), 2)
    [range(0, 4), range(4, 5)]
    """
    if stages == 1:
        return [range(config.num_layers)]
    check_stages(config, stages)
    sizes = layout(config)
    block = count(x for path, x in sizes.items() if "/block_0/" in path)
    output = config.vocabulary_size * config.width_of_embedding

    def most(last: int) -> int:
        others = even_stages(config.num_layers - last, stages - 1)
        return max(max(others) * block, last * block + output)

    last = min(range(1, config.num_layers - stages + 2), key=most)
    counts = [*even_stages(config.num_layers - last, stages - 1), last]
    ends = [sum(counts[: i + 1]) for i in range(stages)]
    return [range(end - n, end) for end, n in zip(ends, counts, strict=True)]


def stage_of(path: str, blocks: Sequence[range], stages: int) -> int:
    """The stage that has a weight: what embeds is in the first one, what comes after
    the blocks in the last.

    Args:
        path: of the weight.
        blocks: of each stage.
        stages: how many.

    >>> blocks = [range(0, 3), range(3, 5)]
    >>> paths = "tokens/embeddings", "stack/block_3/x", "stack/final_norm/gain"
    >>> [stage_of(path, blocks, 2) for path in paths]
    [0, 1, 1]
    """
    depth = depth_of(path)
    if depth is None:
        return stages - 1
    if depth == 0:
        return 0
    return next(i for i, has in enumerate(blocks) if depth - 1 in has)


def borrowed_paths(config: TransformerConfig, stage: int, stages: int) -> list[str]:
    """The weights of other stages that one reads too: the token embedding where it is
    the output layer as well, and the bias of relative positions.

    >>> [borrowed_paths(TransformerConfig(), stage, 3) for stage in range(3)]
    [[], [], ['tokens/embeddings']]
    """
    last = stage == stages - 1
    if stages == 1:
        return []
    tied = ["tokens/embeddings"] if last and config.tied_embeddings else []
    relative = config.position == "relative" and not last
    return tied + ["stack/relative/table"] * relative


def check_stages(config: TransformerConfig, stages: int) -> None:
    """Refuses to cut a model into stages where that cannot be.

    Raises:
        ValueError: says why, and what would do.

    >>> check_stages(TransformerConfig(num_layers=2), 4)
    Traceback (most recent call last):
    ValueError: a pipeline axis of 4 is more than the 2 blocks of the model: 2 at most
    """
    if stages == 1:
        return
    if config.stack == "encoder_decoder":
        raise ValueError(
            f"a pipeline axis of {stages}: every block of a decoder reads what the "
            "encoder's last one gives, so an encoder-decoder is not cut into stages; "
            "use the data and tensor axes"
        )
    if config.shared_layers:
        raise ValueError(
            f"a pipeline axis of {stages}: all blocks of the model share one set of "
            "weights, so there is nothing to cut; use the data and tensor axes"
        )
    if stages > config.num_layers:
        raise ValueError(
            f"a pipeline axis of {stages} is more than the {config.num_layers} blocks "
            f"of the model: {config.num_layers} at most"
        )


def one_forward_one_back(stages: int, micro_batches: int) -> list[Work]:
    """The order in which stages keep the fewest micro-batches (Narayanan et al., 2021).

    After as many micro-batches as there are stages behind it, a stage goes back through
    one for each that it goes forward through. What a work needs comes before it.

    >>> order = one_forward_one_back(2, 3)
    >>> for stage in range(2):
    ...     of_stage = [work for work in order if work.stage == stage]
    ...     " ".join(f"{'BF'[work.forward]}{work.micro_batch}" for work in of_stage)
    'F0 F1 B0 F2 B1 B2'
    'F0 B0 F1 B1 F2 B2'
    """
    queues = [_of_stage(stage, stages, micro_batches) for stage in range(stages)]
    done: set[Work] = set()
    order = []
    while any(queues):
        ready = [q[0] for q in queues if q and _needs(q[0], stages) <= done]
        for work in ready:  # one of each stage that is not waiting
            queues[work.stage].pop(0)
        done.update(ready)
        order += ready
    return order


def _of_stage(stage: int, stages: int, micro_batches: int) -> list[Work]:
    ahead = min(stages - 1 - stage, micro_batches)
    works = [Work(stage, i, True) for i in range(ahead)]
    for i in range(micro_batches):
        if i + ahead < micro_batches:
            works.append(Work(stage, i + ahead, True))
        works.append(Work(stage, i, False))
    return works


def _needs(work: Work, stages: int) -> set[Work]:
    """What has to be done before."""
    stage, i, forward = work
    if forward:
        return {Work(stage - 1, i, True)} if stage else set()
    behind = {Work(stage + 1, i, False)} if stage + 1 < stages else set()
    return {Work(stage, i, True), *behind}
