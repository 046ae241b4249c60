"""Window filters on flat buffers whose empty margins make a shift along any axis a contiguous slice.

All look forward: position p of the result reads positions p, p + step, ... of the input, and is the result for
the cell half a window further on. Products and sums are separate operations, so that no fused rounding makes a
pixel depend on where in a buffer it lies.
"""

import math
from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor

from opendlign_core.projection.recipe import Bilateral

_EVALUATED_AT_ONCE = {"cpu": 1 << 16, "cuda": 1 << 26}  # neighbours, one exponential each


class Room:
    """Three buffers that passes write into in turn: fresh memory costs a processor more than the pass itself.

    What `next` returned is overwritten after two more calls.
    """

    def __init__(self, device: torch.device) -> None:
        self._buffers = [torch.empty(0, device=device) for _ in range(3)]

    def next(self, length: int) -> Tensor:
        """The next buffer, of so many cells; what it holds is undefined."""
        last = self._buffers.pop(0)
        self._buffers.append(last if len(last) >= length else last.new_empty(length))
        return self._buffers[-1][:length]


def window_maximum(flat: Tensor, window: int, step: int, room: Room | None = None) -> Tensor:
    """Return the maximum of `window` neighbours `step` apart; shorter than `flat` by (window - 1) * step."""
    covered = 1
    while covered < window:
        shift = min(covered, window - covered)
        near, far = flat[: -shift * step], flat[shift * step :]
        flat = torch.maximum(near, far, out=None if room is None else room.next(len(near)))
        covered += shift
    return flat


def gaussian_weights(window: int, sigma: float) -> list[float]:
    """Return the weights of the cells 1, 2, ... off the centre, relative to the centre's."""
    return [math.exp(-(offset**2) / (2 * sigma**2)) for offset in range(1, window // 2 + 1)]


def gaussian_pass(flat: Tensor, weights: list[float], step: int, room: Room | None = None) -> Tensor:
    """Return a Gaussian along one axis; shorter than `flat` by 2 * len(weights) * step.

    It is not normalised: every image is divided by its own maximum in the end.
    """
    reach = len(weights)
    length = len(flat) - 2 * reach * step

    def shifted(offset: int) -> Tensor:
        return flat[(reach + offset) * step :][:length]

    room = room or Room(flat.device)
    # In this order, so that the next pass overwrites neither what this one returns nor its own sums.
    pair, result = room.next(length), room.next(length)
    total = shifted(0)
    for offset, weight in enumerate(weights, start=1):
        total = torch.add(torch.add(shifted(-offset), shifted(offset), out=pair).mul_(weight), total, out=result)
    return total


@dataclass(frozen=True)
class Taps:
    """The neighbours of a bilateral filter: forward offsets in the flat buffer, and logarithms of spatial weights."""

    offsets: Tensor  # [T, 1] int64
    logs: Tensor  # [T, 1] float32
    centre: int
    scale: float  # of the squared difference of values


@lru_cache(maxsize=64)
def bilateral_taps(smooth: Bilateral, steps: tuple[int, int, int], device: torch.device) -> Taps:
    """Return the taps of a filter in a buffer with these steps from slice to slice, row to row, column to column."""
    radii = [extent // 2 for extent in smooth.window]
    grid = torch.cartesian_prod(*(torch.arange(-radius, radius + 1) for radius in radii))
    square = grid.square().sum(1)
    if smooth.support == "disc":
        grid, square = grid[square <= max(radii) ** 2], square[square <= max(radii) ** 2]
    centre = sum(radius * step for radius, step in zip(radii, steps, strict=True))
    return Taps(
        offsets=((grid * torch.tensor(steps)).sum(1) + centre)[:, None].to(device),
        logs=(square / (-2 * smooth.sigma_space**2))[:, None].to(device),
        centre=centre,
        scale=-1 / (2 * smooth.sigma_value**2),
    )


def bilateral_at(dense: Tensor, position: Tensor, taps: Taps) -> Tensor:
    """Return the bilateral filter at these positions (of the result) only: [n]."""
    places = position + taps.offsets
    value = dense.index_select(0, places.flatten()).view_as(places)  # [T, n]; several times faster than dense[places]
    weight = value - dense.index_select(0, position + taps.centre)
    weight.mul_(weight).mul_(taps.scale).add_(taps.logs).exp_()
    return _sum_rows(value.mul_(weight)).div_(_sum_rows(weight))


def _sum_rows(rows: Tensor) -> Tensor:
    """Add the rows up one by one: torch's own sum adds the last columns in another order than the rest."""
    total = rows[0]
    for row in rows[1:]:
        total = total.add_(row)
    return total


def bilateral_squeeze(dense: Tensor, layers: int, pitch: int, smooth: Bilateral) -> Tensor:
    """Return the maximum over layers of the planes' in-plane bilateral filter, flat.

    A mean of values lies between them, and a slice holds nearer values than any slice behind it. Where a slice
    fills the whole window nothing behind it can win, so only cells that something reaches and nothing hides count.
    """
    width = smooth.window[1]
    size = (len(dense) - (width - 1) * (pitch + 1)) // layers
    taps = bilateral_taps(smooth, (0, pitch, 1), dense.device)
    squeezed = dense.new_zeros(size)
    active = _unhidden(dense, layers, size, width, pitch).view(torch.bool).nonzero()[:, 0]
    for part in torch.split(active, _EVALUATED_AT_ONCE[dense.device.type] // len(taps.offsets)):
        squeezed.scatter_reduce_(0, part % size, bilateral_at(dense, part, taps), "amax")
    return squeezed


def _unhidden(dense: Tensor, layers: int, size: int, width: int, pitch: int) -> Tensor:
    """Return where a window holds anything and no nearer layer fills it: uint8 [layers * size]."""

    def anywhere(mask: Tensor) -> Tensor:
        spread = window_maximum(window_maximum(mask, width, 1), width, pitch)
        return spread[: layers * size].view(layers, size)

    filled = (dense > 0).byte()
    touched, gap = anywhere(filled), anywhere(filled.bitwise_xor_(1))
    for layer in range(1, layers):
        touched[layer].bitwise_and_(gap[layer - 1])
        gap[layer].bitwise_and_(gap[layer - 1])
    return touched.flatten()
