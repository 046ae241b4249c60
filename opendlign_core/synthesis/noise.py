"""Smooth random planes at any size, built only from operations that round the same on every machine.

No powers, sines or matrix products: their last bits differ between processors, and the embedded painter promises bytes.
"""

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

Plane = NDArray[np.float32]

_ONE, _TWO, _THREE = np.float32(1), np.float32(2), np.float32(3)


@lru_cache(maxsize=256)
def _taps(size: int, cells: int) -> tuple[NDArray[np.intp], NDArray[np.intp], Plane]:
    """For each of `size` pixels: the two grid lines beside it and the smoothed share of the second."""
    position = np.arange(size, dtype=np.float64) * (cells / size)
    low = np.floor(position).astype(np.intp)
    share = position - low
    smooth = (share * share * (3 - 2 * share)).astype(np.float32)
    return low, low + 1, smooth


def value_noise(rng: np.random.Generator, height: int, width: int, rows: int, columns: int) -> Plane:
    """A plane of smoothly joined random values in [0, 1] with `rows` by `columns` cells."""
    rows, columns = min(rows, height), min(columns, width)
    grid = rng.random((rows + 1, columns + 1), dtype=np.float32)
    left, right, across = _taps(width, columns)
    lines = grid[:, left] + (grid[:, right] - grid[:, left]) * across  # [rows + 1, width]
    above, below, down = _taps(height, rows)
    plane = lines[below] - lines[above]
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
    side = max(height, width)
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


def box_blur(plane: Plane, radius: int) -> Plane:
    """Mean over a square of side 2 * radius + 1; the border is repeated outwards."""
    if radius < 1:
        return plane
    down = _windows(np.pad(plane, ((radius, radius), (0, 0)), mode="edge"), 2 * radius + 1)
    across = _windows(np.pad(down, ((0, 0), (radius, radius)), mode="edge").T, 2 * radius + 1).T
    across *= np.float32(1 / (2 * radius + 1) ** 2)
    return across


def _windows(rows: Plane, length: int) -> Plane:
    """Sums of `length` consecutive rows, by doubling: a window of 29 rows takes seven additions."""
    out_rows = rows.shape[0] - length + 1
    total: Plane | None = None
    done, span, block = 0, 1, rows
    while span <= length:
        if length & span:
            part = block[done : done + out_rows]
            total = part.copy() if total is None else np.add(total, part, out=total)
            done += span
        if 2 * span <= length:
            block = block[:-span] + block[span:]
        span *= 2
    assert total is not None
    return total


def enlarge(plane: Plane, step: int, height: int, width: int) -> Plane:
    """Undo `plane[::step, ::step]` by linear interpolation; each kept pixel keeps its value."""
    left, right, across = _lines(width, step, plane.shape[1])
    lines = plane[:, left] + (plane[:, right] - plane[:, left]) * across
    above, below, down = _lines(height, step, plane.shape[0])
    result = lines[below] - lines[above]
    result *= down[:, None]
    result += lines[above]
    return result


@lru_cache(maxsize=256)
def _lines(size: int, step: int, count: int) -> tuple[NDArray[np.intp], NDArray[np.intp], Plane]:
    low = np.arange(size) // step
    share = ((np.arange(size) % step) / step).astype(np.float32)
    return low, np.minimum(low + 1, count - 1), share
