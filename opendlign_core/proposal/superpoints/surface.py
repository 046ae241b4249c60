"""A scan as a surface: evenly spaced points with normals, linked to the points beside them."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from opendlign_core.proposal.superpoints.recipe import SuperpointsRecipe

Floats = NDArray[np.float64]
Indices = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Surface:
    """Points with normals, and links between neighbours."""

    points: Floats  # [N, 3]
    owner: Indices  # [scan], the point that stands for each of the scan's
    low: Floats  # [N, 3], of the scan's points for which each stands
    high: Floats  # [N, 3]
    normals: Floats  # [N, 3], of length 1 and either sign
    links: Indices  # [E, 2]
    bends: Floats  # [E], 0 where both ends face the same way, 1 where they stand square
    area: float
    """Square metres for which each point stands."""


def surface_of(points: Floats, recipe: SuperpointsRecipe) -> Surface:  # [N, 3]
    owner = cubes_of(points, recipe.spacing)
    counts = np.bincount(owner)
    even = np.stack([np.bincount(owner, weights=axis) for axis in points.T], axis=1) / counts[:, None]
    low, high = extents(points, points, owner)
    count = min(recipe.neighbours, len(even))
    distance, near = (found.reshape(len(even), count) for found in cKDTree(even).query(even, k=count))
    normals = _normals(even[near])
    links = _links(distance, near, recipe)
    bends = 1 - np.abs((normals[links[:, 0]] * normals[links[:, 1]]).sum(1))
    return Surface(even, owner, low, high, normals, links, bends, _area(distance[:, 1 : recipe.links + 1]))


def cubes_of(points: Floats, side: float) -> Indices:  # [N, 3] -> [N]
    """The number of the cube that each point lies in, counted from 0 over those that hold any."""
    cubes = np.floor((points - points.min(0)) / side).astype(np.int64)
    sizes = cubes.max(0) + 1
    number = (cubes[:, 0] * sizes[1] + cubes[:, 1]) * sizes[2] + cubes[:, 2]
    return np.unique(number, return_inverse=True)[1]


def extents(low: Floats, high: Floats, groups: Indices) -> tuple[Floats, Floats]:  # [N, 3], [N, 3], [N]
    """Lowest and highest corner of every group [G, 3]."""
    order = np.argsort(groups, kind="stable")
    starts = np.searchsorted(groups[order], np.arange(groups.max() + 1))
    return np.minimum.reduceat(low[order], starts), np.maximum.reduceat(high[order], starts)


def _area(distance: Floats) -> float:  # [N, k], to the nearest points
    """Of a disc that holds as many points as it reaches, by the median point."""
    return float(np.pi * np.median(distance[:, -1]) ** 2 / distance.shape[1]) if distance.size else 0.0


def _normals(around: Floats) -> Floats:  # [N, k, 3] -> [N, 3]
    """The direction in which the points around each spread least."""
    offsets = around - around.mean(1, keepdims=True)
    spread = np.einsum("nki,nkj->nij", offsets, offsets)
    normals: Floats = np.linalg.eigh(spread)[1][:, :, 0]
    return normals


def _links(distance: Floats, near: Indices, recipe: SuperpointsRecipe) -> Indices:  # [N, k], [N, k] -> [E, 2]
    """Each pair once."""
    reached = distance[:, 1 : recipe.links + 1] < recipe.reach
    first = np.broadcast_to(np.arange(len(near))[:, None], reached.shape)[reached]
    second = near[:, 1 : recipe.links + 1][reached]
    pairs = np.stack([np.minimum(first, second), np.maximum(first, second)], axis=1)
    return np.unique(pairs[:, 0] * len(near) + pairs[:, 1])[:, None] // [len(near), 1] % len(near)
