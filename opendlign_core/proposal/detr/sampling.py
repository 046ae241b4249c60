"""The point operations of 3DETR without compiled extensions: farthest points, neighbours in a ball."""

from typing import NamedTuple

import torch
from torch import Tensor

BLIND = 1e-3
"""Squared distance from the origin within which points are never chosen, in square metres: the reference's kernel
takes such points for padding."""
LANES = 512
"""Threads of the reference's kernel at most; they decide which of equally far points is chosen."""


def farthest_points(points: Tensor, count: int) -> Tensor:  # [N, 3] -> [count]
    """Indices of points, the first one first, then each time the point farthest from those chosen.

    It is the reference's own rule, of which `farthest_indices` has neither the start, nor the hole, nor the ties.

    >>> farthest_points(torch.tensor([[1.0, 0, 0], [1.1, 0, 0], [3, 0, 0], [2, 0, 0]]), 3).tolist()
    [0, 2, 3]
    """
    order = _tie_order(len(points), points.device)
    order = order[(points[order] ** 2).sum(1) > BLIND]
    chosen = torch.zeros(count, dtype=torch.int64, device=points.device)
    if not len(order):
        return chosen
    # Of equal distances the first in this order wins: `argmax` gives the first.
    x, y, z = points[order].T.contiguous()
    nearest = torch.full_like(x, 1e10)
    squared, part = torch.empty_like(x), torch.empty_like(x)
    latest = points[0]
    for index in range(1, count):
        torch.sub(x, latest[0], out=squared).square_()
        squared.add_(torch.sub(y, latest[1], out=part).square_())
        squared.add_(torch.sub(z, latest[2], out=part).square_())
        torch.minimum(nearest, squared, out=nearest)
        chosen[index] = order[nearest.argmax()]
        latest = points[chosen[index]]
    return chosen


class Balls(NamedTuple):
    """Points near each of some centres."""

    indices: Tensor  # [M, S], of the points; what a ball lacks repeats its first point
    offsets: Tensor  # [M, S, 3], from the centre, in radii


def balls(points: Tensor, centres: Tensor, radius: float, most: int) -> Balls:  # [N, 3], [M, 3]
    """The first `most` points nearer to each centre than `radius`, in the order of points; point 0 where none is."""
    indices = ball_query(points, centres, radius, most)
    return Balls(indices, (points[indices] - centres[:, None]) / radius)


def ball_query(points: Tensor, centres: Tensor, radius: float, most: int) -> Tensor:  # [N, 3], [M, 3] -> [M, S]
    """The indices of `balls`."""
    limit = torch.tensor(radius, dtype=points.dtype) ** 2
    columns = points.T.contiguous()
    rows = max(1, 2**18 // max(len(points), 1))  # as many distances as a processor's cache holds
    return torch.cat([_in_reach(columns, part, limit.item(), most) for part in centres.split(rows)])  # type: ignore[no-untyped-call]


def _in_reach(columns: Tensor, centres: Tensor, limit: float, most: int) -> Tensor:  # [3, N], [m, 3] -> [m, S]
    squared = (columns[0] - centres[:, 0:1]).square_()
    squared += (columns[1] - centres[:, 1:2]).square_()
    squared += (columns[2] - centres[:, 2:3]).square_()
    ball, point = torch.nonzero(squared < limit, as_tuple=True)
    counts = torch.bincount(ball, minlength=len(centres))
    place = torch.arange(most, device=columns.device)
    within = torch.where(place < counts[:, None], place, 0) + (counts.cumsum(0) - counts)[:, None]
    # A centre without points reads past the end of the list, or what belongs to the next one.
    found = torch.cat([point, point.new_zeros(1)])[within.clamp(max=len(point))]
    return torch.where(counts[:, None] > 0, found, 0)


def _tie_order(count: int, device: torch.device) -> Tensor:  # -> [count]
    """The order in which the reference's kernel prefers equally far points: by bit-reversed lane, then by index."""
    bits = min(LANES, count).bit_length() - 1
    lane = torch.arange(count, device=device) % 2**bits
    reversed_lane = sum(((lane >> bit) & 1) << (bits - 1 - bit) for bit in range(bits))
    return torch.argsort(torch.as_tensor(reversed_lane, device=device).expand(count), stable=True)
