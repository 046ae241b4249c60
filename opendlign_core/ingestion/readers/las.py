"""LAS, and LAZ where the optional `las` extra is installed; z up."""

import io
import struct
from dataclasses import dataclass

import numpy as np

from opendlign_core.ingestion.cloud import PointCloud
from opendlign_core.ingestion.errors import UnreadableShape
from opendlign_core.ingestion.readers.shape_file import ShapeFile
from opendlign_core.ingestion.safety import checked_count, require
from opendlign_core.ingestion.shapes import Array, make_cloud

_COLOR_OFFSETS = {2: 20, 3: 28, 5: 28, 7: 30, 8: 30, 10: 30}
_SMALLEST_RECORDS = (20, 28, 26, 34, 57, 63, 30, 36, 38, 59, 67)  # bytes, by point format
_VLR_HEADER = 54

# LAZ packs repeating points tightly, but not beyond this many points per byte.
_POINTS_PER_BYTE = 64


@dataclass(frozen=True)
class _Header:
    point_format: int
    packed: bool
    record: int  # bytes per point
    count: int
    start: int  # offset of the points
    scales: Array  # [3]
    offsets: Array  # [3]


def read_las(file: ShapeFile) -> PointCloud:
    """Read scaled coordinates and 16-bit colours."""
    header = _header(file.data)
    if header.packed:
        _check_chunks(file.data, header)
        points, colors = _unpack(file.data)
    else:
        points, colors = _records(file.data, header)
    return make_cloud(points, colors, up_axis="z")


def _header(data: bytes) -> _Header:
    """Check every declared size before anything is allocated for it."""
    require(data[:4] == b"LASF", "does not start with LASF")
    require(len(data) >= 227, f"is {len(data)} bytes long, shorter than a LAS header")
    start, extras, kind, record, count = struct.unpack_from("<IIBHI", data, 96)
    packed, point_format = bool(kind & 0xC0), kind & 0x3F
    if data[25] >= 4 and len(data) >= 255:
        count = max(count, int.from_bytes(data[247:255], "little"))
    require(point_format < len(_SMALLEST_RECORDS), f"has the unknown point format {point_format}")
    require(record >= _SMALLEST_RECORDS[point_format], f"declares points of {record} bytes")
    require(start <= len(data), f"declares points at byte {start}, but holds {len(data)}")
    checked_count(extras, "variable length records", start, _VLR_HEADER)
    if packed:
        checked_count(count, "points", len(data) * _POINTS_PER_BYTE, 1)
    else:
        checked_count(count, "points", len(data) - start, record)
    numbers = np.frombuffer(data, dtype="<f8", count=6, offset=131)
    return _Header(point_format, packed, record, count, start, numbers[:3], numbers[3:])


def _records(data: bytes, header: _Header) -> tuple[Array, Array | None]:
    body = np.frombuffer(data, dtype=np.uint8, count=header.count * header.record, offset=header.start)
    rows = body.reshape(header.count, header.record)
    stored = np.ascontiguousarray(rows[:, :12]).view("<i4")
    points = stored * header.scales + header.offsets
    at = _COLOR_OFFSETS.get(header.point_format)
    return points, None if at is None else np.ascontiguousarray(rows[:, at : at + 6]).view("<u2")


def _check_chunks(data: bytes, header: _Header) -> None:
    """Check the table of compressed chunks, whose declared length the native reader believes and allocates."""
    require(header.start + 8 <= len(data), "ends before its compressed points")
    (table,) = struct.unpack_from("<q", data, header.start)
    if table == -1:  # written as a stream: the offset follows the points
        (table,) = struct.unpack_from("<q", data, len(data) - 8)
    require(header.start < table <= len(data) - 8, f"has its chunk table at byte {table} of {len(data)}")
    version, chunks = struct.unpack_from("<II", data, table)
    require(version == 0 and chunks <= header.count + 1, f"declares {chunks} chunks of {header.count} points")


def _unpack(data: bytes) -> tuple[Array, Array | None]:
    try:
        import laspy
    except ImportError as error:
        raise UnreadableShape("is LAZ: install the `las` extra to read it") from error
    las = laspy.read(io.BytesIO(data))
    points = np.stack([np.asarray(las.x), np.asarray(las.y), np.asarray(las.z)], axis=1)
    if not {"red", "green", "blue"} <= set(las.point_format.dimension_names):
        return points, None
    return points, np.stack([np.asarray(las[name]) for name in ("red", "green", "blue")], axis=1)
