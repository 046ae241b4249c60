"""3MF: the objects that the build places, with the transforms of components, z up."""

import io
import xml.etree.ElementTree as ET
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from opendlign_core.ingestion.cloud import Mesh, PointCloud
from opendlign_core.ingestion.readers.shape_file import ShapeFile
from opendlign_core.ingestion.readers.text import floats, integers
from opendlign_core.ingestion.readers.xml import checked_xml
from opendlign_core.ingestion.safety import MAX_ELEMENTS, read_zip_member, require
from opendlign_core.ingestion.shapes import Array, make_shape

_UNITS = {"micron": "um", "millimeter": "mm", "centimeter": "cm", "meter": "m", "inch": "in", "foot": "ft"}
_MAX_DEPTH = 32
_MAX_MODELS = 256

_Key = tuple[str, str]  # part of the package, object id


@dataclass
class _Object:
    vertices: Array  # [V, 3]
    faces: Array  # [F, 3]
    components: list[tuple[_Key, Array]] = field(default_factory=list)


def read_threemf(file: ShapeFile) -> Mesh | PointCloud:
    """Read every mesh that the build reaches; all meshes where there is no build."""
    objects: dict[_Key, _Object] = {}
    items: list[tuple[_Key, Array]] = []
    unit, lattice = "millimeter", False
    with zipfile.ZipFile(io.BytesIO(file.data)) as archive:
        models = [name for name in archive.namelist() if name.lower().endswith(".model")]
        require(0 < len(models) <= _MAX_MODELS, f"has {len(models)} model parts")
        for name in models:
            root = ET.fromstring(checked_xml(read_zip_member(archive, name)))
            part = "/" + name.lstrip("/")
            objects.update(_objects(root, part))
            items += [(_reference(item, part), _transform(item)) for item in _all(root, "item")]
            unit = root.get("unit", unit)
            lattice = lattice or next(_all(root, "beamlattice"), None) is not None
    roots = items or [(key, np.eye(4)) for key in objects]
    vertices: list[Array] = []
    faces: list[Array] = []
    total = 0
    for placed, triangles in _instances(objects, roots):
        faces.append(triangles + total)
        total += len(placed)
        require(total + sum(map(len, faces)) <= MAX_ELEMENTS, f"has more than {MAX_ELEMENTS} vertices and faces")
        vertices.append(placed)
    require(bool(vertices) or not lattice, "is a lattice of beams without triangles, which is not read")
    require(bool(vertices), "has no mesh in its build")
    return make_shape(np.concatenate(vertices), np.concatenate(faces), up_axis="z", unit=_UNITS.get(unit, unit))


def _all(root: ET.Element, name: str) -> Iterator[ET.Element]:
    """Elements of that name in any namespace."""
    return (element for element in root.iter() if element.tag.rpartition("}")[2] == name)


def _objects(root: ET.Element, part: str) -> dict[_Key, _Object]:
    objects = {}
    for element in _all(root, "object"):
        rows = [vertex.get(axis, "") for vertex in _all(element, "vertex") for axis in "xyz"]
        corners = [triangle.get(name, "") for triangle in _all(element, "triangle") for name in ("v1", "v2", "v3")]
        vertices, faces = floats(rows).reshape(-1, 3), integers(corners).reshape(-1, 3)
        require(
            len(faces) == 0 or int(faces.max()) < len(vertices), "has a triangle beyond the vertices of its object"
        )
        components = [(_reference(item, part), _transform(item)) for item in _all(element, "component")]
        objects[(part, element.get("id", ""))] = _Object(vertices, faces, components)
    return objects


def _reference(element: ET.Element, part: str) -> _Key:
    path = next((value for name, value in element.items() if name.rpartition("}")[2] == "path"), part)
    return path, element.get("objectid", "")


def _transform(element: ET.Element) -> Array:
    """The 4x3 row-vector transform of an element as a matrix [4, 4] for row vectors."""
    matrix = np.eye(4)
    numbers = floats(element.get("transform", "").split())
    require(len(numbers) in (0, 12), f"has a transform of {len(numbers)} numbers")
    if len(numbers):
        matrix[:, :3] = numbers.reshape(4, 3)
    return matrix


def _instances(objects: dict[_Key, _Object], roots: list[tuple[_Key, Array]]) -> Iterator[tuple[Array, Array]]:
    """Placed vertices and faces of every mesh below the roots."""
    stack = [(key, transform, 0) for key, transform in reversed(roots)]
    visited = 0
    while stack:
        key, transform, depth = stack.pop()
        visited += 1
        require(key in objects, f"refers to object {key[1]!r}, which does not exist")
        require(depth <= _MAX_DEPTH and visited <= 100_000, "nests its components without end")
        current = objects[key]
        if len(current.faces):
            yield current.vertices @ transform[:3, :3] + transform[3, :3], current.faces
        stack += [(child, local @ transform, depth + 1) for child, local in reversed(current.components)]
