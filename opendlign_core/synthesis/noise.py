"""Smooth random planes of any size, built only from operations that round the same on every machine.

No powers, sines or matrix products: their last bits differ between processors, and the painter promises bytes.
"""

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

Plane = NDArray[np.float32]

_ONE, _TWO, _THREE = np.float32(1), np.float32(2), np.float32(3)


@lru_cache(maxsize=1024)
def _taps(size: int, cells: int) -> tuple[NDArray[np.intp], Plane]:
    """For each of `size` pixels: the grid line before it and the smoothed share of the next one."""
    position = np.arange(size, dtype=np.float64) * (cells / size)
    low = np.floor(position).astype(np.intp)
    share = position - low
    smooth = (share * share * (3 - 2 * share)).astype(np.float32)
    return low, smooth


def value_noise(rng: np.random.Generator, height: int, width: int, rows: int, columns: int) -> Plane:
    """A plane of smoothly joined random values in [0, 1] with `rows` by `columns` cells."""
    rows, columns = min(rows, height), min(columns, width)
    grid = rng.random((rows + 1, columns + 1), dtype=np.float32)
    left, across = _taps(width, columns)
    lines = np.diff(grid)[:, left] * across + grid[:, left]  # [rows + 1, width]
    above, down = _taps(height, rows)
    plane = np.diff(lines, axis=0)[above]
    plane *= down[:, None]
    plane += lines[above]
    return plane


def fractal_noise(rng: np.random.Generator, height: int, width: int, cells: int, octaves: int) -> Plane:
    """Value noise summed over octaves of twice the frequency and half the weight, in [0, 1]."""
    total = value_noise(rng, height, width, cells, cells)
    weight, norm = np.float32(0.5), _ONE
    for _ in range(octaves - 1):
        cells *= 2
        layer = value_noise(rng, height, width, cells, cells)
        layer *= weight
        total += layer
        norm = norm + weight
        weight = weight * np.float32(0.5)
    total *= _ONE / norm
    return total


@lru_cache(maxsize=4)
def _grain_tile(side: int) -> Plane:
    return np.random.default_rng(20240416).random((2 * side, 2 * side), dtype=np.float32) - np.float32(0.5)


def grain(rng: np.random.Generator, height: int, width: int) -> Plane:
    """Per-pixel noise in [-0.5, 0.5]: a random window of one fixed tile, which costs nothing to cut."""
    side = 1 << (max(height, width) - 1).bit_length()
    row, column = rng.integers(0, side, 2)
    return _grain_tile(side)[row : row + height, column : column + width]


def triangle(plane: Plane) -> Plane:
    """A wave of period 1 between 0 and 1, in place of a sine."""
    plane = plane - np.floor(plane)
    plane *= _TWO
    plane -= _ONE
    return np.abs(plane, out=plane)


def smoothstep(plane: Plane, low: float, high: float) -> Plane:
    """0 below `low`, 1 above `high`, smooth between."""
    share = (plane - np.float32(low)) * np.float32(1 / (high - low))
    np.clip(share, 0, 1, out=share)
    curve = _THREE - _TWO * share
    curve *= share
    curve *= share
    return curve


def box_blur(planes: Plane, radius: int, passes: int = 1) -> Plane:
    """Mean over squares of side 2 * radius + 1, repeated, for planes [..., H, W]; outside lie zeros."""
    length = 2 * radius + 1
    margin = [(0, 0)] * (planes.ndim - 2) + [(passes * radius, passes * radius)] * 2
    total = _zero_pad(planes, margin)
    for _ in range(passes):
        total = _windows(total, length, total.ndim - 2)
        total = _windows(total, length, total.ndim - 1)
    total *= np.float32(1 / length ** (2 * passes))
    return total


def _zero_pad(planes: Plane, margin: list[tuple[int, int]]) -> Plane:
    padded = np.zeros([size + 2 * side for size, (side, _) in zip(planes.shape, margin, strict=True)], np.float32)
    padded[tuple(slice(side, side + size) for size, (side, _) in zip(planes.shape, margin, strict=True))] = planes
    return padded


def _windows(planes: Plane, length: int, axis: int) -> Plane:
    """Sums of `length` neighbours along an axis, by doubling: a window of 29 takes seven additions."""
    kept = planes.shape[axis] - length + 1
    total: Plane | None = None
    done, span, block = 0, 1, planes
    while span <= length:
        if length & span:
            part = _cut(block, axis, done, done + kept)
            total = part if total is None else total + part
            done += span
        if 2 * span <= length:
            block = _cut(block, axis, 0, -span) + _cut(block, axis, span, None)
        span *= 2
    assert total is not None
    return total


def _cut(planes: Plane, axis: int, start: int, stop: int | None) -> Plane:
    return planes[(slice(None),) * axis + (slice(start, stop),)]


def enlarge(plane: Plane, step: int, height: int, width: int) -> Plane:
    """Undo `plane[::step, ::step]` by linear interpolation; each kept pixel keeps its value."""
    left, across = _lines(width, step)
    above, down = _lines(height, step)
    lines = np.diff(plane, append=plane[:, -1:])[:, left] * across + plane[:, left]
    result = np.diff(lines, axis=0, append=lines[-1:])[above]
    result *= down[:, None]
    result += lines[above]
    return result


@lru_cache(maxsize=1024)
def _lines(size: int, step: int) -> tuple[NDArray[np.intp], Plane]:
    return np.arange(size) // step, ((np.arange(size) % step) / step).astype(np.float32)
