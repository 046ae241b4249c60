"""From a photo and a way to draw its CAD to poses: views all around, then finer turns of the best of them."""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from opendlign_core.errors import BadInput
from opendlign_core.evaluation.pose.comparing.colours import Colours
from opendlign_core.evaluation.pose.comparing.recipe import ComparisonRecipe
from opendlign_core.pose import Floats, pose_error

Draw = Callable[[Floats], Tensor]
"""Depth maps [B, H, W] of the CAD (nothing is exactly 1) at azimuths, elevations and thetas [B, 3], as large as the
photo and with the thing where and as large as the photo shows it."""

Likeness = Callable[[Tensor], Floats]
"""How much depth maps [B, H, W] are like the photo: cosines [B]."""

TURNS = np.array(list(product((0, -1, 1), repeat=3)), float)  # none first: of equal ones the first stays


@dataclass(frozen=True, eq=False)
class Comparable:
    """A photo beside the views that its CAD could have in it."""

    picture: NDArray[np.uint8]  # [S, S, 3]
    shown: NDArray[np.bool_]  # [S, S]: where it shows the photo
    draw: Draw


@dataclass(frozen=True)
class ComparedPose:
    """A pose that a photo may show."""

    angles: Floats  # [3] azimuth, elevation, theta in radians
    fit: float
    """How much of what the silhouette could tell about the photo's colours it does tell, 0 to 1."""
    cosine: float
    """The embedding's, of the view before it was refined; 0 where none was asked for."""


def poses_in(photo: Comparable, recipe: ComparisonRecipe) -> list[ComparedPose]:
    """`compare` of a photo by silhouettes alone."""
    return compare(Colours.of(photo.picture, recipe.colours, photo.shown), photo.draw, recipe)


def views_around(recipe: ComparisonRecipe) -> Floats:  # [V, 3] radians
    """Azimuths, elevations and thetas of the first views."""
    around = np.arange(recipe.azimuths) * 360 / recipe.azimuths
    return np.radians(list(product(around, recipe.elevations, recipe.thetas)))


def compare(
    colours: Colours, draw: Draw, recipe: ComparisonRecipe, likeness: Likeness | None = None
) -> list[ComparedPose]:
    """The poses that fit best, the best first.

    Views are ranked by what their silhouettes tell of the photo's colours and by `likeness`; the best that are apart
    from one another are turned, step by step, to where their silhouettes tell most.

    Raises:
        BadInput: the CAD is seen in no view.
    """
    views = views_around(recipe)
    maps = draw(views)
    if not bool((maps < 1).any()):
        raise BadInput("the CAD is seen in no view: its distance or where it is seen cannot be right")
    cosines = np.zeros(len(views)) if likeness is None else np.asarray(likeness(maps), np.float64)
    bonus = recipe.likeness * (cosines - cosines.mean()) / max(float(cosines.std()), 1e-9)
    chosen = _apart(views, colours.told_by(maps < 1) + bonus, recipe)
    angles, told, fit = _refined(views[chosen], colours, draw, recipe)
    order = np.argsort(-(told + bonus[chosen]), kind="stable")
    return [ComparedPose(angles[place], float(fit[place]), float(cosines[chosen[place]])) for place in order]


def _apart(views: Floats, worth: Floats, recipe: ComparisonRecipe) -> list[int]:
    """The best views that lie apart."""
    chosen: list[int] = []
    for place in np.argsort(-worth, kind="stable").tolist():
        if not chosen or pose_error(views[chosen], views[place]).min() >= np.radians(recipe.apart):
            chosen.append(place)
        if len(chosen) == recipe.kept:
            break
    return chosen


def _refined(
    angles: Floats, colours: Colours, draw: Draw, recipe: ComparisonRecipe
) -> tuple[Floats, Floats, Floats]:  # [K, 3] -> [K, 3], [K], [K]
    """Angles at which silhouettes tell most nearby, how much that is, and as a share of what it could be."""
    each = np.arange(len(angles))
    for step in np.repeat(recipe.steps, 2):
        tried = angles[:, None] + np.radians(step) * TURNS  # [K, 27, 3]
        told = colours.told_by(draw(tried.reshape(-1, 3)) < 1).reshape(len(angles), -1)
        angles = tried[each, told.argmax(1)]
    silhouettes = draw(angles) < 1
    told = colours.told_by(silhouettes)
    return angles, told, told / np.maximum(colours.most_told_by(silhouettes), 1e-9)
