"""What an encoder says of photos, kept once for all heads."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from opendlign_core.errors import BadInput
from opendlign_core.evaluation.pose.probing.bank import Inputs
from opendlign_core.evaluation.pose.probing.choices import Reading, block_numbers


@dataclass(frozen=True)
class ProbeFeatures:
    """Class tokens [N, K, D] of the blocks that some head reads, and the mean patch token [N, D] of the last block."""

    classes: Tensor
    pooled: Tensor
    numbers: tuple[int, ...]
    """Which blocks the class tokens are of, from 0."""
    depth: int
    """How many blocks the encoder has."""

    def take(self, rows: NDArray[np.int64]) -> "ProbeFeatures":
        """The same of some photos."""
        return ProbeFeatures(self.classes[rows], self.pooled[rows], self.numbers, self.depth)

    def inputs(self, readings: tuple[Reading, ...]) -> Inputs:
        """What heads see, float32: class tokens in the order of their blocks, then the mean patch token."""
        return {reading: self._seen(reading) for reading in readings}

    def _seen(self, reading: Reading) -> Tensor:
        places = [self.numbers.index(number) for number in block_numbers(reading.blocks, self.depth)]
        tokens = self.classes[:, places].flatten(1)
        return (torch.cat([tokens, self.pooled], 1) if reading.pooled else tokens).float()


def blocks_read(readings: tuple[Reading, ...], depth: int) -> tuple[int, ...]:
    """The blocks that some reading needs, and the last one.

    Raises:
        BadInput: the encoder is too shallow for a reading.
    """
    if depth < 4 and any(reading.blocks != "1_last" for reading in readings):
        raise BadInput(
            f"the encoder has {depth} blocks; heads that read four of them need four (probe.blocks=[1_last])"
        )
    numbers = {number for reading in readings for number in block_numbers(reading.blocks, depth)}
    return tuple(sorted(numbers | {depth - 1}))


def of_blocks(outputs: list[Tensor], numbers: tuple[int, ...], depth: int) -> ProbeFeatures:
    """From raw block outputs [N, 1 + P, D], class token first; the last of them is the encoder's last block."""
    classes = torch.stack([tokens[:, 0] for tokens in outputs], 1)
    return ProbeFeatures(classes.cpu(), outputs[-1][:, 1:].mean(1).cpu(), numbers, depth)


def joined(parts: list[ProbeFeatures]) -> ProbeFeatures:
    """All batches in order."""
    classes, pooled = (torch.cat([getattr(part, name) for part in parts]) for name in ("classes", "pooled"))
    return ProbeFeatures(classes, pooled, parts[0].numbers, parts[0].depth)
