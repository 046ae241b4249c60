"""Stanford PLY in ASCII and both binary byte orders: clouds and polygon meshes."""

import re

import numpy as np

from opendlign_core.ingestion.cloud import Mesh, PointCloud
from opendlign_core.ingestion.parts import numbered
from opendlign_core.ingestion.polygons import triangulate
from opendlign_core.ingestion.readers.ply_elements import Columns, ListColumn, read_elements
from opendlign_core.ingestion.readers.shape_file import ShapeFile
from opendlign_core.ingestion.safety import require
from opendlign_core.ingestion.shapes import Array, cloud_columns, make_cloud, make_shape

_PARTS = ("part", "part_id", "label")
_PART_COMMENT = re.compile(rb"^comment part (\d{1,4}) (.+)$", re.MULTILINE)
_HEADER = 1 << 16
"""Bytes in which names of parts are looked for."""


def read_ply(file: ShapeFile) -> Mesh | PointCloud:
    """Read the vertices and, where there are faces, their polygons; whole-number labels of either are parts."""
    elements, names = read_elements(file.data), _part_names(file.data)
    require("vertex" in elements, "has no vertex element")
    require("tristrips" not in elements, "stores triangle strips, which are not read")
    vertex = elements["vertex"]
    scalars = {name: column for name, column in vertex.items() if not isinstance(column, ListColumn)}
    points, colors, normals = cloud_columns(scalars)
    faces = _polygons(elements.get("face", {}))
    if faces is None or len(faces.sizes) == 0:
        return numbered(make_cloud(points, colors, normals), _parts(vertex), names=names)
    triangles = triangulate(faces.values, faces.sizes, points)
    require(len(triangles) > 0, "has faces, but none of three corners or more")
    polygons = _parts(elements["face"])
    per_face = None if polygons is None else np.repeat(polygons, np.maximum(faces.sizes - 2, 0))
    return numbered(make_shape(points, triangles, colors), _parts(vertex), per_face, names)


def _part_names(data: bytes) -> tuple[str, ...]:
    """What comments `part 0 seat`, `part 1 back` ... of the header call the parts; none unless all are there."""
    header = data[:_HEADER].partition(b"end_header")[0]
    found = {int(number): name.decode(errors="replace").strip() for number, name in _PART_COMMENT.findall(header)}
    return tuple(found[number] for number in sorted(found)) if sorted(found) == list(range(len(found))) else ()


def _parts(columns: Columns) -> Array | None:
    found = (columns.get(name) for name in _PARTS)
    whole = (column for column in found if isinstance(column, np.ndarray) and column.dtype.kind in "iu")
    # Wrapped where they are too large: an unkept label must not cost the file, and a kept one is out of range.
    return next((column.astype(np.int32) for column in whole), None)


def _polygons(face: Columns) -> ListColumn | None:
    for name in ("vertex_indices", "vertex_index"):
        column = face.get(name)
        if isinstance(column, ListColumn):
            return column
    return None
