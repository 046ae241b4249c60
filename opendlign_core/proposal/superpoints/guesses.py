"""What one merge tree says of a scene: unions of pieces that may be things."""

from dataclasses import dataclass

import numpy as np

from opendlign_core.boxes import Boxes, Hulls
from opendlign_core.proposal.superpoints.merging import Node, merge_tree
from opendlign_core.proposal.superpoints.pieces import pieces_of
from opendlign_core.proposal.superpoints.recipe import SuperpointsRecipe
from opendlign_core.proposal.superpoints.structure import structural
from opendlign_core.proposal.superpoints.surface import Floats, Indices, Surface
from opendlign_core.proposal.turning import turned_box


@dataclass(frozen=True, eq=False)
class Guesses:
    """K unions of pieces, and how dear it was to merge each with anything more."""

    pieces: Indices  # [N], of the surface's points
    nodes: list[Node]  # K
    hulls: Hulls  # K
    dearness: Floats  # [K]

    def turned(self, place: int, points: Floats, owner: Indices) -> Boxes:  # [scan, 3], [scan] -> 1
        """The turned box around the scan's points of one guess; `owner` is the surface's."""
        inside = np.zeros(self.pieces.max() + 1, bool)
        inside[self.nodes[place].pieces()] = True
        return turned_box(points[inside[self.pieces][owner]])


def guesses_of(surface: Surface, tolerance: float, recipe: SuperpointsRecipe) -> Guesses:
    """The guesses of one tolerance that are neither too small nor too large, nor of the floor or an outer wall."""
    pieces = pieces_of(surface, tolerance, recipe.least_piece)
    kept = np.flatnonzero(~structural(surface, pieces, recipe.structure))
    found = [pair for pair in merge_tree(surface, pieces, kept) if _fits(pair[0], recipe)]
    low, high = (np.array([getattr(node, side) for node, _ in found]).reshape(-1, 3) for side in ("low", "high"))
    return Guesses(pieces, [node for node, _ in found], Hulls(low, high), np.array([cost for _, cost in found]))


def _fits(node: Node, recipe: SuperpointsRecipe) -> bool:
    longest = max(high - low for low, high in zip(node.low, node.high, strict=True))
    return node.points >= recipe.least_points and recipe.shortest <= longest <= recipe.longest
