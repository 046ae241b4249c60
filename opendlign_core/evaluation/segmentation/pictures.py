"""Shapes in colours of their parts, the truth beside what was found."""

import numpy as np
from numpy.typing import NDArray

from opendlign_core.evaluation.report.html import data_uri
from opendlign_core.pictures import cloud_picture, colours_of

_SIDE = 176


def side_by_side(points: NDArray[np.float32], truth: NDArray[np.integer], found: NDArray[np.integer]) -> str:
    """The cloud [N, 3] in the colours of its true parts and of the found ones, as one data URI."""
    both = [cloud_picture(points, colours_of(parts), size=_SIDE) for parts in (truth, found)]
    return data_uri(np.concatenate(both, axis=1))
