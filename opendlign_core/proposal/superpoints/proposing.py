"""Boxes for a scene from the merge trees of its pieces, best first."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from opendlign_core.boxes import Boxes, Hulls
from opendlign_core.errors import BadInput
from opendlign_core.overlap import hull_iou, suppress
from opendlign_core.proposal.proposals import Proposals
from opendlign_core.proposal.superpoints.merging import CLOSENESS, Node, merge_tree
from opendlign_core.proposal.superpoints.pieces import pieces_of
from opendlign_core.proposal.superpoints.recipe import SuperpointsRecipe
from opendlign_core.proposal.superpoints.structure import structural
from opendlign_core.proposal.superpoints.surface import Floats, Surface, surface_of

APART = 0.5
"""IoU up to which boxes are different guesses: those that overlap a better one more come after all that do not."""
FEWEST = 100
"""Points of a scene after thinning, lest there is nothing to cut into pieces."""


class _Guesses(NamedTuple):
    """What one tree says: boxes, and how dear it was to merge each with anything more."""

    hulls: Hulls
    dearness: Floats  # [K]


def propose(points: NDArray[Any], recipe: SuperpointsRecipe | None = None) -> Proposals:  # [N, 3], y up, in metres
    """Boxes along the axes, at most `recipe.most`, best first; objectness falls from 1 with the rank.

    Raises:
        BadInput: there are too few points, or one is not finite.
    """
    recipe = recipe or SuperpointsRecipe()
    surface = surface_of(_checked(points), recipe)
    if len(surface.points) < FEWEST:
        raise BadInput(
            f"the scene has {len(surface.points)} points {recipe.spacing} m apart; give a scan of a room in metres"
        )
    trees = [_guesses(surface, tolerance, recipe) for tolerance in recipe.tolerances]
    low, high = (np.concatenate(sides) for sides in zip(*(tree.hulls for tree in trees), strict=True))
    dearness = np.concatenate([tree.dearness for tree in trees])
    scores = (dearness + CLOSENESS) * _agreement(Hulls(low, high), trees) ** 2
    ranked = _ranked(Hulls(low, high), scores, recipe)[: recipe.most]
    return Proposals(Boxes.between(low[ranked], high[ranked]), 1 - np.arange(len(ranked)) / max(len(ranked), 1))


def _checked(points: NDArray[Any]) -> Floats:
    if not len(points):
        raise BadInput("a scene without points has nothing to propose boxes for; give a scan that holds some")
    if not np.isfinite(points).all():
        raise BadInput("a point of the scene is not finite; remove such points first")
    return points.astype(np.float64)


def _guesses(surface: Surface, tolerance: float, recipe: SuperpointsRecipe) -> _Guesses:
    pieces = pieces_of(surface, tolerance, recipe.least_piece)
    kept = np.flatnonzero(~structural(surface, pieces, recipe.structure))
    found = [pair for pair in merge_tree(surface, pieces, kept) if _fits(pair[0], recipe)]
    low, high = (np.array([getattr(node, side) for node, _ in found]).reshape(-1, 3) for side in ("low", "high"))
    return _Guesses(Hulls(low, high), np.array([cost for _, cost in found]))


def _fits(node: Node, recipe: SuperpointsRecipe) -> bool:
    longest = max(high - low for low, high in zip(node.low, node.high, strict=True))
    return node.points >= recipe.least_points and recipe.shortest <= longest <= recipe.longest


def _agreement(hulls: Hulls, trees: list[_Guesses]) -> Floats:  # [K] -> [K]
    """How much each box looks like the one most like it in every tree, on average."""
    likeness = [hull_iou(hulls, tree.hulls).max(1, initial=0) for tree in trees]
    return np.asarray(np.mean(likeness, axis=0))


def _ranked(hulls: Hulls, scores: Floats, recipe: SuperpointsRecipe) -> NDArray[np.int64]:
    """One of each group of like boxes; those that stand apart first, each part in falling order of score."""
    unlike = suppress(hulls, scores, recipe.likeness)
    apart = suppress(Hulls(hulls.low[unlike], hulls.high[unlike]), scores[unlike], APART)
    others = np.setdiff1d(np.arange(len(unlike)), apart)
    return np.asarray(unlike[np.concatenate([apart, others])])
