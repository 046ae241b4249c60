"""Depth maps with every point's place in them, as part segmentation needs: pixel, cell and visibility.

The reference looks points up at the pixel mirrored across the main diagonal. `faithful` reproduces that, for
comparison with its numbers; `corrected` looks where the point is.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from opendlign_core.clip.pixels import resize_aligned
from opendlign_core.projection.checks import as_points, refuse_unusable
from opendlign_core.projection.grid import Cells, cells_of
from opendlign_core.projection.recipe import ProjectionRecipe, resolve_recipe
from opendlign_core.projection.volume import squeezed_and_probed

Lookup = Literal["corrected", "faithful"]

SEEN_WITHIN = 0.1
"""A point is seen if its own smoothed depth and its pixel's differ by less than this."""

CROP = 20
"""Pixels that `crop_to_encoder` takes off every side of a 224-pixel map."""


@dataclass(frozen=True)
class ProjectedPoints:
    """Depth maps and, for every point of every view, its grid cell, its pixel and whether the pixel shows it."""

    depth: Tensor  # [B, V, S, S]
    cells: Cells  # each field [B, V, N]
    pixel: Tensor  # [B, V, N, 2] int64 (row, column) in the native map
    difference: Tensor  # [B, V, N] the pixel's depth less the point's own smoothed depth
    seen: Tensor  # [B, V, N] bool


@torch.no_grad()
def project_points(
    points: Tensor | NDArray[np.float32],
    recipe: str | ProjectionRecipe = "pointclip-v2-seg",
    lookup: Lookup = "corrected",
) -> ProjectedPoints:
    """Project points [B, N, 3] and report where each one went, of as many as the recipe takes.

    Raises like `project`, and ValueError for a recipe whose filters stay inside a slice.
    """
    chosen = resolve_recipe(recipe)
    cloud = as_points(points)[:, : chosen.first_points]
    refuse_unusable(cloud)
    if chosen.image_size != chosen.size:
        raise ValueError(
            f"points keep their pixels only if map and grid have one size; this recipe maps {chosen.size}"
            f" cells to {chosen.image_size} pixels"
        )
    cells = cells_of(cloud, chosen)
    place = (cells.row, cells.column) if lookup == "corrected" else (cells.column, cells.row)
    pixel = torch.stack(place, -1).long()
    layer = cells.layer.long().clamp(1, chosen.slices - 3)
    images, own = squeezed_and_probed(cells, chosen, torch.cat([layer[..., None], pixel], -1))
    assert own is not None
    shown = _at(images, pixel)
    difference = own - shown
    return ProjectedPoints(1 - images, cells, pixel, difference, difference.abs() < SEEN_WITHIN)


def crop_to_encoder(depth: Tensor, size: int = 224) -> Tensor:
    """Return maps [..., S, S] less their empty border, resized with aligned corners to [..., size, size]."""
    return resize_aligned(depth[..., CROP:-CROP, CROP:-CROP], size)


def crop_pixels(pixel: Tensor, native: int = 224, size: int = 224) -> Tensor:
    """Return where pixels [..., 2] of a native map lie after `crop_to_encoder`: int64, rounded up."""
    ratio = torch.tensor(float(native - 2 * CROP), device=pixel.device)
    return ((pixel.float() - CROP) * size / ratio).ceil().long()


def _at(images: Tensor, pixel: Tensor) -> Tensor:  # [B, V, N]
    size = images.shape[-1]
    return images.flatten(2).gather(2, pixel[..., 0] * size + pixel[..., 1])
