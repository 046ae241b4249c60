"""The surface of a mesh as sampling sees it, and points on it as places in its triangles."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from opendlign_core.ingestion.cloud import Mesh, PointCloud, Points

Floats = npt.NDArray[np.float64]
Indices = npt.NDArray[np.int64]

THINNEST = 1e-12
"""A surface of less than this share of its extent squared is a line or a point, whatever rounding makes of it."""


@dataclass(frozen=True, eq=False)
class Picks:
    """Points of a surface: the triangle each lies in, and how much of each of its corners it takes."""

    faces: Indices  # [N]
    weights: Floats  # [N, 3], rows sum to 1


@dataclass(frozen=True, eq=False)
class Surface:
    """The triangles of a mesh in double precision."""

    mesh: Mesh

    @cached_property
    def corners(self) -> Floats:
        """The corners of every triangle [F, 3, 3]."""
        found: Floats = self.mesh.vertices.astype(np.float64)[self.mesh.faces]
        return found

    @cached_property
    def areas(self) -> Floats:
        """[F]."""
        first, second, third = self.corners.transpose(1, 0, 2)
        found: Floats = np.linalg.norm(np.cross(second - first, third - first), axis=1) / 2
        return found

    @cached_property
    def extent(self) -> float:
        """The largest side of the box around all vertices."""
        return float(np.ptp(self.mesh.vertices.astype(np.float64), axis=0).max())

    @property
    def solid(self) -> Indices:
        """The triangles that have an area: others are drawn by nobody, and their corners are no part of the shape."""
        return np.flatnonzero(self.areas > THINNEST * self.extent**2)

    def points(self, picks: Picks) -> PointCloud:
        """The picked points with interpolated colours and the parts of their triangles, where the mesh has any."""
        mesh = self.mesh
        points: Points = np.einsum("nk,nkd->nd", picks.weights, self.corners[picks.faces]).astype(np.float32)
        colors = None
        if mesh.colors is not None:
            shades = mesh.colors[mesh.faces[picks.faces]].astype(np.float64)
            colors = np.rint(np.einsum("nk,nkd->nd", picks.weights, shades)).clip(0, 255).astype(np.uint8)
        parts = None if mesh.parts is None else mesh.parts[picks.faces]
        return PointCloud(points, colors, None, mesh.up_axis, mesh.unit, parts, mesh.part_names)

    def shrinkage(self, points: Points) -> float:
        """How much smaller the points [N, 3] are: the largest gap along an axis, as a share of the largest extent.

        >>> square = np.array([[0, 0, 0], [1, 0, 0], [1, 2, 0], [0, 2, 0]], dtype=np.float32)
        >>> Surface(Mesh(square, np.array([[0, 1, 2], [0, 2, 3]]))).shrinkage(square * np.float32(0.75))
        0.25
        """
        corners = self.corners[self.solid]
        whole = np.ptp(corners, axis=(0, 1))
        lost = whole - np.ptp(points.astype(np.float64), axis=0)
        return max(0.0, float(lost.max() / whole.max()))


def inside(faces: Indices, rng: np.random.Generator) -> Picks:
    """A place in each of these triangles, uniform over it."""
    # The root of the first draw makes the pair uniform over the triangle instead of crowding one corner.
    spread, along = np.sqrt(rng.random(len(faces))), rng.random(len(faces))
    return Picks(faces, np.stack([1 - spread, spread * (1 - along), spread * along], axis=1))


def at_heights(areas: Floats, heights: Floats) -> Indices:
    """The triangle that each height [N] falls in, when the areas [F] are stacked one on the other."""
    stacked = np.cumsum(areas)
    found: Indices = np.minimum(np.searchsorted(stacked, heights * stacked[-1], side="right"), len(areas) - 1)
    return found
