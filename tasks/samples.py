"""The store as evaluation wants to see it: labelled depth maps by data set and split, and a feature cache."""

import io
import logging
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from opendlign_core.evaluation import DatasetSpec
from storage.fetch import Fetcher
from storage.fingerprint import digest
from storage.reader import SampleReader
from storage.records import Manifest
from storage.shards import Sample
from storage.stores import Store
from tasks.catalog import CATALOG

if TYPE_CHECKING:
    from opendlign_core.evaluation import EvalSample

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class EvaluatedOutputs:
    """The outputs of one source: its clouds, its depth maps and, where images were painted, its aligned shards."""

    clouds: Manifest
    depths: Mapping[str, Manifest]
    aligned: Manifest | None = None

    @property
    def fingerprints(self) -> dict[str, str]:
        found = {"ingest": self.clouds.fingerprint, "project": next(iter(self.depths.values())).fingerprint}
        return found if self.aligned is None else {**found, "synthesize": self.aligned.fingerprint}


class StoredSamples:
    """An `EvalSource` over the outputs of a store.

    `on_sample` is called for every object that has been taken, when the next one is asked for: what it raises ends the
    reading there. An object that cannot be projected counts as well.
    """

    def __init__(
        self,
        store: Store,
        outputs: Iterable[EvaluatedOutputs],
        on_sample: Callable[[], None] = lambda: None,
    ) -> None:
        self._store = store
        self._outputs = tuple(outputs)
        self._on_sample = on_sample

    def identity(self, dataset: DatasetSpec, split: str | None, projection: str) -> str:
        """Changes with the outputs and with what is taken of them."""
        taken = [output.fingerprints for output in self._outputs]
        return digest([taken, sorted(dataset.sources), split, projection])

    def samples(
        self, dataset: DatasetSpec, split: str | None, projection: str, images: bool = False
    ) -> Iterator["EvalSample"]:
        """The data set's samples in store order."""
        for output in self._outputs:
            for sample in self._stored(output, dataset, split, projection, images):
                yield sample
                self._on_sample()

    def count(self, dataset: DatasetSpec, split: str | None, projection: str) -> int:
        """How many objects `samples` goes through, told from the catalogs."""
        return sum(
            objects
            for (source, there, drawn), objects in self._listed.items()
            if split in (None, there) and (not dataset.sources or source in dataset.sources) and drawn
        )

    @cached_property
    def _listed(self) -> Counter[tuple[str, str, bool]]:
        """The objects of all outputs by source, split and whether they have depth maps in the store."""
        found: Counter[tuple[str, str, bool]] = Counter()
        with Fetcher(self._store) as fetcher:
            for output in self._outputs:
                undrawn = {
                    sample.id
                    for depths in output.depths.values()
                    for record in depths.shards
                    for sample in record.rejected
                }
                for row in CATALOG.read(fetcher.path(output.clouds, output.clouds.file("catalog"))):
                    if row["rejected"] is None:
                        found[row["source"], row["split"], row["object_id"] not in undrawn] += 1
        return found

    def _stored(
        self, output: EvaluatedOutputs, dataset: DatasetSpec, split: str | None, projection: str, with_images: bool
    ) -> Iterator["EvalSample"]:
        from opendlign_core.evaluation import EvalSample
        from opendlign_core.samples import decode_depth

        painted = self._wanted(output.aligned, dataset, split) if with_images and output.aligned else iter(())
        pending = next(painted, None)
        for sample in self._wanted(output.depths[projection], dataset, split):
            meta, images = sample.json(), None
            # Aligned shards follow the order of the depth maps and may lack some of them.
            if pending is not None and pending.key == sample.key:
                images, pending = painted_views(pending), next(painted, None)
            depth = decode_depth(sample.fields["depth.npy"])
            yield EvalSample(meta["object_id"], meta["label"] or None, depth, images)

    def _wanted(self, manifest: Manifest, dataset: DatasetSpec, split: str | None) -> Iterator[Sample]:
        with SampleReader(self._store, manifest) as reader:
            for sample in reader:
                meta = sample.json()
                if split not in (None, meta["split"]) or (dataset.sources and meta["source"] not in dataset.sources):
                    continue
                yield sample


def painted_views(sample: Sample) -> NDArray[np.uint8]:
    """The painted views [V, H, W, 3] of an aligned sample."""
    from opendlign_core.samples import decode_image

    names = sorted(name for name in sample.fields if name[:2].isdigit())
    return np.stack([decode_image(sample.fields[name]) for name in names])


class StoredFeatures:
    """A `FeatureCache` in the store: one `.npz` per key, put only if absent; an unreadable one makes room for another.

    `user` is the output (stage/fingerprint) that the features are for: a note says so, and `gc` keeps features for
    as long as one of their users stays.
    """

    def __init__(self, store: Store, user: str) -> None:
        self._store = store
        self._user = user

    def get(self, key: str) -> Mapping[str, NDArray[Any]] | None:
        try:
            packed = self._store.read(f"features/{key}.npz")
        except FileNotFoundError:
            return None
        self._note(key)
        try:
            with np.load(io.BytesIO(packed), allow_pickle=False) as arrays:
                return dict(arrays.items())
        except Exception as fault:  # whatever a damaged archive makes its parsers raise
            logger.warning("features/%s.npz is damaged and is computed anew: %s", key, fault)
            self._store.delete(f"features/{key}.npz")
            return None

    def put(self, key: str, arrays: Mapping[str, NDArray[Any]]) -> None:
        buffer = io.BytesIO()
        named: dict[str, Any] = dict(arrays)
        np.savez(buffer, **named)
        self._note(key)
        self._store.put_if_absent(f"features/{key}.npz", buffer.getvalue())

    def _note(self, key: str) -> None:
        self._store.put_if_absent(f"features/{self._user}/{key}.npz", b"")
