"""Reading an output's samples: in order, by range, or from chosen places."""

import tarfile
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
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

    def read_shard(self, record: ShardRecord, positions: Iterable[int] | np.ndarray[Any, Any]) -> Iterator[Sample]:
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

    def keys(self) -> Iterator[str]:
        """The keys of all samples in their order, told by the shards' headers alone."""
        for record in self.manifest.shards:
            with ExitStack() as files:
                yield from self.open_shard(record, files).keys

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
