"""Training data by index: whole in memory, or a window of shards at a time, in an order that is a pure function.

An order depends on the shard sizes, the seed and the epoch alone. A run that stopped after `k` batches therefore
continues with the exact next one, and every rank of a distributed run knows every other rank's share.
"""

import collections
import math
from collections.abc import Callable, Sequence
from typing import Generic, NamedTuple, Protocol, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

Indices = NDArray[np.int64]


class Objects(NamedTuple):
    """Aligned pixels of objects: depth in [0, 1] [B, V, H, W] (or 3 channels last); uint8 images [B, V, H, W, 3]."""

    depth: Tensor
    images: Tensor


class CacheEntries(NamedTuple):
    """What the cached trainer keeps of objects: tokens [B, V, L, D], rows [B, V, 2, D], target [B, E].

    The first two are the `Prefix` of the depth views; the target is the unit object feature of the images.
    """

    tokens: Tensor
    rows: Tensor
    target: Tensor


B = TypeVar("B", Objects, CacheEntries)
B_co = TypeVar("B_co", Objects, CacheEntries, covariant=True)


class Source(Protocol[B_co]):
    """Objects by index, lying in shards of known sizes."""

    @property
    def sizes(self) -> tuple[int, ...]: ...

    def batch(self, indices: Indices) -> B_co: ...


class InMemory(Generic[B]):
    """A source that holds everything, on whatever device its tensors are."""

    def __init__(self, data: B, sizes: Sequence[int] | None = None) -> None:
        count = len(data[0])
        self.data: B = data
        self.sizes = tuple(sizes) if sizes is not None else (count,)
        if any(len(tensor) != count for tensor in data) or sum(self.sizes) != count:
            raise ValueError(f"arrays of {[len(tensor) for tensor in data]} objects in shards of {self.sizes}")

    def batch(self, indices: Indices) -> B:
        chosen = torch.from_numpy(indices).to(self.data[0].device)
        return _like(self.data, [_pick(tensor, chosen) for tensor in self.data])


class Sharded(Generic[B]):
    """A source that loads shards when a batch needs them and keeps the `keep` most recently used.

    With orders of `shuffle_shards` shards at a time, keep one more than that: each shard is then loaded once an epoch.
    """

    def __init__(self, load: Callable[[int], B], sizes: Sequence[int], keep: int) -> None:
        if keep < 1:
            raise ValueError("at least one shard must be kept")
        self.sizes = tuple(sizes)
        self._load: Callable[[int], B] = load
        self._keep = keep
        self._starts = np.concatenate([[0], np.cumsum(self.sizes)])
        self._kept: collections.OrderedDict[int, B] = collections.OrderedDict()

    def batch(self, indices: Indices) -> B:
        shards = np.searchsorted(self._starts, indices, side="right") - 1
        places, parts = [], []
        for shard in np.unique(shards):
            mask = np.flatnonzero(shards == shard)
            local = torch.from_numpy(indices[mask] - self._starts[shard])
            parts.append([tensor[local] for tensor in self._shard(int(shard))])
            places.append(mask)
        back = torch.from_numpy(np.argsort(np.concatenate(places), kind="stable"))
        joined = [torch.cat(tensors)[back] for tensors in zip(*parts, strict=True)]
        return _like(self._shard(int(shards[0])), joined)

    def _shard(self, index: int) -> B:
        if index not in self._kept:
            while len(self._kept) >= self._keep:
                self._kept.popitem(last=False)
            loaded = self._load(index)
            if len(loaded[0]) != self.sizes[index]:
                raise ValueError(f"shard {index} holds {len(loaded[0])} objects where {self.sizes[index]} were listed")
            self._kept[index] = loaded
        self._kept.move_to_end(index)
        return self._kept[index]


def _pick(tensor: Tensor, chosen: Tensor) -> Tensor:
    """Rows of a tensor; from pinned memory into pinned memory, so that the copy to a GPU need not wait."""
    if not tensor.is_pinned():
        return tensor[chosen]
    rows = torch.empty((len(chosen), *tensor.shape[1:]), dtype=tensor.dtype, pin_memory=True)
    return torch.index_select(tensor, 0, chosen, out=rows)


def _like(batch: B, tensors: Sequence[Tensor]) -> B:
    return type(batch)._make(tensors)


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
    """How many objects of a global batch each rank computes: as equal as can be, possibly none."""
    return [size // ranks + (rank < size % ranks) for rank in range(ranks)]


def load_share(source: Source[B], batch: Indices, rank: int, ranks: int) -> B:
    """Load the contiguous part of a global batch that is `rank`'s; where it is empty, tensors of no objects."""
    sizes = share_sizes(len(batch), ranks)
    first = sum(sizes[:rank])
    if sizes[rank] == 0:
        template = source.batch(batch[:1])
        return _like(template, [tensor[:0] for tensor in template])
    return source.batch(batch[first : first + sizes[rank]])
