"""View features that outlive a run: each half of the views through each branch is extracted once for a model and data.

Every method reads halves of the views (`plan_for`), so that a benchmark of other methods on the same data finds what
an earlier one has left.
"""

import hashlib
import json
import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from opendlign_core.evaluation.extractor import Extractor
from opendlign_core.evaluation.features import EvalSample, FeaturePlan, Floats, ViewFeatures

logger = logging.getLogger(__name__)

Arrays = Mapping[str, NDArray[Any]]


class FeatureCache(Protocol):
    """Keeps arrays by name; `put` may ignore a name it holds already."""

    def get(self, key: str) -> Arrays | None:
        """The arrays stored under `key`, or None where there are none that can be read."""
        ...

    def put(self, key: str, arrays: Arrays) -> None:
        """Store arrays under `key`."""
        ...


def remembered(cache: FeatureCache | None, key: str) -> Arrays | None:
    """What the cache holds under `key`, unless it is what a diverged model gave, which earlier versions kept."""
    found = None if cache is None else cache.get(key)
    if found is None or not all(np.isfinite(array).all() for array in found.values()):
        return None
    return found


class Block(NamedTuple):
    """What one entry of the cache holds: views through a branch, or the painted images (whose views go uncounted)."""

    kind: Literal["base", "depth", "images"]
    views: tuple[int, ...] = ()


def blocks_of(plan: FeaturePlan, views: int, images: bool) -> list[Block]:
    """The entries that a plan over depth maps of so many views is made of."""
    halves = (range(views // 2), range(views // 2, views))
    found = [Block("base", tuple(view for view in half if view in plan.base)) for half in halves]
    found += [Block("depth", tuple(view for view in half if view in plan.depth)) for half in halves]
    return [*([Block("images")] if images else []), *(block for block in found if block.views)]


@dataclass(frozen=True)
class FeatureLoader:
    """Features of one source of samples, from the cache as far as it holds them; `identity` names the source."""

    extractor: Extractor
    identity: str
    cache: FeatureCache | None

    def load(
        self, samples: Callable[[bool], Iterable[EvalSample]], views: int, images: bool
    ) -> tuple[ViewFeatures, bool]:
        """All that the extractor's plan asks for, and whether nothing had to be extracted.

        Args:
            samples: reads the source, with painted images or without.
            views: how many depth maps an object has.
            images: whether painted images are wanted too.
        """
        wanted = blocks_of(self.extractor.plan, views, images)
        found = {block: arrays for block in wanted if (arrays := self._get(block)) is not None}
        missing = [block for block in wanted if block not in found]
        if missing:
            found |= self._extract(missing, samples)
        return self._assembled(found), not missing

    def _get(self, block: Block) -> Arrays | None:
        return remembered(self.cache, self.key(block))

    def _extract(self, blocks: list[Block], samples: Callable[[bool], Iterable[EvalSample]]) -> dict[Block, Arrays]:
        plan = FeaturePlan(_views_of(blocks, "base"), _views_of(blocks, "depth"))
        features = replace(self.extractor, plan=plan).extract(samples(Block("images") in blocks))
        names = np.frombuffer(json.dumps([features.object_ids, features.labels]).encode(), np.uint8)
        found: dict[Block, Arrays] = {}
        for block in blocks:
            part = features.images if block.kind == "images" else features.of(block.kind, block.views)
            found[block] = {"names": names, "features": part}
            if self.cache is not None:
                self.cache.put(self.key(block), found[block])
        return found

    def _assembled(self, found: Mapping[Block, Arrays]) -> ViewFeatures:
        ids, labels = json.loads(next(iter(found.values()))["names"].tobytes())
        images = found.get(Block("images"))
        return ViewFeatures(
            tuple(ids),
            tuple(labels),
            self.extractor.plan,
            _joined(found, "base", len(ids)),
            _joined(found, "depth", len(ids)),
            np.zeros((len(ids), 0, 0), np.float32) if images is None else images["features"],
        )

    def key(self, block: Block) -> str:
        """Digest of the weights, of what is read, and of how it is encoded."""
        model, pixels = self.extractor.model, self.extractor.pixels
        identity = {
            "model": (model.fingerprint, model.weights),
            "image_size": model.image_size,
            "source": self.identity,
            "block": block,
            "pixels": (model.mean, model.std) if pixels == "model" else pixels,
            "precision": self.extractor.precision,
        }
        return hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()[:24]


def _views_of(blocks: Iterable[Block], kind: str) -> tuple[int, ...]:
    return tuple(sorted(view for block in blocks if block.kind == kind for view in block.views))


def _joined(found: Mapping[Block, Arrays], kind: str, objects: int) -> Floats:
    """The blocks of a branch side by side, in view order: [N, V, E]."""
    blocks = sorted((block for block in found if block.kind == kind), key=lambda block: block.views)
    if not blocks:
        return np.zeros((objects, 0, 0), np.float32)
    parts: list[Floats] = [found[block]["features"] for block in blocks]
    return parts[0] if len(parts) == 1 else np.concatenate(parts, axis=1)
