"""The entry point: points in, depth maps out, whatever the recipe and the backend."""

from importlib.util import find_spec

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from opendlign_core.errors import BadInput
from opendlign_core.median import median_filter
from opendlign_core.projection.checks import UnusableCloud, as_points, refuse_unusable
from opendlign_core.projection.grid import cells_of
from opendlign_core.projection.recipe import ProjectionRecipe, WeightedSplat, resolve_recipe
from opendlign_core.projection.slicewise import project_slicewise
from opendlign_core.projection.splat import project_splat
from opendlign_core.projection.volume import is_volumetric, project_volume

POINTS_AT_ONCE = {"cpu": 1 << 19, "cuda": 1 << 24}
"""Points of all views placed at once; each takes some hundred bytes while it is."""


@torch.no_grad()
def project(
    points: Tensor | NDArray[np.float32], recipe: str | ProjectionRecipe = "opendlign", backend: str = "auto"
) -> Tensor:
    """Return the depth maps of a batch of clouds: points [B, N, 3] float32 -> [B, V, S, S] float32 in [0, 1].

    Background is 1, the nearest point of a view 0. Clouds are y-up, in any unit: every view is fitted to its own
    bounding box. The result lies on the device of the points.

    >>> cloud = np.random.default_rng(0).normal(size=(1, 200, 3)).astype(np.float32)
    >>> project(cloud).shape
    torch.Size([1, 10, 224, 224])

    Raises:
        UnusableCloud: a cloud has NaN or infinite coordinates, or fewer than two distinct points; names it.
        ValueError: wrong shape or dtype, an unknown recipe, or a backend that cannot run here.
    """
    chosen = resolve_recipe(recipe)
    cloud = as_points(points)[:, : chosen.first_points]
    refuse_unusable(cloud)
    if not len(cloud):
        return cloud.new_empty(0, len(chosen.views), chosen.image_size, chosen.image_size)
    images = _images(cloud, chosen, backend)
    return median_filter(images, chosen.median) if chosen.median else images


def _images(points: Tensor, recipe: ProjectionRecipe, backend: str) -> Tensor:
    """Project some clouds at a time, so that only the output grows with the batch."""
    engine = _choose_backend(points.device, recipe, backend)
    count = max(1, POINTS_AT_ONCE[points.device.type] // (points.shape[1] * len(recipe.views)))
    if len(points) <= count:
        return _rendered(points, recipe, engine)
    images = points.new_empty(len(points), len(recipe.views), recipe.image_size, recipe.image_size)
    for start in range(0, len(points), count):
        try:
            images[start : start + count] = _rendered(points[start : start + count], recipe, engine)
        except UnusableCloud as error:
            raise UnusableCloud(start + error.index, error.reason) from None
    return images


def _rendered(points: Tensor, recipe: ProjectionRecipe, engine: str) -> Tensor:
    cells = cells_of(points, recipe)
    if engine == "triton":
        from opendlign_core.projection.triton_backend import project_triton

        return project_triton(cells, recipe)
    if isinstance(recipe.densify, WeightedSplat):
        return project_splat(cells, recipe)
    return project_volume(cells, recipe) if is_volumetric(recipe) else project_slicewise(cells, recipe)


def _choose_backend(device: torch.device, recipe: ProjectionRecipe, backend: str) -> str:
    if backend not in ("auto", "torch", "triton"):
        raise BadInput(f"unknown backend {backend!r}; choose auto, torch or triton")
    windows = not isinstance(recipe.densify, WeightedSplat)
    if backend == "auto":
        return "triton" if device.type == "cuda" and windows and find_spec("triton") else "torch"
    if backend == "triton":
        _refuse_without_triton(device, windows)
    return backend


def _refuse_without_triton(device: torch.device, windows: bool) -> None:
    if not find_spec("triton"):
        raise BadInput("the triton backend needs the triton package; install it, or choose torch")
    if not windows:
        raise BadInput("the triton backend has no weighted splats; choose torch or auto for this recipe")
    from opendlign_core.projection.triton_backend import runs_on

    if not runs_on(device):
        raise BadInput(f"the triton backend needs points on a CUDA device, got {device}; choose torch or auto")
