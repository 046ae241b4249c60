"""LAS and LAZ, where the optional `las` extra is installed; z up."""

import io

import numpy as np

from opendlign_core.ingestion.cloud import PointCloud
from opendlign_core.ingestion.errors import UnreadableShape
from opendlign_core.ingestion.readers.shape_file import ShapeFile
from opendlign_core.ingestion.safety import checked_count, require
from opendlign_core.ingestion.shapes import make_cloud

# LAZ packs repeating points tightly, but not beyond this many points per byte.
_POINTS_PER_BYTE = 64


def read_las(file: ShapeFile) -> PointCloud:
    """Read scaled coordinates and 16-bit colours."""
    _check_header(file.data)
    try:
        import laspy
    except ImportError as error:
        raise UnreadableShape("is LAS: install the `las` extra to read it") from error
    las = laspy.read(io.BytesIO(file.data))
    points = np.stack([np.asarray(las.x), np.asarray(las.y), np.asarray(las.z)], axis=1)
    names = set(las.point_format.dimension_names)
    colors = None
    if {"red", "green", "blue"} <= names:
        colors = np.stack([np.asarray(las[name]) for name in ("red", "green", "blue")], axis=1)
    return make_cloud(points, colors, up_axis="z")


def _check_header(data: bytes) -> None:
    """Check the declared number of points before the parser allocates for it."""
    require(data[:4] == b"LASF", "does not start with LASF")
    require(len(data) >= 227, f"is {len(data)} bytes long, shorter than a LAS header")
    count = int.from_bytes(data[107:111], "little")
    if data[25] >= 4 and len(data) >= 255:
        count = max(count, int.from_bytes(data[247:255], "little"))
    packed = bool(data[104] & 0x80)
    record = int.from_bytes(data[105:107], "little")
    if packed:
        checked_count(count, "points", len(data) * _POINTS_PER_BYTE, 1)
    else:
        checked_count(count, "points", len(data), max(record, 20))
