"""Angles as classes: 40 periodic bins each, as ImageNet3D's models predict them."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from opendlign_core.pose import TURN, Floats

BINS = 40


def binned(angles: NDArray[np.floating[Any]]) -> NDArray[np.int64]:  # [...] radians, any turn
    """The bin of each angle, 0 to 39, in the precision of the angles."""
    share = np.asarray(angles) / TURN % 1
    return np.floor(share * BINS).astype(np.int64) % BINS


def centres(bins: NDArray[np.integer[Any]]) -> Floats:  # [...] radians
    """The angle in the middle of each bin: up to 4.5 degrees from what was binned."""
    return (np.asarray(bins) % BINS + 0.5) / BINS * TURN


def decoded(logits: NDArray[np.floating[Any]]) -> Floats:  # [N, 3 * 40] -> [N, 3]
    """Azimuth, elevation and theta of the highest logits (of equal ones the first)."""
    return centres(np.asarray(logits).reshape(len(logits), 3, BINS).argmax(-1))
