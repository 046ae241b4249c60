"""Photos as an encoder saw them: their features, poses and categories, kept in order."""

import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from opendlign_core.errors import BadInput
from opendlign_core.evaluation.cached import Arrays, FeatureCache, remembered
from opendlign_core.evaluation.pose.encoders import Probed
from opendlign_core.evaluation.pose.probing.features import ProbeFeatures, joined, of_blocks
from opendlign_core.evaluation.pose.probing.training import ProbePhotos
from opendlign_core.pose import Floats
from opendlign_core.samples import PosedPhoto

Picture = NDArray[np.uint8]
BATCH = 64


@dataclass(frozen=True)
class Album:
    """N photos."""

    ids: tuple[str, ...]
    categories: tuple[str, ...]
    things: tuple[str, ...]
    """The shape in each photo: its CAD where it has one, else the photo itself."""
    photos: ProbePhotos

    def take(self, rows: NDArray[np.int64]) -> "Album":
        """The same for some of the photos."""
        ids, categories, things = (
            tuple(np.array(names, dtype=object)[rows]) for names in (self.ids, self.categories, self.things)
        )
        return Album(ids, categories, things, self.photos.take(rows))

    def where(self, wanted: NDArray[np.bool_]) -> "Album":
        return self.take(np.flatnonzero(wanted))

    def __len__(self) -> int:
        return len(self.ids)


@dataclass(frozen=True)
class Photographed:
    """What is read of a source for one encoder."""

    probed: Probed
    blocks: tuple[int, ...]
    mirrored: bool
    """Whether photos are also seen mirrored, to learn from."""

    def album(self, photos: Iterable[PosedPhoto], identity: str, cache: FeatureCache | None) -> Album:
        """From the cache as far as it holds the source of that identity; else photos are read, a batch at a time.

        Raises:
            BadInput: there is no photo.
        """
        key = self._key(identity)
        if (found := remembered(cache, key)) is not None:
            return self._of_arrays(found)
        arrays = self._arrays(photos)
        if cache is not None:
            cache.put(key, arrays)
        return self._of_arrays(arrays)

    def _arrays(self, photos: Iterable[PosedPhoto]) -> Arrays:
        names: list[list[str]] = []
        angles: list[Floats] = []
        sides: tuple[list[ProbeFeatures], ...] = ([], []) if self.mirrored else ([],)
        for batch in batches(photos):
            names += [_names(photo) for photo in batch]
            angles += [photo.angles() for photo in batch]
            pictures = np.stack([photo.square() for photo in batch])
            for features, seen in zip(sides, (pictures, pictures[:, :, ::-1].copy()), strict=False):
                features.append(self._features(seen))
        if not names:
            raise BadInput("no photos with poses; check the data set's sources, split and categories")
        found = {f"{part}{number}": getattr(joined(features), part).numpy()
                 for number, features in enumerate(sides) for part in ("classes", "pooled")}  # fmt: skip
        text = np.frombuffer(json.dumps(names).encode(), np.uint8)
        return {"names": text, "angles": np.array(angles), **found}

    def _features(self, pictures: Picture) -> ProbeFeatures:
        with torch.inference_mode():
            outputs = self.probed.outputs(torch.from_numpy(pictures), self.blocks)
            return of_blocks([tokens.float() for tokens in outputs], self.blocks, self.probed.depth)

    def _of_arrays(self, arrays: Arrays) -> Album:
        ids, categories, things = (
            tuple(column) for column in zip(*json.loads(arrays["names"].tobytes()), strict=True)
        )
        plain, *flipped = (
            ProbeFeatures(
                torch.from_numpy(arrays[f"classes{side}"]), torch.from_numpy(arrays[f"pooled{side}"]), self.blocks,
                self.probed.depth,
            )
            for side in range(1 + self.mirrored)
        )  # fmt: skip
        angles: Floats = arrays["angles"]
        return Album(ids, categories, things, ProbePhotos(plain, angles, flipped[0] if flipped else None))

    def _key(self, identity: str) -> str:
        told: list[Any] = ["pose-album/1", identity, self.probed.identity, self.blocks, self.mirrored]
        return hashlib.sha256(json.dumps(told).encode()).hexdigest()[:24]


def _names(photo: PosedPhoto) -> list[str]:
    """Id, category and shape."""
    cad = photo.meta.cad
    return [photo.meta.object_id, photo.meta.label or "", cad.digest if cad is not None else photo.meta.object_id]


def batches(photos: Iterable[PosedPhoto]) -> Iterator[list[PosedPhoto]]:
    """Photos in lists of up to 64."""
    waiting: list[PosedPhoto] = []
    for photo in photos:
        waiting.append(photo)
        if len(waiting) == BATCH:
            yield waiting
            waiting = []
    if waiting:
        yield waiting
