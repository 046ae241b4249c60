"""Rotations of a view set, in the single-precision arithmetic that the published recipes were made with."""

import math
from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from opendlign_core.projection.recipe import Euler, ProjectionRecipe

Matrix = NDArray[np.float32]

SHIFT = (0.5, 0.5, 1.5)
"""Added after the rotations. Re-centring cancels it, but it takes part in the rounding."""


def euler_matrix(angles: Euler) -> Matrix:  # [3, 3]
    """Return X(a) Y(b) Z(c) for column vectors; angles are rounded to float32 before sine and cosine."""
    (sin_a, sin_b, sin_c), (cos_a, cos_b, cos_c) = _sines_and_cosines(angles)
    one, zero = np.float32(1), np.float32(0)
    about_x = np.array([[one, zero, zero], [zero, cos_a, -sin_a], [zero, sin_a, cos_a]], np.float32)
    about_y = np.array([[cos_b, zero, sin_b], [zero, one, zero], [-sin_b, zero, cos_b]], np.float32)
    about_z = np.array([[cos_c, -sin_c, zero], [sin_c, cos_c, zero], [zero, zero, one]], np.float32)
    return _product(_product(about_x, about_y), about_z)


def rotation_stages(recipe: ProjectionRecipe) -> list[Tensor]:
    """Return one [V, 3, 3] tensor per rotation applied in turn; views with fewer rotations end in identities."""
    return [torch.from_numpy(stage) for stage in _stages(recipe.views)]


def rotate(points: Tensor, stages: list[Tensor]) -> Tensor:
    """Return points [B, 3, N] seen from every view: [B, V, 3, N], shifted by `SHIFT`.

    Plain multiplications and additions, no matrix product: the rounding of a point then depends neither on
    its place in the cloud nor on the device.
    """
    seen = points[:, None]
    for stage in stages:
        matrix = stage.to(points.device)[None, ..., None]  # [1, V, 3, 3, 1]
        turned = matrix[:, :, :, 0] * seen[:, :, 0:1]
        turned += matrix[:, :, :, 1] * seen[:, :, 1:2]
        turned += matrix[:, :, :, 2] * seen[:, :, 2:3]
        seen = turned
    return seen.add_(torch.tensor(SHIFT, device=points.device)[:, None])


def observer_directions(recipe: ProjectionRecipe) -> NDArray[np.float64]:
    """Return for each view the unit vector, in the object's frame, from the object to the observer: [V, 3]."""
    total = np.broadcast_to(np.eye(3), (len(recipe.views), 3, 3))
    for stage in _stages(recipe.views):
        total = stage.astype(np.float64) @ total
    return total[:, 2]


def _sines_and_cosines(angles: Euler) -> tuple[Matrix, Matrix]:
    radians = np.array([math.radians(angle) for angle in angles]).astype(np.float32)
    return np.sin(radians), np.cos(radians)


def _product(left: Matrix, right: Matrix) -> Matrix:
    """Multiply with one rounding per operation, whatever the linear-algebra library does."""
    terms = left[:, :, None] * right[None, :, :]
    result: Matrix = (terms[:, 0] + terms[:, 1]) + terms[:, 2]
    return result


@lru_cache(maxsize=32)
def _stages(views: tuple[tuple[Euler, ...], ...]) -> tuple[Matrix, ...]:
    count = max(len(view) for view in views)
    padded = [view + ((0.0, 0.0, 0.0),) * (count - len(view)) for view in views]
    return tuple(np.stack([euler_matrix(view[stage]) for view in padded]) for stage in range(count))
