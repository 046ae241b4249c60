"""From points to grid cells: rotate, fit the view's bounding box, quantise. Shared by every backend."""

from dataclasses import dataclass

import torch
from torch import Tensor

from opendlign_core.projection.checks import UnusableCloud
from opendlign_core.projection.recipe import ProjectionRecipe
from opendlign_core.projection.views import rotate, rotation_stages


@dataclass(frozen=True)
class Cells:
    """Where every point of every view falls, each [B, V, N]: image row, image column, slice, and depth value.

    Slices count from the far side. `depth` is the unrounded slice coordinate, clipped to [1, slices - 2].
    """

    row: Tensor  # int32
    column: Tensor  # int32
    layer: Tensor  # int32
    depth: Tensor  # float32

    def of_views(self) -> "Cells":
        """Return the same cells with clouds and views in one leading axis: [B * V, N]."""
        return Cells(*(field.flatten(0, 1) for field in (self.row, self.column, self.layer, self.depth)))


def cells_of(points: Tensor, recipe: ProjectionRecipe) -> Cells:
    """Return the cells of points [B, N, 3]; raise `UnusableCloud` if rounding makes a view's points coincide."""
    place = rotate(points.transpose(1, 2).contiguous(), rotation_stages(recipe))  # [B, V, 3, N]
    high, low = place.amax(-1, keepdim=True), place.amin(-1, keepdim=True)
    extent = (high - low).amax(2, keepdim=True)
    _refuse_flat(extent)
    place = place.sub_((high + low) / 2).div_(extent).mul_(2)
    row, column = (_pixel(place[:, :, axis], recipe) for axis in (0, 1))
    bias = torch.tensor(1 + recipe.depth_bias, device=points.device)  # a tensor: CUDA divides by scalars inexactly
    depth = place[:, :, 2].add(1).div_(2).add_(recipe.depth_bias).div_(bias).mul_(recipe.slices - 2)
    layer = depth.ceil().int()
    return Cells(row, column, layer, depth.clamp_(1, recipe.slices - 2))


def cell_range(recipe: ProjectionRecipe) -> tuple[int, int]:
    """Return the first and the last row (or column) that a point can fall into."""
    margin = (1 - recipe.scale) / 2 * recipe.size
    slack = 1e-5 * recipe.size  # far above the rounding of a coordinate
    first = -int((slack - margin) // 1)
    last = -int((margin - slack - recipe.size) // 1)
    return max(1, first), min(recipe.size - 2, last)


def _pixel(coordinate: Tensor, recipe: ProjectionRecipe) -> Tensor:
    scaled = coordinate.mul(recipe.scale).add_(1).div_(2).mul_(recipe.size)
    return scaled.ceil_().clamp_(1, recipe.size - 2).int()


def _refuse_flat(extent: Tensor) -> None:  # [B, V, 1, 1]
    bad = ~(extent.flatten(1) > 0).all(1) | ~torch.isfinite(extent.flatten(1)).all(1)
    if bool(bad.any()):
        index = int(bad.nonzero()[0])
        raise UnusableCloud(index, "the points coincide within float32 rounding; centre and scale the cloud first")
