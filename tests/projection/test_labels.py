"""Label maps: every pixel shows the label of what the depth map shows there."""

import numpy as np
import pytest

from opendlign_core.projection import RECIPES, ProjectionRecipe, project
from opendlign_core.projection.labels import NOTHING, label_maps
from opendlign_core.projection.recipe import WindowMax

FRONT = ((0.0, 0.0, 90.0),)
"""Towards -z: up in the object is up in the image, and larger z is nearer."""
RECIPE = ProjectionRecipe(
    views=(FRONT,), size=32, scale=0.9, densify=WindowMax(window=(1, 3, 3), padding=(0, 1, 1)), smooth=None
)


def plate(low: tuple[float, float], high: tuple[float, float], z: float) -> np.ndarray:
    x, y = np.meshgrid(np.linspace(low[0], high[0], 60), np.linspace(low[1], high[1], 60))
    return np.stack([x.ravel(), y.ravel(), np.full(x.size, z)], -1).astype(np.float32)


def test_pixels_show_the_nearest_part_and_nothing_beside_the_object() -> None:
    wall, sign = plate((-1, -1), (1, 1), 0.0), plate((0.0, 0.0), (1, 1), 0.5)
    points, labels = np.concatenate([wall, sign]), np.repeat(np.array([0, 1], np.int32), len(wall))
    (found,) = label_maps(points, labels, RECIPE)
    assert set(np.unique(found[2:15, 18:30])) == {1}, "the sign hangs before the wall's upper right quarter"
    assert set(np.unique(found[18:30, 2:30])) == {0} == set(np.unique(found[2:15, 3:14]))
    assert (found[0] == NOTHING).all()


def test_they_cover_what_the_depth_maps_cover() -> None:
    points = np.random.default_rng(0).uniform(-1, 1, (500, 3)).astype(np.float32)
    recipe = RECIPE.replace(views=RECIPES["opendlign"].views)
    maps = label_maps(points, np.arange(500, dtype=np.int32) % 7, recipe)
    assert ((maps != NOTHING) == (project(points[None], recipe).numpy()[0] < 1)).all()


def test_points_without_a_label_hide_those_behind_them() -> None:
    wall, veil = plate((-1, -1), (1, 1), 0.0), plate((-1, -1), (1, 1), 0.5)
    labels = np.repeat(np.array([3, NOTHING], np.int32), len(wall))
    assert (label_maps(np.concatenate([wall, veil]), labels, RECIPE) == NOTHING).all()


def test_a_recipe_that_splats_is_refused() -> None:
    with pytest.raises(ValueError, match="this one splats"):
        label_maps(plate((0, 0), (1, 1), 0.0), np.zeros(3600, np.int32), RECIPES["pointclip"])
