"""The order of training data: a function of shard sizes, seed and epoch alone.

A run that stopped after `k` batches therefore continues with the exact next one, and every process of a distributed
run knows every other one's share.
"""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Indices = NDArray[np.int64]


def epoch_order(sizes: Sequence[int], seed: int, epoch: int, shuffle_shards: int | None = None) -> Indices:
    """A permutation of all objects: uniform, or uniform within groups of `shuffle_shards` shuffled shards."""
    generator = np.random.default_rng((seed, epoch))
    if shuffle_shards is None:
        return generator.permutation(sum(sizes))
    starts = np.concatenate([[0], np.cumsum(sizes)])
    shards = generator.permutation(len(sizes))
    order = []
    for first in range(0, len(shards), shuffle_shards):
        group = shards[first : first + shuffle_shards]
        members = np.concatenate([np.arange(starts[shard], starts[shard + 1]) for shard in group])
        order.append(generator.permutation(members))
    return np.concatenate(order)


def steps_per_epoch(sizes: Sequence[int], batch_size: int) -> int:
    """Batches in an epoch, the last partial one included."""
    return math.ceil(sum(sizes) / batch_size)


def share_sizes(size: int, ranks: int) -> list[int]:
    """How many objects of a whole batch each process computes: as equal as can be, possibly none."""
    return [size // ranks + (rank < size % ranks) for rank in range(ranks)]


def share_of(batch: Indices, rank: int, ranks: int) -> Indices:
    """The contiguous part of a whole batch that is `rank`'s, possibly empty."""
    sizes = share_sizes(len(batch), ranks)
    first = sum(sizes[:rank])
    return batch[first : first + sizes[rank]]
