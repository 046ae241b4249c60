"""The entry point: points in, depth maps out, whatever the recipe and the backend."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from opendlign_core.projection.checks import as_points, refuse_unusable
from opendlign_core.projection.grid import cells_of
from opendlign_core.projection.images import median_filter
from opendlign_core.projection.recipe import ProjectionRecipe, WeightedSplat, resolve_recipe
from opendlign_core.projection.slicewise import project_slicewise
from opendlign_core.projection.splat import project_splat
from opendlign_core.projection.volume import is_volumetric, project_volume


@torch.no_grad()
def project(
    points: Tensor | NDArray[np.float32], recipe: str | ProjectionRecipe = "opendlign", backend: str = "auto"
) -> Tensor:
    """Return the depth maps of a batch of clouds: points [B, N, 3] float32 -> [B, V, S, S] float32 in [0, 1].

    Background is 1, the nearest point of a view 0. Clouds are y-up, in any unit: every view is fitted to its own
    bounding box. The result lies on the device of the points.

    Raises:
        UnusableCloud: a cloud has NaN or infinite coordinates, or fewer than two distinct points; names it.
        ValueError: wrong shape or dtype, an unknown recipe, or a backend that cannot run here.
    """
    chosen = resolve_recipe(recipe)
    cloud = as_points(points)
    refuse_unusable(cloud)
    if not len(cloud):
        return cloud.new_empty(0, len(chosen.views), chosen.image_size, chosen.image_size)
    images = _images(cloud, chosen, backend)
    return median_filter(images, chosen.median) if chosen.median else images


def _images(points: Tensor, recipe: ProjectionRecipe, backend: str) -> Tensor:
    cells = cells_of(points, recipe)
    if isinstance(recipe.densify, WeightedSplat):
        return project_splat(cells, recipe)
    if is_volumetric(recipe):
        return project_volume(cells, recipe)
    return project_slicewise(cells, recipe)
