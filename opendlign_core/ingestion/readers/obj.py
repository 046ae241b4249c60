"""Wavefront OBJ: geometry and per-vertex colours; materials, textures and curves are passed over."""

from opendlign_core.ingestion.cloud import Mesh, PointCloud
from opendlign_core.ingestion.polygons import triangulate
from opendlign_core.ingestion.readers.shape_file import ShapeFile
from opendlign_core.ingestion.readers.text import decode, floats
from opendlign_core.ingestion.safety import require
from opendlign_core.ingestion.shapes import Array, make_shape


def read_obj(file: ShapeFile) -> Mesh | PointCloud:
    """Read `v` and `f` statements; a file without faces is a cloud."""
    text = decode(file.data)
    if "\\\n" in text:
        text = text.replace("\\\n", " ")
    vertices: list[list[str]] = []
    corners: list[int] = []
    sizes: list[int] = []
    drawn = False
    for line in text.split("\n"):
        tokens = line.split()
        if not tokens:
            continue
        if tokens[0] == "v":
            vertices.append(tokens[1:])
        elif tokens[0] == "f":
            face = _corners(tokens[1:], len(vertices))
            corners += face
            sizes.append(len(face))
        elif tokens[0] in ("l", "curv", "surf"):
            drawn = True
    require(bool(vertices), "has no vertices")
    require(bool(sizes) or not drawn, "holds lines or curves without faces: a drawing, not a shape")
    points, colors = _vertex_table(vertices)
    return make_shape(points, triangulate(corners, sizes, points), colors)


def _corners(tokens: list[str], vertices: int) -> list[int]:
    """Zero-based vertex indices of a face; negative references count back from the latest vertex."""
    corners = []
    for token in tokens:
        if token.startswith("#"):
            break
        index = int(token.partition("/")[0])
        require(index != 0, "has a face on vertex 0, but numbering starts at 1")
        corners.append(index - 1 if index > 0 else vertices + index)
    return corners


def _vertex_table(vertices: list[list[str]]) -> tuple[Array, Array | None]:
    widths = {len(row) for row in vertices}
    if len(widths) == 1 and (width := widths.pop()) in (3, 6):
        table = floats([token for row in vertices for token in row]).reshape(-1, width)
    else:
        require(all(len(row) >= 3 for row in vertices), "has a vertex of fewer than three coordinates")
        width = 6 if all(len(row) >= 6 and not row[3].startswith("#") for row in vertices) else 3
        table = floats([token for row in vertices for token in row[:width]]).reshape(-1, width)
    return table[:, :3], table[:, 3:6] if width == 6 else None
