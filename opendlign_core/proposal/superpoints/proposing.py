"""Boxes for a scene from the merge trees of its pieces, best first."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from opendlign_core.boxes import Boxes, Hulls
from opendlign_core.errors import BadInput
from opendlign_core.overlap import hull_iou, suppress
from opendlign_core.proposal.proposals import Proposals
from opendlign_core.proposal.superpoints.guesses import Guesses, guesses_of
from opendlign_core.proposal.superpoints.merging import CLOSENESS
from opendlign_core.proposal.superpoints.recipe import SuperpointsRecipe
from opendlign_core.proposal.superpoints.surface import Floats, Indices, surface_of

APART = 0.5
"""IoU up to which boxes are different guesses: those that overlap a better one more come after all that do not."""
AGREEMENT, LARGENESS = 2, 0.7
"""Powers in the score of a guess: of how much the trees agree on it, and of its number of points."""
FEWEST = 100
"""Points of a scene after thinning, lest there is nothing to cut into pieces."""


def propose(points: NDArray[Any], recipe: SuperpointsRecipe | None = None) -> Proposals:  # [N, 3], y up, in metres
    """Boxes of the scene, at most `recipe.most`, best first; objectness falls from 1 with the rank.

    Raises:
        BadInput: there are too few points, or one is not finite.
    """
    recipe, scan = recipe or SuperpointsRecipe(), _checked(points)
    surface = surface_of(scan, recipe)
    if len(surface.points) < FEWEST:
        raise BadInput(
            f"the scene has {len(surface.points)} points {recipe.spacing} m apart; give a scan of a room in metres"
        )
    trees = [guesses_of(surface, tolerance, recipe) for tolerance in recipe.tolerances]
    hulls = _together([tree.hulls for tree in trees])
    ranked = _ranked(hulls, _scores(hulls, trees), recipe)[: recipe.most]
    if recipe.yaw:
        boxes = _turned(trees, ranked, scan, surface.owner)
    else:
        boxes = Boxes.between(hulls.low[ranked], hulls.high[ranked])
    return Proposals(boxes, 1 - np.arange(len(ranked)) / max(len(ranked), 1))


def _checked(points: NDArray[Any]) -> Floats:
    if not len(points):
        raise BadInput("a scene without points has nothing to propose boxes for; give a scan that holds some")
    if not np.isfinite(points).all():
        raise BadInput("a point of the scene is not finite; remove such points first")
    return points.astype(np.float64)


def _together(hulls: Sequence[Hulls]) -> Hulls:
    low, high = (np.concatenate(sides) for sides in zip(*hulls, strict=True))
    return Hulls(low, high)


def _scores(hulls: Hulls, trees: Sequence[Guesses]) -> Floats:  # [K]
    """How dear it was to merge a guess with anything more, how much all trees agree on it, how large it is."""
    dearness = np.concatenate([tree.dearness for tree in trees]) + CLOSENESS
    points = np.concatenate([[node.points for node in tree.nodes] for tree in trees])
    likeness = [hull_iou(hulls, tree.hulls).max(1, initial=0) for tree in trees]
    return np.asarray(dearness * np.mean(likeness, axis=0) ** AGREEMENT * points**LARGENESS)


def _ranked(hulls: Hulls, scores: Floats, recipe: SuperpointsRecipe) -> Indices:
    """One of each group of like boxes; those that stand apart first, each part in falling order of score."""
    unlike = suppress(hulls, scores, recipe.likeness)
    apart = suppress(Hulls(hulls.low[unlike], hulls.high[unlike]), scores[unlike], APART)
    others = np.setdiff1d(np.arange(len(unlike)), apart)
    return np.asarray(unlike[np.concatenate([apart, others])])


def _turned(trees: Sequence[Guesses], chosen: Indices, points: Floats, owner: Indices) -> Boxes:
    """The turned boxes of guesses, which are numbered through all trees."""
    starts = np.cumsum([0, *(len(tree.nodes) for tree in trees)])
    rows = []
    for number in chosen:
        tree = int(np.searchsorted(starts, number, side="right")) - 1
        rows.append(trees[tree].turned(int(number - starts[tree]), points, owner))
    return Boxes.together(rows)
