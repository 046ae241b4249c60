"""View features, and the samples they are extracted from. Nothing in here imports torch."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from opendlign_core.boxes import Boxes
from opendlign_core.evaluation.specs import Branch, MethodSpec
from opendlign_core.samples import Places

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class EvalSample:
    """One object: its depth maps in [0, 1] and, where known, its label and the images painted on the maps."""

    object_id: str
    label: str | None
    depth: Floats  # [V, H, W], or [V, H, W, 3] as the official files hold them
    images: NDArray[np.uint8] | None = None  # [V, H, W, 3]


@dataclass(frozen=True)
class PlacedSample:
    """One object whose points have parts: its depth maps, and where each point falls in them."""

    object_id: str
    label: str | None
    points: Floats  # [N, 3]
    parts: NDArray[np.int32]  # [N]; below 0 for points that belong to no part
    part_names: tuple[str, ...]
    """By number of the part."""
    depth: Floats  # [V, S, S]
    places: Places


@dataclass(frozen=True, eq=False)
class ProposedScene:
    """One scene with what stands in it, and the boxes that somebody proposed there."""

    scene_id: str
    points: Floats  # [N, 3], y up, those that the boxes were proposed on
    truth: Boxes  # G
    things: tuple[str, ...]
    """What the true boxes hold, in their order."""
    boxes: Boxes  # K
    objectness: NDArray[np.floating[Any]]  # [K], in [0, 1]
    crops: tuple[str, ...]
    """Ids of the objects in the boxes, in their order."""
    probabilities: NDArray[np.floating[Any]] | None = None  # [K, C], of the proposer's own classes
    classes: tuple[str, ...] = ()
    """Names of these."""


@dataclass(frozen=True)
class FeaturePlan:
    """The views each branch must see."""

    base: tuple[int, ...]
    depth: tuple[int, ...]

    def union(self, other: "FeaturePlan") -> "FeaturePlan":
        """The plan that serves both."""
        return FeaturePlan(tuple(sorted({*self.base, *other.base})), tuple(sorted({*self.depth, *other.depth})))

    def groups(self) -> Iterator[tuple[tuple[int, ...], bool, bool]]:
        """(views, through base, through depth) without overlap."""
        base, depth = set(self.base), set(self.depth)
        for views, *through in ((base - depth, True, False), (depth - base, False, True), (base & depth, True, True)):
            if views:
                yield tuple(sorted(views)), through[0], through[1]


def plan_for(method: MethodSpec, views: int) -> FeaturePlan:
    """What one method needs of so many views."""
    every, half = tuple(range(views)), views // 2
    if method.branches == "split":
        return FeaturePlan(every[:half], every[half:])
    return FeaturePlan(
        every if method.branches in ("base", "both") else (), every if method.branches in ("depth", "both") else ()
    )


@dataclass(frozen=True)
class ViewFeatures:
    """Unit features of N objects. Row order is sample order; the view axis follows the plan."""

    object_ids: tuple[str, ...]
    labels: tuple[str | None, ...]
    plan: FeaturePlan
    base: Floats  # [N, len(plan.base), E]
    depth: Floats  # [N, len(plan.depth), E]
    images: Floats  # [N, V, E], zeros for objects without painted images; [N, 0, 0] where none has any

    def __len__(self) -> int:
        return len(self.object_ids)

    def of(self, branch: Branch, views: Iterable[int]) -> Floats:
        """Features [N, len(views), E] of chosen views through one branch.

        Raises:
            KeyError: a view was not planned for that branch.
        """
        planned = self.plan.base if branch == "base" else self.plan.depth
        where = {view: position for position, view in enumerate(planned)}
        missing = [view for view in views if view not in where]
        if missing:
            raise KeyError(f"views {missing} were not extracted through the {branch} branch")
        return (self.base if branch == "base" else self.depth)[:, [where[view] for view in views]]

    def take(self, rows: NDArray[np.int64]) -> "ViewFeatures":
        """The same features for some of the objects."""
        ids = tuple(self.object_ids[row] for row in rows)
        labels = tuple(self.labels[row] for row in rows)
        return ViewFeatures(ids, labels, self.plan, self.base[rows], self.depth[rows], self.images[rows])

    @property
    def painted(self) -> NDArray[np.int64]:
        """Rows of the objects that came with painted images."""
        return np.flatnonzero(self.images.any(axis=(1, 2)))
