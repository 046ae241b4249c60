"""Training data by index: whole in memory, or a window of shards at a time."""

import collections
from collections.abc import Callable, Sequence
from typing import Any, Generic, Protocol, TypeVar

import numpy as np
import torch
from torch import Tensor

from opendlign_core.loop.order import Indices

B = TypeVar("B", bound=tuple[Tensor, ...])
"""A batch: a named tuple of tensors whose first dimension counts objects."""
B_co = TypeVar("B_co", bound=tuple[Tensor, ...], covariant=True)


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
        return like(self.data, [_pick(tensor, chosen) for tensor in self.data])


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
        return like(self._shard(int(shards[0])), joined)

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


def like(batch: B, tensors: Sequence[Tensor]) -> B:
    """A batch of the same kind from other tensors."""
    kind: Any = type(batch)
    made: B = kind(*tensors)
    return made


def none_of(batch: B) -> B:
    """The same kind of batch without any object."""
    return like(batch, [tensor[:0] for tensor in batch])


def _pick(tensor: Tensor, chosen: Tensor) -> Tensor:
    """Rows of a tensor; from pinned memory into pinned memory, so that the copy to a GPU need not wait."""
    if not tensor.is_pinned():
        return tensor[chosen]
    rows = torch.empty((len(chosen), *tensor.shape[1:]), dtype=tensor.dtype, pin_memory=True)
    return torch.index_select(tensor, 0, chosen, out=rows)
