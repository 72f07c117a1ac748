"""What each device of a mesh has to hold, from the shape of a model alone."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import NamedTuple

from massivetext_keras.architecture.config import TransformerConfig
from massivetext_keras.architecture.weights import weights
from massivetext_keras.distribution.layouts import check_tensor_axis, numbers_kept
from massivetext_keras.distribution.pipeline import (
    borrowed_paths,
    stage_blocks,
    stage_of,
)
from massivetext_keras.kernels.attention import CAUSAL_ROWS
from massivetext_keras.kernels.cross_entropy import CHUNK_LOGITS

# Tensors of a weight's size that an update makes at once; 1 to 2.7 were measured, for
# all weights are updated in the order in which threads come to them.
_UPDATING = 2


class Work(NamedTuple):
    """What is trained at a time.

    Attributes:
        rows: of the global batch.
        length: tokens of a row.
        micro_batches: into which the batch is cut.
        size: bytes of a number in the compute dtype.
        slots: float32 numbers that the optimizer keeps for each weight.
        recompute: whether only what enters a block is kept.
        shard_sequence: whether the tensor axis shares the tokens between products.
    """

    rows: int
    length: int
    micro_batches: int = 1
    size: int = 4
    slots: int = 2
    recompute: bool = False
    shard_sequence: bool = False


@dataclasses.dataclass(frozen=True)
class DeviceMemory:
    """Bytes that a device of a mesh holds.

    Attributes:
        weights: its share of its stage's.
        copies: of what its stage reads of other stages' weights.
        state: its share of what the optimizer keeps.
        step: what is there besides at the busiest moment of a step: gradients, and
            either activations or what the update makes.
    """

    weights: int
    copies: int
    state: int
    step: int

    @property
    def kept(self) -> int:
        """All the time, between steps too."""
        return self.weights + self.copies + self.state

    @property
    def total(self) -> int:
        """At the busiest moment."""
        return self.kept + self.step


def device_memory(
    config: TransformerConfig, axes: Mapping[str, int], shard_state: str, work: Work
) -> list[DeviceMemory]:
    """The memory of a device of each stage of a mesh.

    Args:
        config: the shape.
        axes: devices along "data", "tensor" and "pipeline"; 1 where there is none.
        shard_state: what replicas split, as of `compile`.
        work: what is trained at a time.

    Raises:
        ValueError: the mesh does not divide the model.

    >>> config = TransformerConfig(vocabulary_size=50257)
    >>> work = Work(rows=8, length=1024)
    >>> alone, *_ = device_memory(config, {}, "none", work)
    >>> alone.kept == 3 * 4 * config.parameter_count()
    True
    >>> axes = {"data": 2, "pipeline": 2}
    >>> [x.kept >> 20 for x in device_memory(config, axes, "optimizer", work)]
    [787, 309]
    """
    data, tensor, stages = (axes.get(x, 1) for x in ("data", "tensor", "pipeline"))
    check_tensor_axis(config, tensor)
    blocks = stage_blocks(config, stages)
    shared = {"none": (1, 1), "optimizer": (1, data), "weights": (data, data)}
    of_weights, of_state = shared[shard_state]
    found = []
    for stage in range(stages):
        own = [x for x in weights(config) if stage_of(x, blocks, stages) == stage]
        read = borrowed_paths(config, stage, stages)

        def held(paths, replicas=1):
            return 4 * numbers_kept(config, tensor, replicas, paths)

        found.append(
            DeviceMemory(
                weights=held(own, of_weights),
                copies=held(read, of_weights),
                state=work.slots * held(own, of_state),
                step=_step(
                    _Stage(config, work, data, tensor, stage, stages),
                    blocks=len(blocks[stage]),
                    gradients=held([*own, *read]),
                    updated=held(own, of_state) * _UPDATING
                    + (held(own) if of_state > of_weights else 0),
                    gathered=of_weights > 1,
                ),
            )
        )
    return found


class _Stage(NamedTuple):
    """A stage and what it computes.

    Attributes:
        config, work: as of `device_memory`.
        data, tensor: devices of the stage along these axes.
        place, stages: which it is, and of how many.
    """

    config: TransformerConfig
    work: Work
    data: int
    tensor: int
    place: int
    stages: int

    @property
    def tokens(self) -> int:
        """Of a micro-batch, on a device."""
        rows = -(-self.work.rows // (self.work.micro_batches * self.data))
        return rows * self.work.length

    @property
    def is_last(self) -> bool:
        return self.place == self.stages - 1

    @property
    def sharers(self) -> int:
        """Devices among which the tokens are split between products."""
        splits = self.work.shard_sequence and self.work.length % self.tensor == 0
        return self.tensor if splits else 1

    @property
    def hidden(self) -> int:
        """Bytes of the hidden states of a micro-batch, between blocks."""
        tokens = self.tokens // self.sharers
        return tokens * self.config.hidden_size * self.work.size

    @property
    def entered(self) -> int:
        """Of what entered and waits for its backward pass, in 1F1B."""
        behind = self.stages - 1 - self.place
        under_way = min(behind, self.work.micro_batches - 1) + 1
        return under_way * self.hidden if self.place else 0

    @property
    def inside(self) -> float:
        """Numbers within the feed-forward layer: of every expert, for each of them
        reads all tokens on a mesh."""
        experts = self.config.num_experts or 1
        return self.tokens * self.config.intermediate_size * experts / self.tensor

    @property
    def block(self) -> float:
        """Bytes that a block keeps for its backward pass.

        That begins where it can, while others still go forward: what follows from kept
        tensors alone is there at once, the normalised input of a norm in float32 and
        the weights of attention a second time, with a byte for each that was kept.
        """
        config, length, size = self.config, self.work.length, self.work.size
        queries = config.num_heads * config.width_of_head
        keys_values = 2 * config.key_value_heads * config.width_of_head
        seen = min(length, CAUSAL_ROWS) if config.stack == "decoder" else length
        scores = config.num_heads * (length + seen) / 2
        own = size + 2 * 4 + 2 * bool(config.dropout)  # what products do not read
        whole = config.hidden_size * (2 * size + own / self.sharers)
        split = size * (3 * queries + keys_values) + (size + 4 + 1) * scores
        inner = size * (3 if config.gated else 2) * self.inside
        return self.tokens * (whole + split / self.tensor) + inner

    @property
    def activation(self) -> float:
        """Bytes that an activation and its slopes make beside what a block keeps."""
        return 4 * (3 if self.config.gated else 4) * self.inside

    @property
    def logits(self) -> float:
        """Bytes of the logits that are there at a time: themselves, their exponentials
        in float32 and a byte that says which is the label's."""
        if not self.is_last:
            return 0
        every = self.data * self.tokens * self.config.vocabulary_size
        share = min(every, CHUNK_LOGITS) / (self.data * self.tensor)
        return (self.work.size + 4 + 1) * share


def _step(
    stage: _Stage, blocks: float, gradients: int, updated: int, gathered: bool
) -> int:
    """Bytes of a device at the busiest moment of a step, beside what it keeps.

    Args:
        stage: where.
        blocks: of the stage.
        gradients: bytes of those of all that the stage reads.
        updated: bytes that an update makes.
        gathered: whether weights are gathered for each block, which then makes its
            activations again.
    """
    work, config = stage.work, stage.config
    if config.stack == "encoder_decoder":
        blocks += 1.5 * config.decoder_layers  # a third part attends to the encoder
    sums = gradients if work.micro_batches > 1 else 0
    rounded = gradients * work.size / 4 if work.size < 4 else 0
    held = sums + stage.entered + rounded
    if work.recompute or gathered:
        again = stage.block + stage.activation + work.size * stage.inside
        first = blocks * stage.hidden + max(again, stage.logits)
        last = gradients * (1 - 1 / (blocks + 1)) + again
    else:
        first = blocks * stage.block + max(stage.activation, stage.logits)
        last = gradients + stage.block
    return int(max(held + max(first, last), gradients + updated))
