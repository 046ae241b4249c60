"""Random views for the plain trainer."""

from opendlign_core.loop.flips import drawn_flips, flipped
from opendlign_core.loop.order import Indices
from opendlign_core.training.depth_branch.batches import Objects

COLUMNS = 3
"""The dimension of columns in depth maps [B, V, H, W] and images [B, V, H, W, 3]."""


def flip_views(objects: Objects, indices: Indices, seed: int, epoch: int) -> Objects:
    """Mirror, in half the objects, all depth maps and images left to right; `indices` name the objects."""
    mask = drawn_flips(indices, seed, epoch)
    return Objects(flipped(objects.depth, mask, COLUMNS), flipped(objects.images, mask, COLUMNS))
