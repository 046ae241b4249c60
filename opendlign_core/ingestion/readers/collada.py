"""COLLADA (.dae): the triangles of the default scene with node transforms, in the file's own unit."""

import io
import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np

from opendlign_core.ingestion.cloud import Mesh, PointCloud
from opendlign_core.ingestion.entry import UpAxis
from opendlign_core.ingestion.polygons import triangulate
from opendlign_core.ingestion.readers.shape_file import ShapeFile
from opendlign_core.ingestion.readers.xml import checked_xml
from opendlign_core.ingestion.safety import MAX_ELEMENTS, require
from opendlign_core.ingestion.shapes import Array, make_shape

_MAX_PLACED = 100_000
_UP: dict[str, UpAxis] = {"X_UP": "x", "Y_UP": "y", "Z_UP": "z"}


def read_collada(file: ShapeFile) -> Mesh | PointCloud:
    """Read through pycollada; images and materials are never fetched."""
    import collada

    def refuse(name: str) -> bytes:
        raise collada.common.DaeBrokenRefError(f"{name} is not fetched")

    parts: list[tuple[Array, Array]] = []
    total = 0
    with warnings.catch_warnings():
        # pycollada uses numpy's deprecated matrix class.
        warnings.simplefilter("ignore")
        content = io.BytesIO(checked_xml(file.data))
        document = collada.Collada(content, ignore=[collada.common.DaeError], aux_file_loader=refuse)
        for vertices, faces in _triangle_sets(document):
            total += len(vertices) + len(faces)
            require(total <= MAX_ELEMENTS, f"has more than {MAX_ELEMENTS} vertices and faces in its scene")
            parts.append((vertices, faces))
    require(bool(parts), "has no triangles in its scene")
    offsets = np.cumsum([0] + [len(vertices) for vertices, _ in parts[:-1]])
    faces = np.concatenate([faces + start for (_, faces), start in zip(parts, offsets, strict=True)])
    up_axis = _UP.get(str(document.assetInfo.upaxis))
    unit = _unit(document.assetInfo.unitname, document.assetInfo.unitmeter)
    return make_shape(np.concatenate([vertices for vertices, _ in parts]), faces, up_axis=up_axis, unit=unit)


def _unit(name: Any, metres: Any) -> str:
    """The declared unit: a known one by its size in metres, otherwise by its name."""
    known = {1.0: "m", 0.1: "dm", 0.01: "cm", 0.001: "mm", 0.0254: "in", 0.3048: "ft"}
    return known.get(round(float(metres), 6), str(name or "")) if metres else str(name or "")


def _triangle_sets(document: Any) -> Iterator[tuple[Array, Array]]:
    """Vertices [V, 3] and triangles [F, 3] of every primitive in scene space; of every geometry where no scene is."""
    for primitive in _primitives(document):
        vertices, indices = primitive.vertex, getattr(primitive, "vertex_index", None)
        if vertices is None or indices is None:
            continue
        if hasattr(primitive, "polyindex"):
            # pycollada triangulates too, but allocates whatever corner counts the file declares.
            bounds = np.asarray(primitive.polyindex, dtype=np.int64)
            yield np.asarray(vertices), triangulate(indices, bounds[:, 1] - bounds[:, 0], np.asarray(vertices))
        elif np.ndim(indices) == 2 and np.shape(indices)[1] == 3:
            yield np.asarray(vertices), np.asarray(indices)


def _primitives(document: Any) -> Iterator[Any]:
    if document.scene is None:
        for geometry in document.geometries:
            yield from geometry.primitives
        return
    placed = 0
    for kind in ("geometry", "controller"):
        for item in document.scene.objects(kind):
            placed += 1
            require(placed <= _MAX_PLACED, f"places more than {_MAX_PLACED} geometries in its scene")
            yield from item.primitives()
