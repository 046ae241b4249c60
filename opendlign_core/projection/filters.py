"""Window filters on flat buffers of planes whose empty margins make every shift a contiguous slice.

All look forward: position p of the result reads positions p, p + step, ... of the input, and is the result for
the cell half a window further on. Products and sums are separate operations, so that no fused rounding makes a
pixel depend on where in a buffer it lies.
"""

import math

import torch
from torch import Tensor

from opendlign_core.projection.recipe import Bilateral, Gaussian

_ACTIVE_AT_ONCE = {"cpu": 1 << 13, "cuda": 1 << 22}


def window_maximum(flat: Tensor, window: int, step: int) -> Tensor:
    """Return the maximum of `window` neighbours `step` apart; shorter than `flat` by (window - 1) * step."""
    covered = 1
    while covered < window:
        shift = min(covered, window - covered)
        flat = torch.maximum(flat[: -shift * step], flat[shift * step :])
        covered += shift
    return flat


def gaussian_weights(window: int, sigma: float) -> list[float]:
    """Return the weights of the cells 1, 2, ... off the centre, relative to the centre's."""
    return [math.exp(-(offset**2) / (2 * sigma**2)) for offset in range(1, window // 2 + 1)]


def gaussian_pass(flat: Tensor, weights: list[float], step: int) -> Tensor:
    """Return a Gaussian along one axis, not normalised; shorter than `flat` by 2 * len(weights) * step."""
    reach = len(weights)
    length = len(flat) - 2 * reach * step

    def shifted(offset: int) -> Tensor:
        return flat[(reach + offset) * step :][:length]

    total = shifted(0)
    for offset, weight in enumerate(weights, start=1):
        total = (shifted(-offset) + shifted(offset)).mul_(weight).add_(total)
    return total


def gaussian_planes(flat: Tensor, smooth: Gaussian, pitch: int) -> Tensor:
    """Return in-plane Gaussians up to one factor, which the division by the image's maximum cancels."""
    for axis, step in ((2, 1), (1, pitch)):
        flat = gaussian_pass(flat, gaussian_weights(smooth.window[axis], smooth.sigma[axis]), step)
    return flat


def bilateral_taps(smooth: Bilateral) -> list[tuple[int, int, float]]:
    """Return (row, column, logarithm of the spatial weight) of every neighbour in the plane."""
    radius = smooth.window[1] // 2
    cells = [(r, c) for r in range(-radius, radius + 1) for c in range(-radius, radius + 1)]
    limit = radius**2 if smooth.support == "disc" else 2 * radius**2
    return [(r, c, -(r * r + c * c) / (2 * smooth.sigma_space**2)) for r, c in cells if r * r + c * c <= limit]


def bilateral_squeeze(dense: Tensor, layers: int, pitch: int, smooth: Bilateral) -> Tensor:
    """Return the maximum over layers of the planes' bilateral filter: [views, pitch, pitch].

    A mean of values lies between them, and slice z holds values in (z - 1, z]. Where a nearer slice fills the whole
    window no farther slice can win, so only the cells that something reaches and nothing hides are evaluated.
    """
    width = smooth.window[1]
    size = (len(dense) - (width - 1) * (pitch + 1)) // layers
    squeezed = dense.new_zeros(size)
    active = _active(dense, layers, size, width, pitch).nonzero()[:, 0]
    for part in torch.split(active, _ACTIVE_AT_ONCE[dense.device.type]):
        squeezed.scatter_reduce_(0, part % size, _bilateral(dense, part, pitch, smooth), "amax")
    return squeezed.view(-1, pitch, pitch)


def _active(dense: Tensor, layers: int, size: int, width: int, pitch: int) -> Tensor:
    filled = (dense > 0).byte()
    touched = window_maximum(window_maximum(filled, width, 1), width, pitch)[: layers * size].view(layers, size)
    empty = filled.bitwise_xor_(1)
    gap = window_maximum(window_maximum(empty, width, 1), width, pitch)[: layers * size].view(layers, size)
    for layer in range(1, layers):
        gap[layer].bitwise_and_(gap[layer - 1])  # from here on: no layer so far fills the window
        touched[layer].bitwise_and_(gap[layer - 1])
    return touched.flatten()


def _bilateral(dense: Tensor, position: Tensor, pitch: int, smooth: Bilateral) -> Tensor:
    radius = smooth.window[1] // 2
    taps = bilateral_taps(smooth)
    offsets = [(r + radius) * pitch + c + radius for r, c, _ in taps]
    centre = dense[position + radius * (pitch + 1)]
    value = dense[position + torch.tensor(offsets, device=dense.device)[:, None]]  # [taps, n]
    weight = value - centre
    weight.mul_(weight).mul_(-1 / (2 * smooth.sigma_value**2))
    weight.add_(torch.tensor([log for _, _, log in taps], device=dense.device)[:, None]).exp_()
    return value.mul_(weight).sum(0) / weight.sum(0)
