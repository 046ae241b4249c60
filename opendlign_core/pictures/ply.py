"""Coloured clouds and meshes as PLY files, which nearly every program for shapes opens."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Colours = NDArray[np.uint8]
Ids = NDArray[np.integer]

_XYZ = [("x", "<f4"), ("y", "<f4"), ("z", "<f4")]
_RGB = [("red", "u1"), ("green", "u1"), ("blue", "u1")]
_PART = [("part", "<i4")]
_CORNERS = [("corners", "u1"), ("vertex_indices", "<i4", (3,))]
_NAMES = {"<f4": "float", "<i4": "int", "u1": "uchar"}


def write_ply(
    path: Path,
    points: Floats,
    colours: Colours,
    parts: Ids | None = None,
    faces: NDArray[np.integer] | None = None,
    names: Sequence[str] = (),
) -> None:
    """Write a cloud [N, 3], or a mesh of such vertices and triangles [F, 3], in binary.

    Colours [N or F, 3] and part numbers [N or F] belong to the points of a cloud and to the triangles of a mesh. The
    numbers are written as a property `part`, and the parts' names as comments; `opendlign` reads both back.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = Path(folder, "dot.ply")
    ...     write_ply(file, np.zeros((1, 3), np.float32), np.full((1, 3), 255, np.uint8))
    ...     len(file.read_bytes())
    190
    """
    marks = [*_RGB, *(_PART if parts is not None else [])]
    vertices = np.zeros(len(points), np.dtype(_XYZ if faces is not None else [*_XYZ, *marks]))
    for axis, name in enumerate("xyz"):
        vertices[name] = points[:, axis]
    tables = {"vertex": vertices}
    if faces is not None:
        tables["face"] = np.zeros(len(faces), np.dtype([*_CORNERS, *marks]))
        tables["face"]["corners"], tables["face"]["vertex_indices"] = 3, faces
    marked = tables["vertex" if faces is None else "face"]
    for channel, (name, _) in enumerate(_RGB):
        marked[name] = colours[:, channel]
    if parts is not None:
        marked["part"] = parts
    with path.open("wb") as file:
        file.write(_header(tables, names).encode())
        for table in tables.values():
            table.tofile(file)


def _header(tables: dict[str, NDArray[np.void]], names: Sequence[str]) -> str:
    lines = ["ply", "format binary_little_endian 1.0"]
    lines += [f"comment part {number} {' '.join(name.split())}" for number, name in enumerate(names)]
    for element, table in tables.items():
        lines.append(f"element {element} {len(table)}")
        fields = [name for name in table.dtype.names or () if name != "corners"]
        for name in fields:
            kind = _NAMES[table.dtype[name].base.str.lstrip("|")]
            lines.append(f"property {'list uchar ' if name == 'vertex_indices' else ''}{kind} {name}")
    return "\n".join([*lines, "end_header", ""])
