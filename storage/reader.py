"""Reading an output's samples: in order, by range, or shuffled, split over consumers and resumable."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

import numpy as np

from storage.fetch import Fetcher
from storage.records import Manifest, ShardRecord
from storage.settings import get_settings
from storage.shards import Sample, ShardFile
from storage.stores import Store


class SampleReader:
    """The samples of one finished output, numbered 0..len-1 in shard order."""

    def __init__(self, store: Store, manifest: Manifest, *, verify: bool | None = None) -> None:
        self.manifest = manifest
        self._fetcher = Fetcher(store, verify=get_settings().verify_reads if verify is None else verify)
        self._ends = list(accumulate(record.samples for record in manifest.shards))

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

    def read_shard(self, record: ShardRecord, positions: "range | np.ndarray[Any, Any]") -> Iterator[Sample]:
        with self._fetcher.path(self.manifest, record.shard).open("rb") as stream:
            shard = ShardFile(stream)
            for position in positions:
                yield shard[int(position)]


@dataclass(frozen=True)
class Consumer:
    """One of `count` readers that share an epoch: rank times workers plus worker."""

    index: int = 0
    count: int = 1

    @classmethod
    def of(cls, rank: int, world: int, worker: int = 0, workers: int = 1) -> "Consumer":
        return cls(rank * workers + worker, world * workers)


class ShuffledReader:
    """Epochs over an output in an order fixed by (seed, epoch).

    Shards are shuffled, laid end to end, and samples shuffled inside each shard. Consumers take equal contiguous parts
    of that sequence (sizes differ by at most one), so together they see every sample exactly once and each opens few
    shards. `epoch(e, skip=k)` continues exactly where a consumer that had taken k samples stopped.
    """

    def __init__(self, reader: SampleReader, seed: int, consumer: Consumer | None = None) -> None:
        self._reader = reader
        self._seed = seed
        self._consumer = consumer or Consumer()

    def epoch(self, epoch: int, skip: int = 0) -> Iterator[Sample]:
        shards = self._reader.manifest.shards
        begin, end = self._part(skip)
        offset = 0
        for place in np.random.default_rng([self._seed, epoch]).permutation(len(shards)):
            record = shards[int(place)]
            first, last = max(begin - offset, 0), min(end - offset, record.samples)
            if first < last:
                order = np.random.default_rng([self._seed, epoch, record.index]).permutation(record.samples)
                yield from self._reader.read_shard(record, order[first:last])
            offset += record.samples

    def __len__(self) -> int:
        begin, end = self._part(0)
        return end - begin

    def _part(self, skip: int) -> tuple[int, int]:
        total, consumer = len(self._reader), self._consumer
        begin = total * consumer.index // consumer.count
        return begin + skip, total * (consumer.index + 1) // consumer.count
