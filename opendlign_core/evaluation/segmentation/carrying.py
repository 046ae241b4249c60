"""From the points that were asked to all that a shape has: its own points, or its triangles."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

Parts = NDArray[np.int32]
Floats = NDArray[np.float32]
Faces = NDArray[np.integer]

FINEST = 0.01
"""Of the largest extent: triangles with no longer side are not split."""

_AT_ONCE = 1 << 20
_ROUNDS = 8
_INNER = np.array([[1 / 3, 1 / 3, 1 / 3], [2 / 3, 1 / 6, 1 / 6], [1 / 6, 2 / 3, 1 / 6], [1 / 6, 1 / 6, 2 / 3]])
"""Where on a triangle its part is asked for: in its middle, and half way from there to its corners."""


@dataclass(frozen=True, eq=False)
class Carrier:
    """Gives to whatever lies near them the parts [A] of points [A, 3] that were asked.

    >>> carrier = Carrier(np.array([0, 1]), np.array([[0, 0, 0], [1, 0, 0]], np.float32))
    >>> carrier.to_points(np.array([[0.9, 0, 0]], np.float32))
    array([1], dtype=int32)
    """

    parts: NDArray[np.integer]
    asked: Floats

    @cached_property
    def _tree(self) -> Any:
        return cKDTree(self.asked)

    def to_points(self, points: Floats) -> Parts:  # [N, 3] -> [N]
        """Every point's part: that of the nearest asked point."""
        found = np.empty(len(points), np.int32)
        for start in range(0, len(points), _AT_ONCE):
            block = slice(start, start + _AT_ONCE)
            found[block] = self.parts[self._tree.query(points[block], workers=-1)[1]]
        return found

    def to_faces(self, vertices: Floats, faces: Faces) -> Parts:  # [F]
        """Every triangle's part: what most of four points on it say, of equally many the lowest number."""
        votes = self._votes(vertices, faces)
        counts = np.zeros((len(faces), int(self.parts.max()) + 1), np.uint8)
        for vote in votes:
            counts[np.arange(len(faces)), vote] += 1
        found: Parts = counts.argmax(1).astype(np.int32)
        return found

    def split(self, vertices: Floats, faces: Faces) -> tuple[Floats, Faces]:
        """The mesh with triangles of several parts cut in four, and those again, until each has one or is small."""
        finest = FINEST * float(np.ptp(vertices, axis=0).max())
        done, left = list[Faces](), faces
        for _ in range(_ROUNDS):
            corners = vertices[left]
            longest = np.linalg.norm(corners - np.roll(corners, 1, axis=1), axis=2).max(1)
            votes = self._votes(vertices, left)
            mixed = (votes != votes[0]).any(0) & (longest > finest)
            done.append(left[~mixed])
            vertices, left = _quartered(vertices, left[mixed])
        return vertices, np.concatenate([*done, left])

    def _votes(self, vertices: Floats, faces: Faces) -> Parts:  # [4, F]
        found = np.empty((len(_INNER), len(faces)), np.int32)
        for start in range(0, len(faces), _AT_ONCE):
            corners = vertices[faces[start : start + _AT_ONCE]]
            for row, weights in enumerate(_INNER):
                inside = np.einsum("k,fkd->fd", weights, corners).astype(np.float32)
                found[row, start : start + len(corners)] = self.to_points(inside)
        return found


def _quartered(vertices: Floats, faces: Faces) -> tuple[Floats, Faces]:
    """Vertices with the middles of the triangles' sides, and four triangles in place of each."""
    sides = np.sort(np.stack([faces, np.roll(faces, -1, axis=1)], -1).reshape(-1, 2), axis=1)  # [3F, 2]
    pairs, place = np.unique(sides, axis=0, return_inverse=True)
    middles = vertices[pairs].mean(1, dtype=np.float64).astype(np.float32)
    first, second, third = faces.T
    side = len(vertices) + place.reshape(-1, 3)  # between first and second, second and third, third and first
    ab, bc, ca = side.T
    four = [(first, ab, ca), (ab, second, bc), (ca, bc, third), (ab, bc, ca)]
    return np.concatenate([vertices, middles]), np.concatenate([np.stack(one, 1) for one in four])
