"""Stanford PLY in ASCII and both binary byte orders: clouds and polygon meshes."""

from opendlign_core.ingestion.cloud import Mesh, PointCloud
from opendlign_core.ingestion.polygons import triangulate
from opendlign_core.ingestion.readers.ply_elements import ListColumn, read_elements
from opendlign_core.ingestion.readers.shape_file import ShapeFile
from opendlign_core.ingestion.safety import require
from opendlign_core.ingestion.shapes import Array, cloud_columns, make_cloud, make_shape


def read_ply(file: ShapeFile) -> Mesh | PointCloud:
    """Read the vertices and, where there are faces, their polygons."""
    elements = read_elements(file.data)
    require("vertex" in elements, "has no vertex element")
    require("tristrips" not in elements, "stores triangle strips, which are not read")
    vertex = elements["vertex"]
    scalars = {name: column for name, column in vertex.items() if not isinstance(column, ListColumn)}
    points, colors, normals = cloud_columns(scalars)
    faces = _polygons(elements.get("face", {}))
    if faces is None or len(faces.sizes) == 0:
        return make_cloud(points, colors, normals)
    triangles = triangulate(faces.values, faces.sizes, points)
    require(len(triangles) > 0, "has faces, but none of three corners or more")
    return make_shape(points, triangles, colors)


def _polygons(face: dict[str, "Array | ListColumn"]) -> ListColumn | None:
    for name in ("vertex_indices", "vertex_index"):
        column = face.get(name)
        if isinstance(column, ListColumn):
            return column
    return None
