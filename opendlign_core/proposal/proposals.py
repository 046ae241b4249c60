"""Where things may stand in one scene, as every proposer says it."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from opendlign_core.boxes import Boxes
from opendlign_core.errors import BadInput


@dataclass(frozen=True, eq=False)
class Proposals:
    """Boxes of a scene, y up, and how sure the proposer is that each holds a thing.

    Raises `BadInput` where rows and boxes differ.
    """

    boxes: Boxes  # K
    objectness: NDArray[np.floating[Any]]  # [K], in [0, 1]
    probabilities: NDArray[np.floating[Any]] | None = None  # [K, C], of classes, where the proposer knows any

    def __post_init__(self) -> None:
        for name, rows in (("objectness", self.objectness), ("probabilities", self.probabilities)):
            if rows is not None and len(rows) != len(self.boxes):
                raise BadInput(f"{len(self.boxes)} boxes come with {len(rows)} rows of {name}; give one for each box")
