"""What goes into and comes out of a synthesis: plain values, free of torch."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from opendlign_core.samples import GateScore


@dataclass(frozen=True)
class DepthObject:
    """One object to paint: its id (seeds derive from it), its depth maps and the caption that names it."""

    key: str
    depth: NDArray[np.float32]  # [V, H, W] in [0, 1], background 1, nearest 0
    caption: str


@dataclass(frozen=True)
class AlignedObject:
    """One painted object; view i of every tuple belongs to depth map i."""

    key: str
    images: tuple[bytes, ...]
    extension: str
    prompts: tuple[str, ...]
    seeds: tuple[int, ...]
    gate: tuple[GateScore, ...]
    attempts: tuple[int, ...]


@dataclass(frozen=True)
class RejectedSynthesis:
    """An object that is not written, with the reason and the scores of the views that failed."""

    key: str
    reason: str
    failed: dict[int, GateScore] = field(default_factory=dict)


@dataclass(frozen=True)
class Progress:
    """Running totals of a synthesis, as handed to `on_progress` after every batch."""

    objects: int
    images: int
    rejected_objects: int
    rejected_images: int
    batch_size: int
    seconds: float

    @property
    def images_per_second(self) -> float:
        return self.images / self.seconds if self.seconds > 0 else 0.0
