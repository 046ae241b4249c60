"""From what the heads of 3DETR say to boxes."""

from typing import NamedTuple

import torch
from torch import Tensor

from opendlign_core.proposal.detr.network import Extent, RawBoxes

LEAST_EXTENT = 0.1
"""Metres that a scene counts as along an axis where it has less."""


class DecodedBoxes(NamedTuple):
    """Boxes of the queries in the scan's frame, z up, with how likely each class is."""

    centres: Tensor  # [Q, 3]
    sizes: Tensor  # [Q, 3]
    yaws: Tensor  # [Q], from +x towards -y
    probabilities: Tensor  # [Q, C]; a row sums to the objectness
    objectness: Tensor  # [Q]


def decode(queries: Tensor, raw: RawBoxes, extent: Extent) -> DecodedBoxes:  # [Q, 3]
    likely = raw.classes.softmax(-1)
    return DecodedBoxes(
        centres=queries + raw.centre.sigmoid() - 0.5,
        sizes=raw.size.sigmoid() * (extent.high - extent.low).clamp(min=LEAST_EXTENT),
        yaws=_yaws(raw.angle, raw.turn),
        probabilities=likely[:, :-1],
        objectness=1 - likely[:, -1],
    )


def _yaws(angle: Tensor, turn: Tensor) -> Tensor:  # [Q, A], [Q, A] -> [Q]
    bins = angle.shape[1]
    if bins == 1:
        return torch.zeros_like(angle[:, 0])
    best = angle.argmax(1, keepdim=True)
    yaws = (best * (2 * torch.pi / bins) + turn.gather(1, best) * (torch.pi / bins))[:, 0]
    return torch.where(yaws > torch.pi, yaws - 2 * torch.pi, yaws)
