"""STL, binary and ASCII; several solids of one file become one mesh."""

import re

import numpy as np

from opendlign_core.ingestion.cloud import Mesh, PointCloud
from opendlign_core.ingestion.readers.shape_file import ShapeFile
from opendlign_core.ingestion.readers.text import decode, floats
from opendlign_core.ingestion.safety import checked_count, require
from opendlign_core.ingestion.shapes import Array, make_shape

_HEADER = 84
_TRIANGLE = np.dtype([("normal", "<f4", 3), ("corners", "<f4", (3, 3)), ("attribute", "<u2")])
_VERTEX = re.compile(r"\bvertex\s+(\S+)\s+(\S+)\s+(\S+)", re.IGNORECASE)


def read_stl(file: ShapeFile) -> Mesh | PointCloud:
    """Read triangles; the layout is told by the size first, since binary files may begin with `solid` too."""
    data = file.data
    declared = int.from_bytes(data[80:_HEADER], "little") if len(data) >= _HEADER else 0
    exact = len(data) >= _HEADER and len(data) == _HEADER + declared * _TRIANGLE.itemsize
    ascii_like = data.lstrip()[:5].lower() == b"solid"
    corners = _ascii(data) if ascii_like and not exact else _binary(data)
    require(len(corners) > 0, "has no triangles")
    return make_shape(corners, np.arange(len(corners)).reshape(-1, 3))


def _binary(data: bytes) -> Array:
    require(len(data) >= _HEADER, f"is {len(data)} bytes long, shorter than an STL header")
    declared = int.from_bytes(data[80:_HEADER], "little")
    count = checked_count(declared, "triangles", len(data) - _HEADER, _TRIANGLE.itemsize)
    triangles = np.frombuffer(data, dtype=_TRIANGLE, count=count, offset=_HEADER)
    return triangles["corners"].reshape(-1, 3)


def _ascii(data: bytes) -> Array:
    tokens = [token for match in _VERTEX.finditer(decode(data)) for token in match.groups()]
    require(len(tokens) % 9 == 0, f"has {len(tokens) // 3} vertices, which is no multiple of three")
    return floats(tokens).reshape(-1, 3)
