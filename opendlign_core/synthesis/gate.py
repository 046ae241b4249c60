"""The quality gate: which images are fit to train on, judged from the image and its depth map alone."""

from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from opendlign_core.samples import GateScore
from opendlign_core.synthesis.recipe import GateRecipe
from opendlign_core.synthesis.surface import BACKGROUND

_JUMP = np.float32(0.08)
"""Difference in depth between neighbours that counts as a contour inside the object."""
_LEVELS = 256
_Level = TypeVar("_Level", np.uint8, np.bool_)


def judge(image: NDArray[np.uint8], depth: NDArray[np.float32], finite: bool, recipe: GateRecipe) -> GateScore:
    """Score one image [H, W, 3] against its depth map [H, W]; `reason` names the first check it fails."""
    if not finite:
        return GateScore(
            brightness=0.0, variation=0.0, edge_agreement=0.0, reason="the network's output was not finite"
        )
    brightness, variation = _levels(image)
    agreement = edge_agreement(image, depth)
    return GateScore(
        brightness=round(brightness, 4),
        variation=round(variation, 4),
        edge_agreement=round(agreement, 4),
        reason=_reason(brightness, variation, agreement, recipe),
    )


def _reason(brightness: float, variation: float, agreement: float, recipe: GateRecipe) -> str | None:
    if brightness < recipe.minimum_brightness:
        return f"black: mean brightness {brightness:.3f} is below {recipe.minimum_brightness}"
    if variation < recipe.minimum_variation:
        return f"flat: standard deviation {variation:.3f} is below {recipe.minimum_variation}"
    if agreement < recipe.minimum_edge_agreement:
        return f"misaligned: edge agreement {agreement:.3f} is below {recipe.minimum_edge_agreement}"
    return None


def _levels(image: NDArray[np.uint8]) -> tuple[float, float]:
    """Mean and standard deviation of the brightness, in [0, 1]."""
    red, green, blue = (image[..., channel].astype(np.uint16) for channel in range(3))
    grey = (red * 77 + green * 150 + blue * 29) >> 8
    mean = float(grey.mean(dtype=np.float64))
    square = float((grey * grey).mean(dtype=np.float64))
    return mean / 255, max(square - mean * mean, 0.0) ** 0.5 / 255


def edge_agreement(image: NDArray[np.uint8], depth: NDArray[np.float32]) -> float:
    """How well the image's edges lie on the contours of the depth map, between 0 and 1.

    The chance that a random pixel on a contour shows a stronger edge than a random pixel beside it, within a
    sixteenth of the image width; edges one pixel away count. Images that ignore the depth map score about 0.5, since
    the comparison stays within one neighbourhood, however busy. 0 where the map has no contour.
    """
    contour = _contours(depth)
    reach = max(3, image.shape[1] // 16)
    beside = _widen(contour, reach) & ~_widen(contour, 2)
    edges = _widen(_edges(image), 1)
    on = np.bincount(edges[contour], minlength=_LEVELS)
    off = np.bincount(edges[beside], minlength=_LEVELS)
    pairs = int(on.sum()) * int(off.sum())
    if pairs == 0:
        return 0.0
    weaker = np.cumsum(off) - off
    return float((on * (weaker + off / 2)).sum() / pairs)


def _contours(depth: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Pixels on either side of the silhouette or of a jump in depth."""
    solid = depth < BACKGROUND
    marked = np.zeros(depth.shape, np.bool_)
    for axis in (0, 1):
        low, high = _neighbours(axis)
        step = (solid[low] != solid[high]) | (np.abs(depth[low] - depth[high]) > _JUMP)
        marked[low] |= step
        marked[high] |= step
    return marked


def _edges(image: NDArray[np.uint8]) -> NDArray[np.uint8]:  # [H, W]
    """The largest step of any colour channel to any direct neighbour."""
    strength = np.zeros(image.shape[:2], np.uint8)
    for channel in range(3):
        plane = np.ascontiguousarray(image[..., channel])
        for axis in (0, 1):
            low, high = _neighbours(axis)
            step = np.maximum(plane[low], plane[high]) - np.minimum(plane[low], plane[high])
            np.maximum(strength[low], step, out=strength[low])
            np.maximum(strength[high], step, out=strength[high])
    return strength


def _widen(plane: NDArray[_Level], reach: int) -> NDArray[_Level]:
    """The maximum over a square of side 2 * reach + 1."""
    for axis in (0, 1):
        done = 0
        while done < reach:
            step = min(done + 1, reach - done)
            low, high = _neighbours(axis, step)
            wide = plane.copy()
            np.maximum(wide[low], plane[high], out=wide[low])
            np.maximum(wide[high], plane[low], out=wide[high])
            plane, done = wide, done + step
    return plane


def _neighbours(axis: int, step: int = 1) -> tuple[tuple[slice, ...], tuple[slice, ...]]:
    """Two views of the same pixels, `step` apart along `axis`."""
    head: tuple[slice, ...] = (slice(None),) * axis
    return (*head, slice(None, -step)), (*head, slice(step, None))
