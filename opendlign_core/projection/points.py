"""Depth maps with every point's place in them, as part segmentation needs: pixel, cell and visibility.

The reference looks points up at the pixel mirrored across the main diagonal. `faithful` reproduces that, for
comparison with its numbers; `corrected` looks where the point is.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from opendlign_core.errors import BadInput
from opendlign_core.projection.checks import as_points, refuse_unusable
from opendlign_core.projection.cores import on_all_cores
from opendlign_core.projection.grid import Cells, cells_of
from opendlign_core.projection.recipe import ProjectionRecipe, WeightedSplat, resolve_recipe
from opendlign_core.projection.volume import squeezed_and_probed
from opendlign_core.samples.places import Lookup, Places

Placed = tuple[Tensor, Places]
"""Maps, and the places of points in them."""

SEEN_WITHIN = 0.1
"""A point is seen if its own smoothed depth and its pixel's differ by less than this."""

PLACED_AT_ONCE = 1 << 19
"""Points of all views that are placed at once; each takes some two hundred bytes while it is."""


@dataclass(frozen=True)
class ProjectedPoints:
    """Depth maps and, for every point of every view, its grid cell, its pixel and whether the pixel shows it."""

    depth: Tensor  # [B, V, S, S]
    cells: Cells  # each field [B, V, N]
    pixel: Tensor  # [B, V, N, 2] int64 (row, column) in the native map
    difference: Tensor  # [B, V, N] the pixel's depth less the point's own smoothed depth
    seen: Tensor  # [B, V, N] bool

    @property
    def rows(self) -> Tensor:  # [B, V, N]
        return self.pixel[..., 0]

    @property
    def columns(self) -> Tensor:  # [B, V, N]
        return self.pixel[..., 1]

    @property
    def visible(self) -> Tensor:  # [B, V, N] bool
        return self.seen


@torch.no_grad()
def project_points(
    points: Tensor | NDArray[np.float32],
    recipe: str | ProjectionRecipe = "pointclip-v2-seg",
    lookup: Lookup = "corrected",
) -> ProjectedPoints:
    """Project points [B, N, 3] and report where each one went, of as many as the recipe takes.

    >>> cloud = np.random.default_rng(0).normal(size=(1, 200, 3)).astype(np.float32)
    >>> found = project_points(cloud, "opendlign")
    >>> found.depth.shape, found.rows.shape
    (torch.Size([1, 10, 224, 224]), torch.Size([1, 10, 200]))

    Raises:
        UnusableCloud: as `project`.
        BadInput: the recipe splats its points, so that none has a pixel of its own.
    """
    chosen = resolve_recipe(recipe)
    cells = _cells(points, chosen)
    depth, found = _looked_up(cells, chosen, (lookup,))
    pixel, difference = found[lookup]
    return ProjectedPoints(depth, cells, pixel, difference, difference.abs() < SEEN_WITHIN)


def maps_and_places(points: Tensor | NDArray[np.float32], recipe: ProjectionRecipe) -> tuple[Tensor, Places]:
    """The maps [V, S, S] of one cloud [N, 3] and the places that the recipe keeps of its points.

    Of a large cloud some views are placed at a time. Raises like `project_points`.
    """
    cores = torch.get_num_threads() if torch.as_tensor(points).device.type == "cpu" else 1
    count = max(1, min(PLACED_AT_ONCE // max(1, len(points)), -(-len(recipe.views) // cores)))
    some = [recipe.replace(views=recipe.views[start : start + count]) for start in range(0, len(recipe.views), count)]
    place = torch.no_grad()(partial(_some_views, points))  # anew in each thread
    parts = list(map(place, some) if cores == 1 else on_all_cores(place, some))
    row, column = (np.concatenate([getattr(places, at) for _, places in parts]) for at in ("row", "column"))
    seen = {name: np.concatenate([places.seen[name] for _, places in parts]) for name in recipe.places}
    return torch.cat([depth for depth, _ in parts]), Places.of(row, column, seen)


def _some_views(points: Tensor | NDArray[np.float32], recipe: ProjectionRecipe) -> Placed:
    cells = _cells(points[None], recipe)
    depth, found = _looked_up(cells, recipe, recipe.places)
    row, column = (at[0].cpu().numpy() for at in _pixels(cells, recipe))
    seen = {name: (difference[0].abs() < SEEN_WITHIN).cpu().numpy() for name, (_, difference) in found.items()}
    return depth[0], Places.of(row, column, seen)


def _cells(points: Tensor | NDArray[np.float32], recipe: ProjectionRecipe) -> Cells:
    if isinstance(recipe.densify, WeightedSplat):
        raise BadInput(
            "a recipe that splats its points gives none a pixel of its own; take pointclip-v2-seg or opendlign"
        )
    cloud = as_points(points)[:, : recipe.first_points]
    refuse_unusable(cloud)
    return cells_of(cloud, recipe)


def _looked_up(
    cells: Cells, recipe: ProjectionRecipe, lookups: Sequence[Lookup]
) -> tuple[Tensor, Mapping[Lookup, tuple[Tensor, Tensor]]]:
    """Maps [B, V, S, S] and, by look-up, pixels [B, V, N, 2] with what each differs by from the point's own depth."""
    true = _pixels(cells, recipe)
    layer = cells.layer.long().clamp(1, recipe.slices - 3)
    pixels = {name: torch.stack(true if name == "corrected" else true[::-1], -1) for name in lookups}
    probes = torch.cat([torch.cat([layer[..., None], pixel], -1) for pixel in pixels.values()], 2)
    images, own = squeezed_and_probed(cells, recipe, probes)
    assert own is not None
    parts = dict(zip(pixels, torch.split(own, layer.shape[-1], dim=-1), strict=True))
    return 1 - images, {name: (pixel, parts[name] - _at(images, pixel)) for name, pixel in pixels.items()}


def _pixels(cells: Cells, recipe: ProjectionRecipe) -> tuple[Tensor, Tensor]:
    """Rows and columns [B, V, N] of the native map: the grid's, moved where the map is smaller or larger."""
    last = recipe.image_size - 1
    row, column = ((at.long() + recipe.image_shift).clamp_(0, last) for at in (cells.row, cells.column))
    return row, column


def _at(images: Tensor, pixel: Tensor) -> Tensor:  # [B, V, N]
    size = images.shape[-1]
    return images.flatten(2).gather(2, pixel[..., 0] * size + pixel[..., 1])
