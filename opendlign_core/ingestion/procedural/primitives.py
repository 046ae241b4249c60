"""Triangle surfaces and the few operations that combine them.

A `Solid` is vertices, triangles and one paint slot per triangle. Everything curved is a `loft`: a stack of rings
joined by quads. Frame: right-handed, y up, front towards +z, metres. Solids may overlap; nothing is trimmed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import numpy as np
import numpy.typing as npt

from opendlign_core.ingestion.procedural.paint import Paint

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
Caps = Literal["both", "first", "none"]
Point = tuple[float, float, float]

_AXES = {"x": 0, "y": 1, "z": 2}


@dataclass(frozen=True, slots=True, eq=False)
class Solid:
    """A painted triangle surface; every method returns a new one."""

    vertices: FloatArray  # [V, 3]
    faces: IntArray  # [F, 3]
    paint: npt.NDArray[np.uint8]  # [F]

    def move(self, x: float = 0.0, y: float = 0.0, z: float = 0.0) -> Solid:
        return Solid(self.vertices + np.array((x, y, z)), self.faces, self.paint)

    def scale(self, x: float = 1.0, y: float = 1.0, z: float = 1.0) -> Solid:
        return Solid(self.vertices * (x, y, z), self.faces, self.paint)

    def turn(self, axis: Literal["x", "y", "z"], degrees: float) -> Solid:
        """Rotate about an axis through the origin, counter-clockwise seen from its positive end."""
        return Solid(self.vertices @ rotation(axis, degrees).T, self.faces, self.paint)

    def mirror(self, axis: Literal["x", "y", "z"] = "x") -> Solid:
        """The reflection through the plane across `axis`, with triangles still wound outwards."""
        flip = np.ones(3)
        flip[_AXES[axis]] = -1.0
        return Solid(self.vertices * flip, self.faces[:, ::-1], self.paint)

    def painted(self, paint: Paint) -> Solid:
        return Solid(self.vertices, self.faces, np.full(len(self.faces), paint, np.uint8))

    def bend(self, degrees: float) -> Solid:
        """Shear along z as y grows: a cheap lean that keeps feet on the ground."""
        vertices = self.vertices.copy()
        vertices[:, 2] += np.tan(np.radians(degrees)) * vertices[:, 1]
        return Solid(vertices, self.faces, self.paint)

    def __add__(self, other: Solid) -> Solid:
        return join(self, other)


def rotation(axis: Literal["x", "y", "z"], degrees: float) -> FloatArray:
    """The [3, 3] matrix that turns column vectors counter-clockwise about an axis."""
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    rows = {
        "x": [[1, 0, 0], [0, c, -s], [0, s, c]],
        "y": [[c, 0, s], [0, 1, 0], [-s, 0, c]],
        "z": [[c, -s, 0], [s, c, 0], [0, 0, 1]],
    }
    return np.array(rows[axis])


def join(*solids: Solid) -> Solid:
    """All surfaces as one, keeping their paint."""
    starts = np.cumsum([0] + [len(s.vertices) for s in solids[:-1]])
    faces = np.concatenate([s.faces + start for s, start in zip(solids, starts, strict=True)])
    vertices = np.concatenate([s.vertices for s in solids])
    return Solid(vertices, faces, np.concatenate([s.paint for s in solids]))


def copies(solid: Solid, offsets: Sequence[Point] | FloatArray) -> Solid:
    """One solid placed at each of `offsets` [K, 3]."""
    return _stack(solid, solid.vertices[None] + np.asarray(offsets, np.float64)[:, None])


def around(solid: Solid, count: int, start: float = 0.0) -> Solid:
    """`count` copies spread evenly about the y axis, the first turned by `start` degrees."""
    turns = np.stack([rotation("y", start + 360.0 * i / count) for i in range(count)])
    return _stack(solid, np.einsum("kij,vj->kvi", turns, solid.vertices))


def both_sides(solid: Solid) -> Solid:
    """The solid and its mirror image in x."""
    return join(solid, solid.mirror("x"))


def _stack(solid: Solid, vertices: FloatArray) -> Solid:  # [K, V, 3]
    count = len(vertices)
    faces = solid.faces[None] + (np.arange(count) * len(solid.vertices))[:, None, None]
    return Solid(vertices.reshape(-1, 3), faces.reshape(-1, 3), np.tile(solid.paint, count))


@lru_cache(maxsize=512)
def _loft_faces(rings: int, around_ring: int, closed: bool, caps: Caps) -> IntArray:
    """Triangles of a stack of rings; caps use centre vertices stored after the rings."""
    row = np.arange(rings if closed else rings - 1)[:, None]
    column = np.arange(around_ring)[None]
    above, right = (row + 1) % rings, (column + 1) % around_ring
    a, b = row * around_ring + column, row * around_ring + right
    c, d = above * around_ring + column, above * around_ring + right
    quads = np.stack([np.stack([a, b, d], -1), np.stack([a, d, c], -1)], 2).reshape(-1, 3)
    parts, centre, ring = [quads], rings * around_ring, np.arange(around_ring)
    following = (ring + 1) % around_ring
    if caps != "none":
        parts.append(np.stack([np.full(around_ring, centre), following, ring], -1))
    if caps == "both":
        last = (rings - 1) * around_ring
        parts.append(np.stack([np.full(around_ring, centre + 1), last + ring, last + following], -1))
    return np.concatenate(parts).astype(np.int64)


def loft(rings: FloatArray, *, closed: bool = False, caps: Caps = "both") -> Solid:
    """Join rings [K, M, 3] into a skin; `closed` also joins the last ring to the first."""
    caps = "none" if closed else caps
    faces = _loft_faces(rings.shape[0], rings.shape[1], closed, caps)
    vertices = rings.reshape(-1, 3)
    if caps != "none":
        vertices = np.concatenate([vertices, rings[[0, -1]].sum(1) / rings.shape[1]])
    return Solid(vertices, faces, np.zeros(len(faces), np.uint8))


_CUBE = np.array([[x, y, z] for x in (-0.5, 0.5) for y in (-0.5, 0.5) for z in (-0.5, 0.5)])
_CUBE_FACES = np.array(
    [
        [0, 1, 3],
        [0, 3, 2],
        [4, 6, 7],
        [4, 7, 5],
        [0, 4, 5],
        [0, 5, 1],
        [2, 3, 7],
        [2, 7, 6],
        [0, 2, 6],
        [0, 6, 4],
        [1, 5, 7],
        [1, 7, 3],
    ]
)


def box(width: float, height: float, depth: float, at: Point = (0.0, 0.0, 0.0)) -> Solid:
    """A box of extents along x, y, z, centred at `at`."""
    return Solid(_CUBE * (width, height, depth) + at, _CUBE_FACES, np.zeros(12, np.uint8))


@lru_cache(maxsize=64)
def _circle(segments: int) -> FloatArray:
    angle = np.arange(segments) * (2 * np.pi / segments) + np.pi / segments
    return np.stack([np.cos(angle), np.sin(angle)], -1)


def lathe(profile: Sequence[tuple[float, float]] | FloatArray, segments: int = 20, caps: Caps = "both") -> Solid:
    """Revolve a profile [K, 2] of (radius, height), bottom first, about the y axis."""
    line, circle = np.asarray(profile, np.float64), _circle(segments)
    rings = np.empty((len(line), segments, 3))
    rings[..., 0] = line[:, :1] * circle[:, 0]
    rings[..., 1] = line[:, 1:]
    rings[..., 2] = line[:, :1] * -circle[:, 1]
    return loft(rings, caps=caps)


def cylinder(radius: float, height: float, top: float | None = None, segments: int = 16) -> Solid:
    """A capped cylinder or frustum standing on y = 0; a `top` radius of 0 makes a cone."""
    return lathe([(radius, 0.0), (radius if top is None else top, height)], segments)


def sphere(radius: float, segments: int = 14, rings: int = 9) -> Solid:
    """A sphere centred at the origin; scale it for ellipsoids."""
    angle = np.linspace(-np.pi / 2, np.pi / 2, rings)
    return lathe(np.stack([np.cos(angle), np.sin(angle)], -1) * radius, segments, caps="none")


def tube(
    path: Sequence[Point] | FloatArray,
    radius: float | Sequence[float] | FloatArray,
    *,
    segments: int = 8,
    closed: bool = False,
) -> Solid:
    """Sweep a circle along a path [K, 3]; `radius` is one number or one per point."""
    line = np.asarray(path, np.float64)
    ahead = _unit(_tangents(line, closed))
    aside = np.eye(3)[np.abs(ahead).max(0).argmin()]
    u = _unit(cross(ahead, aside[None]))
    v, circle = cross(ahead, u), _circle(segments)
    size = np.broadcast_to(np.asarray(radius, np.float64), len(line))[:, None, None]
    spokes = circle[None, :, :1] * u[:, None] + circle[None, :, 1:] * v[:, None]
    return loft(line[:, None] + size * spokes, closed=closed)


def _tangents(line: FloatArray, closed: bool) -> FloatArray:
    """Directions [K, 3] at the points of a path: from the point before to the point after."""
    following, before = np.roll(line, -1, 0), np.roll(line, 1, 0)
    if not closed:
        following[-1], before[0] = line[-1], line[0]
    return following - before


def _unit(rows: FloatArray) -> FloatArray:
    length: FloatArray = np.sqrt(np.einsum("ki,ki->k", rows, rows))[:, None] + 1e-12
    return rows / length


def bar(start: Point, end: Point, radius: float, tip: float | None = None, segments: int = 8) -> Solid:
    """A straight round rod (square with four segments) between two points."""
    return tube([start, end], (radius, radius if tip is None else tip), segments=segments)


def torus(ring: float, thickness: float, segments: int = 20, sides: int = 8) -> Solid:
    """A ring about the y axis: `ring` is its centre line's radius, `thickness` the tube's."""
    circle = _circle(segments) * ring
    path = np.stack([circle[:, 0], np.zeros(segments), circle[:, 1]], -1)
    return tube(path, thickness, segments=sides, closed=True)


def prism(outline: Sequence[tuple[float, float]] | FloatArray, depth: float, axis: Literal["x", "z"] = "z") -> Solid:
    """Extrude an outline [M, 2] symmetrically by `depth`.

    Along z the outline is (x, y), along x it is (z, y). It must be star-shaped about the mean of its points.
    """
    flat = np.asarray(outline, np.float64)
    rings = np.empty((2, len(flat), 3))
    rings[..., 1] = flat[:, 1]
    rings[..., 0 if axis == "z" else 2] = flat[:, 0]
    rings[..., 2 if axis == "z" else 0] = np.array([[-depth / 2], [depth / 2]])
    return loft(rings)


@lru_cache(maxsize=128)
def _spline_basis(controls: int, samples: int) -> FloatArray:
    """Catmull-Rom weights [samples, controls], with end points doubled."""
    t = np.linspace(0, controls - 1, samples)
    left = np.minimum(t.astype(np.int64), controls - 2)
    u = t - left
    weights = np.stack([-u + 2 * u**2 - u**3, 2 - 5 * u**2 + 3 * u**3, u + 4 * u**2 - 3 * u**3, u**3 - u**2], -1) / 2
    basis = np.zeros((samples, controls))
    for k in range(4):
        np.add.at(basis, (np.arange(samples), np.clip(left + k - 1, 0, controls - 1)), weights[:, k])
    return basis


def spline(controls: Sequence[Sequence[float]] | FloatArray, samples: int = 12) -> FloatArray:
    """A smooth curve [samples, D] through the control points [K, D], ends included."""
    line = np.asarray(controls, np.float64)
    return _spline_basis(len(line), samples) @ line


_NEXT, _LAST = np.array([1, 2, 0]), np.array([2, 0, 1])


def cross(a: FloatArray, b: FloatArray) -> FloatArray:
    """Cross products of rows [N, 3]; a few times faster than numpy's for the small arrays used here."""
    return a[:, _NEXT] * b[:, _LAST] - a[:, _LAST] * b[:, _NEXT]


def sample_surface(solid: Solid, count: int, rng: np.random.Generator) -> tuple[FloatArray, npt.NDArray[np.uint8]]:
    """Draw points [count, 3] uniformly by area, with the paint slot [count] of each."""
    corner, second, third = (solid.vertices[solid.faces[:, k]] for k in range(3))
    first, second = second - corner, third - corner
    normal = cross(first, second)
    cumulative = np.cumsum(np.sqrt(np.einsum("fi,fi->f", normal, normal)))
    draws = rng.random((3, count))
    # Sorted draws find their triangles several times faster; the permutation makes the order random again.
    face = np.searchsorted(cumulative, np.sort(draws[0]) * cumulative[-1], side="right")
    face = rng.permutation(np.minimum(face, len(cumulative) - 1))
    root = np.sqrt(draws[1])
    across = first[face] * (root * (1 - draws[2]))[:, None] + second[face] * (root * draws[2])[:, None]
    return corner[face] + across, solid.paint[face]
