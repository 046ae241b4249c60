"""Raw arrays of a reader into a validated `PointCloud` or `Mesh`."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from opendlign_core.ingestion.cloud import Colors, Faces, Mesh, PointCloud, Points
from opendlign_core.ingestion.entry import UpAxis
from opendlign_core.ingestion.errors import UnreadableShape
from opendlign_core.ingestion.safety import MAX_ELEMENTS, require

Array = npt.NDArray[Any]

# Beyond this ratio of offset to extent float32 keeps fewer than about 10 bits of the shape (georeferenced scans).
_MAX_OFFSET_RATIO = 10_000.0
_LARGEST = 1e15


def make_cloud(
    points: Array,
    colors: Array | None = None,
    normals: Array | None = None,
    *,
    up_axis: UpAxis | None = None,
    unit: str = "",
    drop_missing: bool = False,
) -> PointCloud:
    """Validate points [N, 3]; `drop_missing` removes rows that are not finite instead of refusing the file."""
    require(points.ndim == 2 and points.shape[1] == 3, f"has points of shape {points.shape} instead of [N, 3]")
    if drop_missing:
        kept = np.isfinite(points).all(axis=1)
        points = points[kept]
        colors = None if colors is None else colors[kept]
        normals = None if normals is None else normals[kept]
    return PointCloud(
        to_coordinates(points, "points"),
        None if colors is None else to_colors(colors),
        None if normals is None else np.ascontiguousarray(normals, dtype=np.float32),
        up_axis,
        unit,
    )


def make_shape(
    vertices: Array,
    faces: Array,
    colors: Array | None = None,
    *,
    up_axis: UpAxis | None = None,
    unit: str = "",
) -> Mesh | PointCloud:
    """Validate a mesh of vertices [V, 3] and triangles [F, 3]; a file without triangles is a cloud."""
    if len(faces) == 0:
        return make_cloud(vertices, colors, up_axis=up_axis, unit=unit)
    require(len(faces) <= MAX_ELEMENTS, f"has {len(faces)} triangles; at most {MAX_ELEMENTS} are accepted")
    coordinates = to_coordinates(vertices, "vertices")
    indices: Faces = np.ascontiguousarray(faces, dtype=np.int64)
    low, high = int(indices.min()), int(indices.max())
    require(
        low >= 0 and high < len(coordinates), f"has a face on vertex {low if low < 0 else high} of {len(vertices)}"
    )
    return Mesh(coordinates, indices, None if colors is None else to_colors(colors), up_axis, unit)


def to_coordinates(values: Array, what: str) -> Points:
    """Coordinates [N, 3] as float32, finite, with some extent; far-off shapes are moved to their centre."""
    require(len(values) > 0, f"has no {what}")
    require(len(values) <= MAX_ELEMENTS, f"has {len(values)} {what}; at most {MAX_ELEMENTS} are accepted")
    low, high = values.min(axis=0).astype(np.float64), values.max(axis=0).astype(np.float64)
    require(bool(np.isfinite(low).all() and np.isfinite(high).all()), f"has {what} that are NaN or infinite")
    require(bool(max(abs(low).max(), abs(high).max()) <= _LARGEST), f"has {what} beyond {_LARGEST:g}")
    extent = float((high - low).max())
    require(extent > 0, f"has {what} that all coincide")
    centre = (low + high) / 2
    if abs(centre).max() > _MAX_OFFSET_RATIO * extent:
        values = values - centre
    coordinates: Points = np.ascontiguousarray(values, dtype=np.float32)
    require(float(np.ptp(coordinates, axis=0).max()) > 0, f"has {what} that all coincide")
    return coordinates


def to_colors(values: Array) -> Colors:
    """Colours [N, 3 or 4] as uint8: floats up to 1 are fractions, 16-bit integers are scaled, alpha is dropped."""
    rgb = values[:, :3]
    if rgb.dtype == np.uint8:
        return np.ascontiguousarray(rgb)
    if rgb.dtype == np.uint16:
        # Several scanners store 8-bit colours in 16-bit fields.
        return np.ascontiguousarray(rgb if rgb.size and rgb.max() <= 255 else rgb >> 8, dtype=np.uint8)
    real = np.nan_to_num(np.asarray(rgb, dtype=np.float64), nan=0.0, posinf=255.0, neginf=0.0)
    if np.issubdtype(rgb.dtype, np.floating) and real.size and real.max() <= 1.0:
        real = real * 255.0
    return np.ascontiguousarray(np.clip(np.rint(real), 0, 255), dtype=np.uint8)


_COORDINATES = (("x", "y", "z"), ("relative_x", "relative_y", "relative_z"))
_COLORS = (("red", "green", "blue"), ("r", "g", "b"), ("diffuse_red", "diffuse_green", "diffuse_blue"))
_NORMALS = (("nx", "ny", "nz"), ("normal_x", "normal_y", "normal_z"))


def gather(columns: Mapping[str, Array], names: tuple[tuple[str, str, str], ...]) -> Array | None:
    """The first of several triples of columns that is present, stacked into [N, 3]."""
    for triple in names:
        if all(name in columns for name in triple):
            return np.stack([columns[name] for name in triple], axis=1)
    return None


def cloud_columns(columns: Mapping[str, Array]) -> tuple[Array, Array | None, Array | None]:
    """Points, colours and normals out of named columns."""
    points = gather(columns, _COORDINATES)
    if points is None:
        names = ", ".join(list(columns)[:12]) or "none"
        raise UnreadableShape(f"has no x, y and z columns (it has: {names})")
    return points, gather(columns, _COLORS), gather(columns, _NORMALS)


def cloud_from_table(table: Array) -> PointCloud:
    """A cloud out of rows of 3 or more numbers: x y z, then colours or normals where the numbers look like them."""
    require(table.ndim == 2, f"has an array of shape {table.shape} instead of [N, 3]")
    if table.shape[0] == 3 and table.shape[1] > 16:
        table = table.T
    columns = table.shape[1]
    require(3 <= columns <= 16, f"has rows of {columns} numbers instead of x y z and up to 13 more")
    extra = table[:, 3:6].astype(np.float64) if columns >= 6 else None
    if extra is None or not np.isfinite(extra).all():
        return make_cloud(table[:, :3])
    if _are_normals(extra):
        return make_cloud(table[:, :3], normals=extra)
    # Seven columns are the .pts order (x y z intensity r g b) unless the fourth looks like a colour channel too.
    if columns == 7 and _are_colors(table[:, 4:7]) and not _are_colors(extra):
        extra = table[:, 4:7].astype(np.float64)
    return make_cloud(table[:, :3], extra if _are_colors(extra) else None)


def _are_normals(values: Array) -> bool:
    lengths = np.linalg.norm(values, axis=1)
    return bool(values.min() < 0 and np.abs(values).max() <= 1.01 and np.median(np.abs(lengths - 1)) < 0.02)


def _are_colors(values: Array) -> bool:
    low, high = float(values.min()), float(values.max())
    fractions = high <= 1.0
    return low >= 0 and (fractions or (high <= 255 and bool(np.all(values == np.rint(values)))))
