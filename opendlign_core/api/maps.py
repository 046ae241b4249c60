"""Shapes to depth maps, and depth maps to images."""

from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, overload

import numpy as np
from numpy.typing import NDArray

from opendlign_core.api.given import as_array, is_tensor, listed
from opendlign_core.api.shapes import POINTS, Floats, Shape, sample
from opendlign_core.errors import BadInput
from opendlign_core.ingestion.cloud import Mesh, PointCloud
from opendlign_core.projection.recipe import ProjectionRecipe
from opendlign_core.synthesis.recipe import SynthesisRecipe
from opendlign_core.synthesis.seeds import image_seed

if TYPE_CHECKING:
    import torch

    from opendlign_core.synthesis import Synthesizer


@overload
def project(shapes: "torch.Tensor", recipe: str | ProjectionRecipe = ..., points: int = ...) -> "torch.Tensor": ...
@overload
def project(
    shapes: Mesh | PointCloud | Floats | Sequence[Shape], recipe: str | ProjectionRecipe = ..., points: int = ...
) -> Floats: ...
def project(
    shapes: "Shape | Sequence[Shape]", recipe: str | ProjectionRecipe = "opendlign", points: int = POINTS
) -> "Floats | torch.Tensor":
    """Depth maps in [0, 1], background 1 and nearest 0: [V, S, S] of one shape, [B, V, S, S] of several.

    >>> import opendlign_core as od
    >>> od.project(od.toy("mug")).shape
    (10, 224, 224)

    Args:
        shapes: a mesh or cloud, a list of shapes, or points [N, 3] or [B, N, 3]. A tensor gives a tensor, on the same
            device.
        recipe: a published one by name, or a recipe.
        points: how many meshes, clouds and all that is listed are brought to; a bare array is taken as it is.

    Raises:
        BadInput: a shape cannot be projected; says which.
    """
    import torch

    from opendlign_core.projection.engine import project as project_batch

    if isinstance(shapes, Mesh | PointCloud):
        return project_batch(sample(shapes, points)[None], recipe)[0].numpy()
    if isinstance(shapes, Sequence):
        if not shapes:
            raise BadInput("there is no shape to project")
        return project_batch(np.stack([sample(shape, points) for shape in shapes]), recipe).numpy()
    if is_tensor(shapes):
        return _projected(shapes.float(), recipe)
    return _projected(torch.from_numpy(as_array(shapes, "a shape").astype(np.float32)), recipe).numpy()


def _projected(points: "torch.Tensor", recipe: str | ProjectionRecipe) -> "torch.Tensor":
    """Depth maps of one shape [N, 3] or of several [B, N, 3]."""
    from opendlign_core.projection.engine import project as project_batch

    if points.ndim not in (2, 3) or points.shape[-1] != 3:
        raise BadInput(f"points must be [N, 3] or [B, N, 3], not {list(points.shape)}")
    return project_batch(points[None], recipe)[0] if points.ndim == 2 else project_batch(points, recipe)


def paint(
    depth: "Floats | torch.Tensor",
    prompt: str | Sequence[str],
    seed: int = 0,
    painter: str | SynthesisRecipe = "shaded",
) -> NDArray[np.uint8]:
    """Images [V, S, S, 3] that fit depth maps [V, S, S].

    >>> import opendlign_core as od
    >>> od.paint(od.project(od.toy("mug"))[:2], "a red ceramic mug").shape
    (2, 224, 224, 3)

    Args:
        depth: maps in [0, 1], background 1 and nearest 0.
        prompt: what is to be seen, once for all views or once for each.
        seed: another one paints other images.
        painter: `shaded`, which needs nothing, `controlnet`, which needs its weights, or a recipe.

    Raises:
        BadInput: no maps, maps of another shape or outside of [0, 1], or not as many prompts.
    """
    maps = as_array(depth, "depth maps").astype(np.float32)
    if maps.ndim != 3 or not len(maps):
        raise BadInput(f"depth maps must be [V, S, S], with a view at least, not {list(maps.shape)}")
    prompts = [prompt] * len(maps) if isinstance(prompt, str) else listed(prompt, "prompts")
    seeds = [image_seed(seed, "python/shape", view) for view in range(len(maps))]
    try:
        return _painter(painter).generate(maps, prompts, seeds)
    except ValueError as error:
        raise BadInput(str(error)) from error


@lru_cache(maxsize=2)
def _painter(recipe: str | SynthesisRecipe) -> "Synthesizer":
    """A ControlNet takes seconds and memory to load: it stays for the next images."""
    from opendlign_core.synthesis.loading import load_synthesizer

    return load_synthesizer(recipe)
