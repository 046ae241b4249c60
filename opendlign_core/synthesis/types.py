"""What a synthesis says beside the objects it paints: plain values, free of torch."""

from dataclasses import dataclass, field

from opendlign_core.samples import GateScore, Rejected


@dataclass(frozen=True)
class RejectedSynthesis(Rejected):
    """An object that is not written, with the reason and the scores of the views that failed."""

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
