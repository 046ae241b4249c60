"""Points of a mesh that leave out nothing: outermost corners, every connected part, the rest evenly by area."""

import itertools

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from opendlign_core.ingestion.surface import Floats, Indices, Picks, Surface, at_heights, inside

# Towards the sides of a cube first, then its edges and corners.
_DIRECTIONS = sorted(
    (way for way in itertools.product((-1, 0, 1), repeat=3) if any(way)), key=lambda way: sum(map(abs, way))
)
_FEW = 2
"""A part that would get fewer points than this by its area may get none."""


def stratified(surface: Surface, count: int, rng: np.random.Generator) -> Picks:
    """`count` points of a surface that has an area.

    At most a quarter are its outermost corners, at most half of the others a corner of each part too small to be sure
    of a point; what is left lies on the larger parts, evenly by area. Only the last are placed by chance.
    """
    solid = surface.solid
    corners = surface.corners[solid]  # [F, 3, 3]
    outermost = _outermost(corners)[: count // 4]
    left = count - len(outermost)
    part, areas = connected_parts(surface, solid), surface.areas[solid]
    small = _small(part, areas, left)
    fixed = np.concatenate([outermost, _far_corners(corners, part, small)])
    even = _evenly(np.where(np.isin(part, small), 0.0, areas), part, count - len(fixed), rng)
    drawn = inside(solid[even], rng)
    faces, weights = solid[fixed // 3], np.eye(3)[fixed % 3]
    return Picks(np.concatenate([faces, drawn.faces]), np.concatenate([weights, drawn.weights]))


def _outermost(corners: Floats) -> Indices:
    """The corners, as places in the flat list of all, that lie farthest in each of 26 directions; each once."""
    flat = corners.reshape(-1, 3)
    farthest = {tuple(flat[place]): place for way in _DIRECTIONS for place in [int((flat @ way).argmax())]}
    return np.fromiter(farthest.values(), dtype=np.int64)


def connected_parts(surface: Surface, solid: Indices) -> Indices:
    """The connected part of each of these triangles; those that share a place are connected."""
    _, place = np.unique(surface.mesh.vertices, axis=0, return_inverse=True)
    first, second, third = place.reshape(-1)[surface.mesh.faces[solid]].T
    ends = np.concatenate([first, second]), np.concatenate([second, third])
    graph = coo_array((np.ones(len(ends[0]), dtype=bool), ends), shape=(place.max() + 1, place.max() + 1))
    _, part = connected_components(graph, directed=False)
    found: Indices = part[first].astype(np.int64)
    return found


def _small(part: Indices, areas: Floats, count: int) -> Indices:
    """The parts that `count` points by area may miss, largest first, as many as half of the points reach for."""
    shares = np.bincount(part, weights=areas) / areas.sum()
    small = np.flatnonzero((shares > 0) & (shares * count < _FEW))
    largest: Indices = small[np.argsort(-shares[small], kind="stable")]
    return largest[: count // 2]


def _far_corners(corners: Floats, part: Indices, wanted: Indices) -> Indices:
    """For each wanted part the corner that lies farthest from the middle of the shape, as in `_outermost`."""
    middle = (corners.min(axis=(0, 1)) + corners.max(axis=(0, 1))) / 2
    distances = np.linalg.norm(corners - middle, axis=2)
    order = np.lexsort((-distances.max(axis=1), part))
    parts, first = np.unique(part[order], return_index=True)
    triangles = order[first[np.searchsorted(parts, wanted)]]
    places: Indices = triangles * 3 + distances[triangles].argmax(axis=1)
    return places


def _evenly(areas: Floats, part: Indices, count: int, rng: np.random.Generator) -> Indices:
    """The triangles of `count` points at even distances in the stacked areas: none lacks its share by chance."""
    order = np.argsort(part, kind="stable")
    heights = (np.arange(count) + rng.random()) / count
    return order[at_heights(areas[order], heights)]
