"""Shapes in colours of their parts, the truth beside what was found."""

import numpy as np
from numpy.typing import NDArray

from opendlign_core.evaluation.report.html import data_uri
from opendlign_core.evaluation.segmentation.palette import COLOURS
from opendlign_core.pictures import cloud_picture

NO_PART = np.array((215, 215, 215), np.uint8)
_SIDE = 176


def side_by_side(points: NDArray[np.float32], truth: NDArray[np.integer], found: NDArray[np.integer]) -> str:
    """The cloud [N, 3] in the colours of its true parts and of the found ones, as one data URI."""
    both = [cloud_picture(points, colours_of(parts), size=_SIDE) for parts in (truth, found)]
    return data_uri(np.concatenate(both, axis=1))


def colours_of(parts: NDArray[np.integer]) -> NDArray[np.uint8]:  # [N] -> [N, 3]
    """The colour of every point; points without a part are light grey."""
    return np.where((parts >= 0)[:, None], np.array(COLOURS, np.uint8)[parts % len(COLOURS)], NO_PART)
