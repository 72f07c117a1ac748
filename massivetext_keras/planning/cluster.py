"""The devices of a cluster, how fast they are, and what lies between them."""

from __future__ import annotations

import dataclasses
import math

from massivetext_keras.support.arguments import Positive, PositiveShare


@dataclasses.dataclass(frozen=True)
class Cluster:
    """Equal devices in equal nodes. The defaults are those of an A100 of 80 GB in a
    node of eight with NVLink, and 200 Gb/s InfiniBand for each device.

    A group of devices that talk to one another in a ring lies within a node, or leaves
    it through the adapters of all its members there. Neighbours are first those of the
    tensor axis, then of the data axis, then of the pipeline.

    Attributes:
        devices: how many there are.
        devices_per_node: how many share the fast links.
        memory: bytes of a device.
        flops: FLOP/s that the data sheet says, in the precision of the products.
        memory_bandwidth: bytes per second between a device and its memory.
        intra: bytes per second that a device sends within its node.
        inter: bytes per second that a device sends to other nodes.
        efficiency: share of the data sheet's FLOP/s that large products of matrices
            reach; 0.71 was fitted to ten published runs (docs/parallel.md).
    """

    devices: int
    devices_per_node: Positive = 8
    memory: float = 80e9
    flops: float = 312e12
    memory_bandwidth: float = 2e12
    intra: float = 300e9
    inter: float = 25e9
    efficiency: PositiveShare = 0.71

    def product(self, rows: float, inner: float, columns: float, size: int) -> float:
        """Seconds of a product of matrices, [rows, inner] x [inner, columns].

        The arithmetic at `efficiency`, and after it the reading of both and the writing
        of the third: so small products are less efficient than large ones.

        Args:
            rows, inner, columns: of the matrices.
            size: bytes of a number.

        >>> cluster = Cluster(1)
        >>> large, small = (cluster.product(n, n, n, size=2) for n in (16384, 512))
        >>> 2 * 16384**3 / large / 312e12, 2 * 512**3 / small / 312e12
        (0.6959, 0.431)
        """
        moved = size * (rows * inner + inner * columns + rows * columns)
        arithmetic = 2 * rows * inner * columns / (self.efficiency * self.flops)
        return arithmetic + moved / self.memory_bandwidth

    def bandwidth(self, stride: int, members: int) -> float:
        """Bytes per second that each member of a ring can send.

        Args:
            stride: devices from one member to the next.
            members: of the ring.

        >>> cluster = Cluster(64)
        >>> cluster.bandwidth(1, 8) / 1e9, cluster.bandwidth(1, 16) / 1e9
        (300.0, 200.0)
        >>> cluster.bandwidth(8, 8) / 1e9
        25.0
        """
        shared = math.gcd(stride * members, self.devices_per_node)
        if shared == stride * members:
            return self.intra
        return min(self.intra, self.inter * max(1, shared // stride))
