"""Pictures of single parts: what the mini CLIP learns the words for parts from.

A part is shown alone, painted as if the rest of its object were not there, in its place or from nearby; or from nearby
with the rest around it, cut out of the painted object. Pictures have one sentence each and no masks: CLIP is told what
a picture shows and never which pixel shows it.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn.functional import interpolate

from opendlign_core.articles import article
from opendlign_core.ingestion.cloud import PointCloud
from opendlign_core.projection import ProjectionRecipe
from opendlign_core.projection.labels import label_maps

LEAST_PIXELS = 8
"""A part is pictured from where this many pixels show it."""
_IN_PLACE, _NEARBY = 0.35, 0.35
"""Shares of the pictures of a part alone, in its place and from nearby; all others show what is around it."""
_MARGIN = (1.0, 1.8)
"""Sides of the window around a part that is seen from nearby, in sides of the part."""
_LEAST_WINDOW = 20
"""Rows and columns of the smallest window: fewer pixels say too little."""

Window = tuple[slice, slice]
Painter = Callable[[NDArray[np.float32]], NDArray[np.uint8]]
"""Paints depth maps [M, H, W]: images [M, H, W, 3]."""


@dataclass(frozen=True)
class PartView:
    """One picture to be made: a part's mask [H, W] in a view, and the window that the picture shows."""

    name: str
    view: int
    mask: NDArray[np.bool_]
    window: Window
    alone: bool


@dataclass(frozen=True)
class PartPictures:
    """Pictures [M, H, W, 3] of parts, with the parts' names and the objects' labels."""

    images: NDArray[np.uint8]
    names: NDArray[np.str_]
    labels: NDArray[np.str_]

    def of_categories(self, generator: np.random.Generator, categories: int, count: int) -> NDArray[np.int64]:
        """Up to `count` pictures of a few categories, so that the parts of one object must be told apart."""
        chosen = generator.choice(np.unique(self.labels), size=categories, replace=False)
        places = np.flatnonzero(np.isin(self.labels, chosen))
        return generator.choice(places, size=min(count, len(places)), replace=False)

    def words(self, place: int, owned: bool) -> str:
        """What a picture shows: `seat`, or `seat of a chair`."""
        name = str(self.names[place])
        return f"{name} of {article(str(self.labels[place]))}" if owned else name


def joined(pictures: Sequence[PartPictures]) -> PartPictures:
    """All pictures as one."""
    return PartPictures(
        np.concatenate([each.images for each in pictures]),
        np.concatenate([each.names for each in pictures]),
        np.concatenate([each.labels for each in pictures]),
    )


def part_views(
    cloud: PointCloud, projection: ProjectionRecipe, count: int, rng: np.random.Generator
) -> list[PartView]:
    """Choose up to `count` views of each part of an object; none where the object is all one part."""
    if cloud.parts is None or len(cloud.part_names) < 2:
        return []
    shown = label_maps(cloud.points, cloud.parts, projection)
    chosen: list[PartView] = []
    for number, name in enumerate(cloud.part_names):
        masks = shown == number
        seen_from = np.flatnonzero(masks.sum(axis=(1, 2)) >= LEAST_PIXELS)
        views = rng.permutation(seen_from)[:count]
        chosen += [_part_view(name, int(view), masks[view], rng) for view in views]
    return chosen


def picture_parts(
    views: Sequence[PartView], depth: NDArray[np.float32], images: NDArray[np.uint8], paint: Painter
) -> NDArray[np.uint8]:
    """Make the pictures [M, H, W, 3] of an object's part views from its depth maps [V, H, W] and painted views."""
    pictures = np.empty((len(views), *images.shape[1:]), np.uint8)
    alone = [place for place, view in enumerate(views) if view.alone]
    if alone:
        maps = [_magnified(np.where(views[place].mask, depth[views[place].view], 1), views[place]) for place in alone]
        pictures[alone] = paint(np.stack(maps))
    for place, view in enumerate(views):
        if not view.alone:
            pictures[place] = _magnified(images[view.view], view)
    return pictures


def _part_view(name: str, view: int, mask: NDArray[np.bool_], rng: np.random.Generator) -> PartView:
    kind, margin = rng.random(), rng.uniform(*_MARGIN)
    if kind < _IN_PLACE:
        return PartView(name, view, mask, (slice(None), slice(None)), alone=True)
    return PartView(name, view, mask, _around(mask, margin), alone=kind < _IN_PLACE + _NEARBY)


def _around(mask: NDArray[np.bool_], margin: float) -> Window:
    """A square window around what a mask [S, S] shows, inside the picture."""
    size = len(mask)
    spans = [(places.min(), places.max() + 1) for places in np.nonzero(mask)]
    side = int(np.clip(margin * max(high - low for low, high in spans), _LEAST_WINDOW, size))
    first = [int(np.clip((low + high - side) // 2, 0, size - side)) for low, high in spans]
    return slice(first[0], first[0] + side), slice(first[1], first[1] + side)


def _magnified(picture: NDArray[np.generic], view: PartView) -> NDArray[np.generic]:
    """The view's window of a depth map [S, S] or an image [S, S, 3], as large as the whole.

    Depth is not blended: there is nothing between a part and the background.
    """
    window = torch.from_numpy(np.ascontiguousarray(picture[view.window])).float()
    if picture.ndim == 2:
        grown = interpolate(window[None, None], size=picture.shape, mode="nearest")
        return grown[0, 0].numpy()
    grown = interpolate(window.movedim(-1, 0)[None], size=picture.shape[:2], mode="bilinear", align_corners=False)
    return grown[0].movedim(0, -1).round().clamp(0, 255).byte().numpy()
