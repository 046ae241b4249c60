"""Object File Format: OFF, COFF, NOFF, CNOFF, STOFF in ASCII, with or without a break after the magic word."""

import re

import numpy as np

from opendlign_core.ingestion.cloud import Faces, Mesh, PointCloud
from opendlign_core.ingestion.errors import UnreadableShape
from opendlign_core.ingestion.polygons import triangulate
from opendlign_core.ingestion.readers.shape_file import ShapeFile
from opendlign_core.ingestion.readers.text import decode, floats, integers, without_comments
from opendlign_core.ingestion.safety import checked_count, require
from opendlign_core.ingestion.shapes import Array, make_shape

_MAGIC = re.compile(r"(ST)?(C)?(N)?(4)?(n)?OFF")


def read_off(file: ShapeFile) -> Mesh | PointCloud:
    """Read vertices, their colours and polygons."""
    text = without_comments(decode(file.data)).lstrip()
    magic = _MAGIC.match(text)
    if magic is None:
        raise UnreadableShape("does not start with OFF")
    require(not (magic[4] or magic[5]), f"is {magic[0]}: only three dimensions are read")
    body = text[magic.end() :]
    require(not body.lstrip().startswith("BINARY"), "is binary OFF, which is not read")
    lines = [line for line in body.split("\n") if line and not line.isspace()]
    require(bool(lines), "has no counts after OFF")
    counts = integers(lines[0].split()[:3])
    require(len(counts) >= 2, "has no vertex and face counts")
    vertex_count = checked_count(int(counts[0]), "vertices", len(body), 6)
    require(vertex_count > 0, "has no vertices")
    face_count = checked_count(int(counts[1]), "faces", len(body), 4)
    if len(lines) >= 1 + vertex_count + face_count:
        rows = floats(" ".join(lines[1 : 1 + vertex_count]).split())
        require(len(rows) % vertex_count == 0, "has vertex lines of different lengths")
        table = rows.reshape(vertex_count, -1)
        faces = _faces_by_line(lines[1 + vertex_count : 1 + vertex_count + face_count], table)
    else:
        table, faces = _read_tokens(" ".join(lines[1:]).split(), vertex_count, face_count)
    require(table.shape[1] >= 3, f"has vertices of {table.shape[1]} numbers")
    return make_shape(table[:, :3], faces, _colors(table, magic))


def _faces_by_line(lines: list[str], table: Array) -> Faces:
    corners: list[str] = []
    sizes: list[int] = []
    for line in lines:
        tokens = line.split()
        size = int(tokens[0])
        require(0 <= size < len(tokens), f"has a face of {size} corners on a line of {len(tokens)} numbers")
        corners += tokens[1 : size + 1]
        sizes.append(size)
    return triangulate(integers(corners), sizes, table[:, :3])


def _read_tokens(tokens: list[str], vertex_count: int, face_count: int) -> tuple[Array, Faces]:
    """Files whose line breaks mean nothing: plain vertices, then faces without colours."""
    require(len(tokens) >= 3 * vertex_count + face_count, "ends before its last face")
    table = floats(tokens[: 3 * vertex_count]).reshape(vertex_count, 3)
    values = integers(tokens[3 * vertex_count :])
    corners: list[Array] = []
    sizes = []
    position = 0
    for _ in range(face_count):
        require(position < len(values), "ends before its last face")
        size = int(values[position])
        require(0 <= size <= len(values) - position - 1, "ends before its last face")
        corners.append(values[position + 1 : position + 1 + size])
        sizes.append(size)
        position += size + 1
    flat = np.concatenate(corners) if corners else np.zeros(0, dtype=np.int64)
    return table, triangulate(flat, sizes, table)


def _colors(table: Array, magic: re.Match[str]) -> Array | None:
    first = 6 if magic[3] else 3
    if not magic[2] or table.shape[1] < first + 3:
        return None
    return table[:, first : first + 3]
