"""The numbers that files give to parts, and the names that they stand for."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from opendlign_core.ingestion.cloud import Mesh, Parts, PointCloud
from opendlign_core.ingestion.safety import require

NO_PART = -1

Array = npt.NDArray[Any]


@dataclass(frozen=True, slots=True)
class PartList:
    """The parts that objects of a source may have."""

    names: tuple[str, ...]
    first: int = 0
    """The number that files give to the first of them."""


def numbered(
    shape: PointCloud | Mesh, per_point: Array | None, per_face: Array | None = None, names: tuple[str, ...] = ()
) -> PointCloud | Mesh:
    """The shape with the numbers that its file gives to the parts of its points [N] or triangles [F].

    A triangle without a number of its own is of the part of two of its corners, or else of its first.

    Raises:
        UnreadableShape: when there are not as many whole numbers as points or triangles.
    """
    if isinstance(shape, Mesh):
        if per_face is not None:
            return replace(shape, parts=_whole(per_face, len(shape.faces), "triangles"), part_names=names)
        if per_point is not None:
            first, second, third = _whole(per_point, len(shape.vertices), "vertices")[shape.faces].T
            return replace(shape, parts=np.where(second == third, second, first), part_names=names)
    elif per_point is not None:
        return replace(shape, parts=_whole(per_point, len(shape.points), "points"), part_names=names)
    return shape


def _whole(values: Array, count: int, what: str) -> Parts:
    require(values.shape == (count,), f"has part numbers of shape {values.shape} for {count} {what}")
    require(values.dtype.kind in "iuf", f"has part numbers of type {values.dtype}")
    limits = np.iinfo(np.int32)
    fitting = (values >= limits.min) & (values <= limits.max) & (values == np.rint(values))
    require(bool(fitting.all()), "has part numbers that are no whole numbers of 32 bits")
    return values.astype(np.int32)


def named(shape: PointCloud | Mesh, listed: PartList | None) -> PointCloud | Mesh:
    """The shape with its parts as places among their names: those that its source lists, or else its file.

    The number -1 stays: no part.

    Raises:
        UnreadableShape: when numbers have no names, or lie outside of them.
    """
    if shape.parts is None:
        return shape
    parts = listed or PartList(shape.part_names)
    require(bool(parts.names), "numbers its parts but names none: give its source the option part_names")
    absent = shape.parts == NO_PART
    places = np.where(absent, NO_PART, shape.parts - parts.first)
    outside = shape.parts[~absent & ((places < 0) | (places >= len(parts.names)))]
    last = parts.first + len(parts.names) - 1
    require(
        len(outside) == 0,
        f"has the part number {outside[0] if len(outside) else ''}, but its parts "
        f"({', '.join(parts.names)}) have the numbers {parts.first} to {last}",
    )
    return replace(shape, parts=places.astype(np.int32), part_names=parts.names)
