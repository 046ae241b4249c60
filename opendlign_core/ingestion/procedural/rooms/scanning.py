"""What a scanner sees of a surface from a few places, as evenly spaced and as noisy points as a scan has."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

ANGLE = np.radians(1.0)
"""Between two rays of the scanner."""
THROUGH, WIDENING = 0.03, 0.025
"""Metres behind the first surface on a ray that are seen as well, and how many more for each metre that it is away:
rays are wide, and surfaces lean."""
SPACING, NOISE = 0.045, 0.004
"""Metres between points, and the deviation of each."""
WAVES, DRIFT = 5, 0.005
"""Surfaces that are put together from many pictures are warped: by so many waves, of at most so many metres each."""
HOLES, WIDEST = 25, 0.15
"""Places where the scanner saw nothing, at most, and the radius of each in metres, at most."""


def seen_from(points: Floats, scanner: Floats) -> NDArray[np.bool_]:  # [N, 3], [3] -> [N]
    """Which points no other hides: on each ray those not far behind the nearest."""
    ray, distance = _rays(points - scanner)
    nearest = np.full(int(ray.max(initial=0)) + 1, np.inf)
    np.minimum.at(nearest, ray, distance)
    seen: NDArray[np.bool_] = distance <= nearest[ray] * (1 + WIDENING) + THROUGH
    return seen


def evenly(points: Floats, spacing: float, rng: np.random.Generator) -> NDArray[np.int64]:  # [N, 3] -> [M]
    """Indices of one point, drawn at random, of every cube of so many metres; in the order of points."""
    shuffled = rng.permutation(len(points))
    # Cubes begin anywhere: no floor or wall shall lie on a side of theirs, where it would count twice.
    cubes = np.floor(points[shuffled] / spacing + rng.random(3)).astype(np.int64)
    cubes -= cubes.min(0)
    sizes = cubes.max(0) + 1
    number = (cubes[:, 0] * sizes[1] + cubes[:, 1]) * sizes[2] + cubes[:, 2]
    return np.sort(shuffled[np.unique(number, return_index=True)[1]])


def blurred(points: Floats, rng: np.random.Generator) -> Floats:  # [N, 3] -> [N, 3]
    """Points as a scanner that drifts a little gives them."""
    moved = points + rng.normal(0, NOISE, points.shape)
    for _ in range(WAVES):
        along = rng.normal(size=3)
        along *= 2 * np.pi / (np.linalg.norm(along) * rng.uniform(0.5, 3.0))
        moved += np.sin(points @ along + rng.uniform(0, 2 * np.pi))[:, None] * rng.uniform(-DRIFT, DRIFT, 3)
    return moved


def holes(points: Floats, rng: np.random.Generator) -> NDArray[np.bool_]:  # [N, 3] -> [N]
    """Which points lie where the scanner saw nothing: too dark, too shiny, or passed by too fast."""
    missed = np.zeros(len(points), bool)
    for centre in points[rng.integers(0, len(points), rng.integers(0, HOLES + 1))]:
        missed |= ((points - centre) ** 2).sum(1) < rng.uniform(0.02, WIDEST) ** 2
    return missed


def _rays(offsets: Floats) -> tuple[NDArray[np.int64], Floats]:
    """The ray on which each point lies, by azimuth and elevation, and how far away it is."""
    distance = np.sqrt((offsets**2).sum(1)) + 1e-9
    azimuth = np.floor((np.arctan2(offsets[:, 2], offsets[:, 0]) + np.pi) / ANGLE).astype(np.int64)
    elevation = np.floor((np.arcsin(offsets[:, 1] / distance) + np.pi / 2) / ANGLE).astype(np.int64)
    return elevation * (int(2 * np.pi / ANGLE) + 1) + azimuth, distance
