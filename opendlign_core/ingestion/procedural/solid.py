"""Triangle surfaces and the few operations that combine them.

Frame: right-handed, y up, front towards +z, metres. Solids may overlap; nothing is trimmed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import wraps
from typing import Literal, ParamSpec

import numpy as np
import numpy.typing as npt

from opendlign_core.ingestion.procedural.paint import Paint
from opendlign_core.ingestion.procedural.words import PartWord, part_number

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
Point = tuple[float, float, float]
Axis = Literal["x", "y", "z"]

_P = ParamSpec("_P")
_AXES = {"x": 0, "y": 1, "z": 2}


@dataclass(frozen=True, slots=True, eq=False)
class Surface:
    """Triangles, each painted with one slot and belonging to one part."""

    vertices: FloatArray  # [V, 3]
    faces: IntArray  # [F, 3]
    paint: npt.NDArray[np.uint8]  # [F]
    part: npt.NDArray[np.uint8]  # [F], numbers of part words; 0 is still to be named


class Solid:
    """A surface that is computed when first looked at; every method returns a new one.

    Describing an object takes only its random draws, so listing a data set never computes a triangle.
    """

    __slots__ = ("_build", "_surface")

    def __init__(self, build: Callable[[], Surface]) -> None:
        self._build = build
        self._surface: Surface | None = None

    @property
    def surface(self) -> Surface:
        if self._surface is None:
            self._surface = self._build()
        return self._surface

    @property
    def vertices(self) -> FloatArray:  # [V, 3]
        return self.surface.vertices

    @property
    def faces(self) -> IntArray:  # [F, 3]
        return self.surface.faces

    @property
    def paint(self) -> npt.NDArray[np.uint8]:  # [F]
        return self.surface.paint

    @property
    def part(self) -> npt.NDArray[np.uint8]:  # [F]
        return self.surface.part

    def move(self, x: float = 0.0, y: float = 0.0, z: float = 0.0) -> Solid:
        return self._changed(lambda vertices: vertices + np.array((x, y, z)))

    def scale(self, x: float = 1.0, y: float = 1.0, z: float = 1.0) -> Solid:
        return self._changed(lambda vertices: vertices * np.array((x, y, z)))

    def turn(self, axis: Axis, degrees: float) -> Solid:
        """Rotate about an axis through the origin, counter-clockwise seen from its positive end."""
        return self._changed(lambda vertices: vertices @ rotation(axis, degrees).T)

    def bend(self, degrees: float) -> Solid:
        """Shear along z as y grows: a cheap lean that keeps feet on the ground."""
        return self._changed(lambda vertices: _sheared(vertices, float(np.tan(np.radians(degrees)))))

    def mirror(self, axis: Axis = "x") -> Solid:
        """The reflection through the plane across `axis`, with triangles still wound outwards."""
        return Solid(lambda: _mirrored(self.surface, _AXES[axis]))

    def painted(self, paint: Paint) -> Solid:
        return Solid(lambda: replace(self.surface, paint=np.full(len(self.faces), paint, np.uint8)))

    def named(self, word: PartWord) -> Solid:
        """The solid with every triangle that has no part yet in this one: name the details first, then the rest."""
        number = part_number(word)
        return Solid(lambda: replace(self.surface, part=np.where(self.part == 0, number, self.part).astype(np.uint8)))

    def __add__(self, other: Solid) -> Solid:
        return join(self, other)

    def _changed(self, change: Callable[[FloatArray], FloatArray]) -> Solid:
        return Solid(lambda: replace(self.surface, vertices=change(self.vertices)))


def plain(vertices: FloatArray, faces: IntArray, paint: Paint = Paint.BODY) -> Surface:
    """A surface [V, 3], [F, 3] of one paint, its part still to be named."""
    return Surface(vertices, faces, np.full(len(faces), paint, np.uint8), np.zeros(len(faces), np.uint8))


def deferred(make: Callable[_P, Surface]) -> Callable[_P, Solid]:
    """Turn a function that computes a surface into one that returns it as a solid, still to be computed."""

    @wraps(make)
    def later(*args: _P.args, **kwargs: _P.kwargs) -> Solid:
        return Solid(lambda: make(*args, **kwargs))

    return later


def rotation(axis: Axis, degrees: float) -> FloatArray:
    """The [3, 3] matrix that turns column vectors counter-clockwise about an axis."""
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    rows = {
        "x": [[1, 0, 0], [0, c, -s], [0, s, c]],
        "y": [[c, 0, s], [0, 1, 0], [-s, 0, c]],
        "z": [[c, -s, 0], [s, c, 0], [0, 0, 1]],
    }
    return np.array(rows[axis])


def _sheared(vertices: FloatArray, slope: float) -> FloatArray:
    leaning = vertices.copy()
    leaning[:, 2] += slope * leaning[:, 1]
    return leaning


def _mirrored(surface: Surface, axis: int) -> Surface:
    flip = np.ones(3)
    flip[axis] = -1.0
    return replace(surface, vertices=surface.vertices * flip, faces=surface.faces[:, ::-1])


@deferred
def join(*solids: Solid) -> Surface:
    """All surfaces as one, keeping their paint and their parts."""
    starts = np.cumsum([0] + [len(s.vertices) for s in solids[:-1]])
    faces = np.concatenate([s.faces + start for s, start in zip(solids, starts, strict=True)])
    vertices = np.concatenate([s.vertices for s in solids])
    paint, part = (np.concatenate(slots) for slots in ([s.paint for s in solids], [s.part for s in solids]))
    return Surface(vertices, faces, paint, part)


@deferred
def copies(solid: Solid, offsets: Sequence[Point] | FloatArray) -> Surface:
    """One solid placed at each of `offsets` [K, 3]."""
    return _stack(solid, solid.vertices[None] + np.asarray(offsets, np.float64)[:, None])


@deferred
def around(solid: Solid, count: int, start: float = 0.0) -> Surface:
    """`count` copies spread evenly about the y axis, the first turned by `start` degrees."""
    turns = np.stack([rotation("y", start + 360.0 * i / count) for i in range(count)])
    return _stack(solid, np.einsum("kij,vj->kvi", turns, solid.vertices))


def both_sides(solid: Solid) -> Solid:
    """The solid and its mirror image in x."""
    return join(solid, solid.mirror("x"))


def _stack(solid: Solid, vertices: FloatArray) -> Surface:  # [K, V, 3]
    count = len(vertices)
    faces = solid.faces[None] + (np.arange(count) * len(solid.vertices))[:, None, None]
    paint, part = np.tile(solid.paint, count), np.tile(solid.part, count)
    return Surface(vertices.reshape(-1, 3), faces.reshape(-1, 3), paint, part)
