"""What was found in a scene and what is there: boxes with class numbers."""

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from opendlign_core.boxes import Boxes
from opendlign_core.errors import BadInput


@dataclass(frozen=True, eq=False)
class Classified:
    """The boxes of one scene before any is left out, with what a classifier and a proposer say of them.

    Raises `BadInput` where rows and boxes differ, or a value is not finite.
    """

    boxes: Boxes  # K
    probabilities: NDArray[np.floating[Any]]  # [K, C], of the classes
    objectness: NDArray[np.floating[Any]]  # [K], in [0, 1]

    def __post_init__(self) -> None:
        if not len(self.boxes) == len(self.probabilities) == len(self.objectness):
            raise BadInput(
                f"{len(self.boxes)} boxes come with {len(self.probabilities)} rows of probabilities and "
                f"{len(self.objectness)} values of objectness; give one of each per box"
            )
        if not (np.isfinite(self.probabilities).all() and np.isfinite(self.objectness).all()):
            raise BadInput("a probability or an objectness is not finite; look at what the classifier was given")

    def __getitem__(self, chosen: NDArray[Any]) -> Self:
        return type(self)(self.boxes[chosen], self.probabilities[chosen], self.objectness[chosen])


@dataclass(frozen=True, eq=False)
class Detections:
    """What was found in one scene; a box may appear once per class."""

    boxes: Boxes  # M
    classes: NDArray[np.int64]  # [M]
    scores: NDArray[np.floating[Any]]  # [M]
    origins: NDArray[np.int64]  # [M], which of the scene's proposals each is

    def __getitem__(self, chosen: NDArray[Any]) -> Self:
        return type(self)(self.boxes[chosen], self.classes[chosen], self.scores[chosen], self.origins[chosen])


@dataclass(frozen=True, eq=False)
class Objects:
    """What is there in one scene."""

    boxes: Boxes  # G
    classes: NDArray[np.int64]  # [G]
