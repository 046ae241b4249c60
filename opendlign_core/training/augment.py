"""Random views for the plain trainer, drawn by object and epoch, never by batch or process."""

import numpy as np
import torch

from opendlign_core.training.sources import Indices, Objects


def flip_views(objects: Objects, indices: Indices, seed: int, epoch: int) -> Objects:
    """Mirror, in half the objects, all depth maps and images left to right; `indices` name the objects."""
    flips = [bool(np.random.default_rng((seed, epoch, int(index))).integers(2)) for index in indices]
    mask = torch.tensor(flips, dtype=torch.bool)
    depth = torch.where(mask.view(-1, 1, 1, 1), objects.depth.flip(-1), objects.depth)
    images = torch.where(mask.view(-1, 1, 1, 1, 1), objects.images.flip(-2), objects.images)
    return Objects(depth, images)
