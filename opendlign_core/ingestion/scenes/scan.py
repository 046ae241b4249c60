"""A scan of a place as its files tell it, in their own frame."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from opendlign_core.ingestion.cloud import Colors, Parts, Points
from opendlign_core.ingestion.entry import UpAxis


@dataclass(frozen=True, eq=False)
class Scan:
    """Points and, where they are known, things.

    A box is a row of centre, size and yaw; yaws are in radians about the up axis, from the file's x towards the
    horizontal axis that becomes z: -y where z is up.
    """

    points: Points  # [N, 3]
    colors: Colors | None = None  # [N, 3]
    instances: Parts | None = None  # [N], 1 + the thing that each point belongs to, 0 for none
    semantics: Parts | None = None  # [N], what the data set says each point is, by its own numbers
    things: tuple[str, ...] = ()
    """What the things are called."""
    boxes: NDArray[Any] = field(default_factory=lambda: np.zeros((0, 7)))  # [K, 7], one per thing
    whole: NDArray[Any] | None = None  # [K, 7], around the things' unseen parts too
    up_axis: UpAxis | None = None
    """The axis that the file itself declares as up, if it does."""
    unit: str = ""
