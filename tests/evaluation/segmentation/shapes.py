"""Shapes of two clear parts, with maps and places, as a source of an evaluation."""

import numpy as np

from opendlign_core.evaluation.features import PlacedSample
from opendlign_core.projection import RECIPES
from opendlign_core.projection.points import maps_and_places
from opendlign_core.projection.recipe import ProjectionRecipe
from tests.evaluation.sources import ListSource

PARTS = ("ball", "stick")
SMALL: ProjectionRecipe = RECIPES["opendlign-3d"].replace(size=32, slices=16, places=("corrected", "faithful"))


def lollipop(name: str, seed: int, label: str | None = "lollipop", points: int = 400) -> PlacedSample:
    """A ball on a stick, seen from everywhere."""
    rng = np.random.default_rng(seed)
    ball = rng.normal(size=(points // 2, 3))
    ball = ball / np.linalg.norm(ball, axis=1, keepdims=True) + (0, 1, 0)
    stick = np.stack(
        [0.1 * rng.normal(size=points // 2), -2 * rng.random(points // 2), 0.1 * rng.normal(size=points // 2)], 1
    )
    cloud = np.concatenate([ball, stick]).astype(np.float32)
    parts = np.repeat(np.arange(2, dtype=np.int32), points // 2)
    maps, places = maps_and_places(cloud, SMALL)
    return PlacedSample(name, label, cloud, parts, PARTS, maps.numpy(), places)


def lollipops(count: int, seed: int, label: str = "lollipop") -> list[PlacedSample]:
    return [lollipop(f"shop/{label}-{seed + place}", seed + place, label) for place in range(count)]


def shop(test: int = 4, train: int = 4) -> ListSource:
    """A source of lollipops."""
    return ListSource([], parted={"test": lollipops(test, 0), "train": lollipops(train, 100)})
