"""From features of photos to the poses that every head of a bank tells."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from opendlign_core.evaluation.pose.probing.bank import HeadBank, Inputs, cosine
from opendlign_core.evaluation.pose.probing.choices import ProbeSpec
from opendlign_core.evaluation.pose.probing.features import ProbeFeatures
from opendlign_core.evaluation.pose.scores import PoseScore
from opendlign_core.loop.flips import drawn_flips
from opendlign_core.loop.order import epoch_order, steps_per_epoch
from opendlign_core.pose import Floats, binned, decoded, mirrored, pose_error


@dataclass(frozen=True)
class ProbePhotos:
    """Photos to learn from or to be judged on: features as they are and, to learn from, mirrored."""

    plain: ProbeFeatures
    angles: Floats  # [N, 3]
    flipped: ProbeFeatures | None = None

    def __len__(self) -> int:
        return len(self.angles)

    def take(self, rows: NDArray[np.int64]) -> "ProbePhotos":
        """The same for some of the photos."""
        flipped = self.flipped.take(rows) if self.flipped is not None else None
        return ProbePhotos(self.plain.take(rows), self.angles[rows], flipped)


def train_bank(photos: ProbePhotos, spec: ProbeSpec, advance: Callable[[], None] = lambda: None) -> HeadBank:
    """Train all heads of a probe; `advance` is called after each epoch."""
    readings = spec.readings()
    seen = photos.plain.inputs(readings)
    turned = photos.flipped.inputs(readings) if photos.flipped is not None and spec.flip else None
    bank = HeadBank.drawn({reading: each.shape[1] for reading, each in seen.items()}, spec.rates, spec.seed)
    bins, turned_bins = (_targets(angles) for angles in (photos.angles, mirrored(photos.angles)))
    a_step, step = steps_per_epoch([len(photos)], spec.batch), 0
    for epoch in range(spec.epochs):
        order = epoch_order([len(photos)], spec.seed, epoch)
        for rows in np.array_split(order, range(spec.batch, len(order), spec.batch)):
            mask = drawn_flips(rows, spec.seed, epoch)[:, None] & (turned is not None)
            batch = _mixed(seen, turned, rows, mask)
            bank.step(batch, torch.where(mask, turned_bins[rows], bins[rows]), cosine(step, spec.epochs * a_step))
            step += 1
        advance()
    return bank


def told_by(bank: HeadBank, photos: ProbePhotos, spec: ProbeSpec) -> list[Floats]:
    """The pose errors [N] of every head, in the order of `spec.heads()`."""
    logits = bank.logits(photos.plain.inputs(spec.readings())).numpy()
    return [pose_error(decoded(each), photos.angles) for each in logits]


def best_head(errors: list[Floats]) -> int:
    """The head with most errors below 30 degrees; of equal ones the first.

    >>> best_head([np.array([1.0, 0.1]), np.array([0.1, 0.1])])
    1
    """
    return int(np.argmax([PoseScore.of(each).within_30 for each in errors]))


def _targets(angles: Floats) -> torch.Tensor:
    """Bins in single precision, as the reference's loader has angles."""
    return torch.from_numpy(binned(angles.astype(np.float32)))


def _mixed(seen: Inputs, turned: Inputs | None, rows: NDArray[np.int64], mask: torch.Tensor) -> Inputs:
    if turned is None:
        return {reading: each[rows] for reading, each in seen.items()}
    return {reading: torch.where(mask, turned[reading][rows], each[rows]) for reading, each in seen.items()}
