"""PointCLIP's first projection: every point covers a small square, and a pixel is a nearness-weighted mean depth.

Stated in this package's convention (background 1, nearest 0) with six orthographic views.
"""

import torch
from torch import Tensor

from opendlign_core.projection.grid import Cells
from opendlign_core.projection.recipe import ProjectionRecipe, WeightedSplat


def project_splat(cells: Cells, recipe: ProjectionRecipe) -> Tensor:
    """Return the native images [B, V, S, S]; the weight of a point is its depth value, larger when nearer."""
    assert isinstance(recipe.densify, WeightedSplat)
    clouds, views, _ = cells.row.shape
    flat = cells.of_views()
    pixel = _covered(flat, recipe.densify.window, recipe.size)  # [B * V, N, window ** 2]
    weight = flat.depth[:, :, None].expand_as(pixel).flatten(1)
    # Sums in float64: their float32 rounding would depend on the order of the points.
    total = torch.zeros(len(pixel), recipe.size**2, dtype=torch.float64, device=weight.device)
    squares = total.clone()
    total.scatter_add_(1, pixel.flatten(1), weight.double())
    squares.scatter_add_(1, pixel.flatten(1), weight.double().square())
    mean = torch.where(total > 0, squares / total.clamp_min(1e-30), 0).float()
    image = 1 - mean / mean.amax(1, keepdim=True)
    return image.view(clouds, views, recipe.size, recipe.size)


def _covered(cells: Cells, window: int, size: int) -> Tensor:
    offset = torch.arange(window, device=cells.row.device) - window // 2
    row = (cells.row[:, :, None] + offset).clamp_(0, size - 1).long()
    column = (cells.column[:, :, None] + offset).clamp_(0, size - 1).long()
    return (row[:, :, :, None] * size + column[:, :, None, :]).flatten(2)
