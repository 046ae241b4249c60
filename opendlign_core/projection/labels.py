"""Label maps: which part of a cloud each pixel of its depth maps shows."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn.functional import max_pool2d

from opendlign_core.projection.checks import as_points, refuse_unusable
from opendlign_core.projection.grid import cells_of
from opendlign_core.projection.recipe import ProjectionRecipe, WindowMax

NOTHING = -1
"""What a pixel shows that no labelled point covers."""

_DEPTH_STEPS = 1024
"""Of one slice: points nearer to each other than that are as near."""


@torch.no_grad()
def label_maps(points: NDArray[np.float32], labels: NDArray[np.int32], recipe: ProjectionRecipe) -> NDArray[np.int16]:
    """Return [V, S, S]: the label of the nearest point that each pixel of the recipe's maps shows, or `NOTHING`.

    Points [N, 3] cover what the recipe's window lets them cover, and hide what lies behind, labelled or not; labels
    [N] are from `NOTHING` upwards.
    """
    cloud = as_points(points[None])
    refuse_unusable(cloud)
    if not isinstance(recipe.densify, WindowMax):
        raise ValueError("labels are mapped by recipes whose points cover a window; this one splats")
    kinds = int(labels.max(initial=0)) + 2
    cells = cells_of(cloud, recipe)
    # One number that is larger the nearer the point and still holds the label: a maximum finds both at once.
    code = (cells.depth[0].double() * _DEPTH_STEPS).round() * kinds + torch.from_numpy(labels).double() + 1
    place = (cells.row[0] * recipe.size + cells.column[0]).long()
    grid = torch.zeros(len(code), recipe.size**2, dtype=code.dtype).scatter_reduce_(1, place, code, "amax")
    _, window, _ = recipe.densify.window
    shown = _windowed(grid.view(1, -1, recipe.size, recipe.size), window, recipe.densify.padding[1])
    return (shown[0] % kinds - 1).numpy().astype(np.int16)


def _windowed(grid: torch.Tensor, window: int, padding: int) -> torch.Tensor:  # [1, V, S, S]
    padded = torch.nn.functional.pad(grid, (padding,) * 4)
    return max_pool2d(padded, window, stride=1)
