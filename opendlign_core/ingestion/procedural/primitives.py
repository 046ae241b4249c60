"""Primitive solids, and points drawn from them.

Everything curved is a `loft`: a stack of rings joined by quads.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Literal

import numpy as np

from opendlign_core.ingestion.procedural.solid import FloatArray, IntArray, Point, Solid, Surface, deferred, plain

Caps = Literal["both", "first", "none"]


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


def _loft(rings: FloatArray, *, closed: bool = False, caps: Caps = "both") -> Surface:
    """Join rings [K, M, 3] into a skin; `closed` also joins the last ring to the first."""
    caps = "none" if closed else caps
    faces = _loft_faces(rings.shape[0], rings.shape[1], closed, caps)
    vertices = rings.reshape(-1, 3)
    if caps != "none":
        vertices = np.concatenate([vertices, rings[[0, -1]].sum(1) / rings.shape[1]])
    return plain(vertices, faces)


loft = deferred(_loft)


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


@deferred
def box(width: float, height: float, depth: float, at: Point = (0.0, 0.0, 0.0)) -> Surface:
    """A box of extents along x, y, z, centred at `at`."""
    return plain(_CUBE * (width, height, depth) + at, _CUBE_FACES)


@lru_cache(maxsize=64)
def _circle(segments: int) -> FloatArray:
    angle = np.arange(segments) * (2 * np.pi / segments) + np.pi / segments
    return np.stack([np.cos(angle), np.sin(angle)], -1)


@deferred
def lathe(profile: Sequence[tuple[float, float]] | FloatArray, segments: int = 20, caps: Caps = "both") -> Surface:
    """Revolve a profile [K, 2] of (radius, height), bottom first, about the y axis."""
    line, circle = np.asarray(profile, np.float64), _circle(segments)
    rings = np.empty((len(line), segments, 3))
    rings[..., 0] = line[:, :1] * circle[:, 0]
    rings[..., 1] = line[:, 1:]
    rings[..., 2] = line[:, :1] * -circle[:, 1]
    return _loft(rings, caps=caps)


def cylinder(radius: float, height: float, top: float | None = None, segments: int = 16) -> Solid:
    """A capped cylinder or frustum standing on y = 0; a `top` radius of 0 makes a cone."""
    return lathe([(radius, 0.0), (radius if top is None else top, height)], segments)


def sphere(radius: float, segments: int = 14, rings: int = 9) -> Solid:
    """A sphere centred at the origin; scale it for ellipsoids."""
    angle = np.linspace(-np.pi / 2, np.pi / 2, rings)
    return lathe(np.stack([np.cos(angle), np.sin(angle)], -1) * radius, segments, caps="none")


@deferred
def tube(
    path: Sequence[Point] | FloatArray,
    radius: float | Sequence[float] | FloatArray,
    *,
    segments: int = 8,
    closed: bool = False,
) -> Surface:
    """Sweep a circle along a path [K, 3]; `radius` is one number or one per point."""
    line = np.asarray(path, np.float64)
    ahead = _unit(_tangents(line, closed))
    aside = np.eye(3)[np.abs(ahead).max(0).argmin()]
    u = _unit(cross(ahead, aside[None]))
    v, circle = cross(ahead, u), _circle(segments)
    size = np.broadcast_to(np.asarray(radius, np.float64), len(line))[:, None, None]
    spokes = circle[None, :, :1] * u[:, None] + circle[None, :, 1:] * v[:, None]
    return _loft(line[:, None] + size * spokes, closed=closed)


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


@deferred
def prism(outline: Sequence[tuple[float, float]] | FloatArray, depth: float, axis: Literal["x", "z"] = "z") -> Surface:
    """Extrude an outline [M, 2] symmetrically by `depth`.

    Along z the outline is (x, y), along x it is (z, y). It must be star-shaped about the mean of its points.
    """
    flat = np.asarray(outline, np.float64)
    rings = np.empty((2, len(flat), 3))
    rings[..., 1] = flat[:, 1]
    rings[..., 0 if axis == "z" else 2] = flat[:, 0]
    rings[..., 2 if axis == "z" else 0] = np.array([[-depth / 2], [depth / 2]])
    return _loft(rings)


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


def sample_surface(solid: Solid, count: int, rng: np.random.Generator) -> tuple[FloatArray, IntArray]:
    """Draw points [count, 3] uniformly by area, with the triangle [count] that each lies on."""
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
    return corner[face] + across, face
