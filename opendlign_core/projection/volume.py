"""Projection whose filters cross depth slices: the dense grid of one view at a time."""

import math

import torch
from torch import Tensor
from torch.nn.functional import max_pool3d, pad

from opendlign_core.projection.grid import Cells
from opendlign_core.projection.recipe import Bilateral, Gaussian, ProjectionRecipe, WindowMax


def is_volumetric(recipe: ProjectionRecipe) -> bool:
    """Tell whether any filter of the recipe looks across slices, or a cell keeps its last point."""
    if isinstance(recipe.densify, WindowMax) and recipe.densify.window[0] > 1:
        return True
    return recipe.collision == "last" or (recipe.smooth is not None and recipe.smooth.window[0] > 1)


def project_volume(cells: Cells, recipe: ProjectionRecipe) -> Tensor:
    """Return the native images [B, V, S, S] of the cells."""
    clouds, views, _ = cells.row.shape
    flat = cells.of_views()
    images = [_image(smoothed_volume(flat, view, recipe)) for view in range(clouds * views)]
    return torch.stack(images).view(clouds, views, recipe.size, recipe.size)


def smoothed_volume(cells: Cells, view: int, recipe: ProjectionRecipe) -> Tensor:
    """Return the densified and smoothed grid of one view: [slices, S, S]."""
    assert isinstance(recipe.densify, WindowMax)
    grid = torch.zeros(recipe.slices, recipe.size, recipe.size, device=cells.depth.device)
    index = (cells.layer[view].long() * recipe.size + cells.row[view]) * recipe.size + cells.column[view]
    if recipe.collision == "last":
        grid.view(-1).scatter_(0, index, cells.depth[view])
    else:
        grid.view(-1).scatter_reduce_(0, index, cells.depth[view], "amax")
    dense = max_pool3d(grid[None, None], recipe.densify.window, 1, recipe.densify.padding)[0, 0]
    if isinstance(recipe.smooth, Gaussian):
        return _gaussian(dense, recipe.smooth)
    if isinstance(recipe.smooth, Bilateral):
        return _bilateral(dense, recipe.smooth)
    return dense


def _image(volume: Tensor) -> Tensor:
    squeezed = volume.amax(0)
    return 1 - squeezed / squeezed.max()


def _shifted(volume: Tensor, window: tuple[int, int, int]) -> dict[tuple[int, int, int], Tensor]:
    """Return views of the volume, surrounded by background, moved by every offset of the window."""
    reach = [extent // 2 for extent in window]
    padded = pad(volume, [side for extent in reversed(reach) for side in (extent, extent)])
    d, h, w = volume.shape
    return {
        (z - reach[0], y - reach[1], x - reach[2]): padded[z : z + d, y : y + h, x : x + w]
        for z in range(window[0])
        for y in range(window[1])
        for x in range(window[2])
    }


def _gaussian(volume: Tensor, smooth: Gaussian) -> Tensor:
    for axis in range(3):
        window = [1, 1, 1]
        window[axis] = smooth.window[axis]
        weights = [
            math.exp(-((o - window[axis] // 2) ** 2) / (2 * smooth.sigma[axis] ** 2)) for o in range(window[axis])
        ]
        total = torch.zeros_like(volume)
        for weight, moved in zip(weights, _shifted(volume, (window[0], window[1], window[2])).values(), strict=True):
            total += moved * (weight / sum(weights))
        volume = total
    return volume


def _bilateral(volume: Tensor, smooth: Bilateral) -> Tensor:
    radius = smooth.window[1] // 2
    total, norm = torch.zeros_like(volume), torch.zeros_like(volume)
    for (z, y, x), moved in _shifted(volume, smooth.window).items():
        distance = z * z + y * y + x * x
        if smooth.support == "disc" and distance > radius**2:
            continue
        difference = (moved - volume).square_() / (2 * smooth.sigma_value**2)
        weight = difference.add_(distance / (2 * smooth.sigma_space**2)).neg_().exp_()
        norm += weight
        total += weight.mul_(moved)
    return total.div_(norm)
