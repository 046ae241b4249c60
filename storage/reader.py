"""Reading an output's samples: in order, by range, or shuffled, split over consumers and resumable."""

import tarfile
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

import numpy as np

from storage.errors import DamagedOutput
from storage.fetch import Fetcher
from storage.records import Manifest, ShardRecord
from storage.settings import get_settings
from storage.shards import Sample, ShardFile
from storage.store import Store


class SampleReader:
    """The samples of one finished output, numbered 0..len-1 in shard order.

    Shards are hashed when first opened (unless `verify` or the setting `verify_reads` is off); one that is absent or
    not what its record says raises `DamagedOutput`. A reader may be pickled: the copy opens its own files.
    """

    def __init__(self, store: Store, manifest: Manifest, *, verify: bool | None = None, keep: int = 4) -> None:
        """Read from `store`; of a remote one, the `keep` most recent shards stay on the local disk."""
        self.manifest = manifest
        self._keep = keep
        self._fetcher = Fetcher(store, verify=get_settings().verify_reads if verify is None else verify, keep=keep)
        self._ends = list(accumulate(record.samples for record in manifest.shards))

    def __reduce__(self) -> tuple[Any, ...]:
        return _open_reader, (self._fetcher.store, self.manifest, self._fetcher.verify, self._keep)

    def __len__(self) -> int:
        return self.manifest.samples

    def __iter__(self) -> Iterator[Sample]:
        return self.read()

    def __enter__(self) -> "SampleReader":
        return self

    def __exit__(self, *ending: object) -> None:
        self._fetcher.close()

    def read(self, start: int = 0, stop: int | None = None) -> Iterator[Sample]:
        """Samples of the half-open range, touching only the shards that hold them."""
        stop = len(self) if stop is None else min(stop, len(self))
        for record, end in zip(self.manifest.shards, self._ends, strict=True):
            begin = end - record.samples
            if begin < stop and end > start:
                yield from self.read_shard(record, range(max(start, begin) - begin, min(stop, end) - begin))

    def read_shard(self, record: ShardRecord, positions: "Iterable[int] | np.ndarray[Any, Any]") -> Iterator[Sample]:
        """The samples at those places of one shard."""
        with ExitStack() as files:
            shard = self.open_shard(record, files)
            for position in positions:
                yield self._sample(record, shard, int(position))

    def read_places(self, places: Iterable[tuple[ShardRecord, int]]) -> Iterator[Sample]:
        """The samples at places of several shards, in the order given; each shard is opened once and stays open."""
        with ExitStack() as files:
            shards: dict[int, ShardFile] = {}
            for record, position in places:
                if record.index not in shards:
                    shards[record.index] = self.open_shard(record, files)
                yield self._sample(record, shards[record.index], position)

    def open_shard(self, record: ShardRecord, files: ExitStack) -> ShardFile:
        """Open a shard until `files` closes."""
        stream = files.enter_context(self._fetcher.path(self.manifest, record.shard).open("rb"))
        try:
            shard = ShardFile(stream)
        except tarfile.TarError as error:
            raise self._damage(record, f"{type(error).__name__}: {error}") from error
        if len(shard) != record.samples:
            raise self._damage(record, f"{len(shard)} samples")
        return shard

    def _sample(self, record: ShardRecord, shard: ShardFile, position: int) -> Sample:
        try:
            return shard[position]
        except tarfile.TarError as error:
            raise self._damage(record, str(error)) from error

    def _damage(self, record: ShardRecord, found: str) -> DamagedOutput:
        manifest, shard = self.manifest, record.shard
        return DamagedOutput(
            manifest.stage, manifest.fingerprint, shard.file, f"a tar of {record.samples} samples", found
        )


def _open_reader(store: Store, manifest: Manifest, verify: bool, keep: int) -> SampleReader:
    return SampleReader(store, manifest, verify=verify, keep=keep)


@dataclass(frozen=True)
class Consumer:
    """One of `count` readers that share an epoch: rank times workers plus worker."""

    index: int = 0
    count: int = 1

    def __post_init__(self) -> None:
        if not 0 <= self.index < self.count:
            raise ValueError(f"there is no consumer {self.index} of {self.count}; they count from 0")

    @classmethod
    def of(cls, rank: int, world: int, worker: int = 0, workers: int = 1) -> "Consumer":
        if not 0 <= worker < workers:
            raise ValueError(f"there is no worker {worker} of {workers}; they count from 0")
        return cls(rank * workers + worker, world * workers)


class ShuffledReader:
    """Epochs over an output in an order fixed by (seed, epoch, mix).

    Shards are shuffled and taken `mix` at a time; the samples of such a group are shuffled together. Consumers take
    equal contiguous parts of that sequence (sizes differ by at most one), so together they see every sample exactly
    once, and each opens only the shards of the groups that its part touches. `epoch(e, skip=k)` continues exactly
    where a consumer that had taken k samples stopped.
    """

    def __init__(self, reader: SampleReader, seed: int, consumer: Consumer | None = None, *, mix: int = 4) -> None:
        if mix < 1:
            raise ValueError(f"at least one shard must be open at a time, not {mix}")
        self._reader = reader
        self._seed = seed
        self._mix = mix
        self._consumer = consumer or Consumer()

    def epoch(self, epoch: int, skip: int = 0) -> Iterator[Sample]:
        if skip < 0:
            raise ValueError(f"cannot skip {skip} samples")
        shards = self._reader.manifest.shards
        order = np.random.default_rng([self._seed, epoch]).permutation(len(shards))
        begin, end = self._part()
        begin += skip
        offset = 0
        for first in range(0, len(shards), self._mix):
            group = [shards[int(place)] for place in order[first : first + self._mix]]
            size = sum(record.samples for record in group)
            low, high = max(begin - offset, 0), min(end - offset, size)
            if low < high:
                mixed = np.random.default_rng([self._seed, epoch, first]).permutation(size)
                yield from self._reader.read_places(_places(group, mixed[low:high]))
            offset += size

    def __len__(self) -> int:
        begin, end = self._part()
        return end - begin

    def _part(self) -> tuple[int, int]:
        total, consumer = len(self._reader), self._consumer
        return total * consumer.index // consumer.count, total * (consumer.index + 1) // consumer.count


def _places(group: list[ShardRecord], numbers: "np.ndarray[Any, Any]") -> Iterator[tuple[ShardRecord, int]]:
    """Turn numbers that count through a group of shards into (shard, position)."""
    starts = [0, *accumulate(record.samples for record in group)]
    for number in numbers.tolist():
        which = bisect_right(starts, number) - 1
        yield group[which], number - starts[which]
