"""What each step trains on, as a pure function of the step."""

from collections.abc import Callable
from functools import lru_cache
from typing import Generic, NamedTuple, Protocol, TypeVar

from opendlign_core.loop.distributed import World
from opendlign_core.loop.order import Indices, epoch_order, share_of, steps_per_epoch
from opendlign_core.loop.sources import B, Source, none_of

Batch_co = TypeVar("Batch_co", covariant=True)

View = Callable[[B, Indices, int], B]
"""A random view of a share: its tensors, the indices of its objects and the epoch, to tensors of the same shapes."""


class Share(NamedTuple, Generic[Batch_co]):
    """This process's part of a batch, and how many objects the whole batch has."""

    batch: Batch_co
    size: int


class Batches(Protocol[Batch_co]):
    """The batches of a run; `at(step)` may be called from a thread that runs ahead."""

    @property
    def steps(self) -> int: ...

    @property
    def per_epoch(self) -> int: ...

    def at(self, step: int) -> Share[Batch_co]: ...


class EpochBatches(Generic[B]):
    """Every object once per epoch, in an order that `seed` and the epoch decide.

    `view` draws what is random about a batch, from the indices of this process's own objects and the epoch.
    """

    def __init__(
        self,
        source: Source[B],
        batch_size: int,
        epochs: int,
        seed: int,
        *,
        shuffle_shards: int | None = None,
        world: World | None = None,
        view: View[B] | None = None,
    ) -> None:
        self._source, self._size, self._world, self._view = source, batch_size, world or World(), view
        self.per_epoch = steps_per_epoch(source.sizes, batch_size)
        self.steps = self.per_epoch * epochs
        self._order = lru_cache(maxsize=1)(lambda epoch: epoch_order(source.sizes, seed, epoch, shuffle_shards))

    def at(self, step: int) -> Share[B]:
        epoch, place = divmod(step, self.per_epoch)
        whole = self._order(epoch)[place * self._size : (place + 1) * self._size]
        own = share_of(whole, self._world.rank, self._world.ranks)
        batch = self._source.batch(own) if len(own) else none_of(self._source.batch(whole[:1]))
        return Share(self._view(batch, own, epoch) if self._view is not None else batch, len(whole))
