"""Point Cloud Data (.pcd): ascii, binary and binary_compressed; rows marked as missing (NaN) are dropped."""

from dataclasses import dataclass

import numpy as np

from opendlign_core.ingestion.cloud import PointCloud
from opendlign_core.ingestion.readers.lzf import decompress_lzf
from opendlign_core.ingestion.readers.shape_file import ShapeFile
from opendlign_core.ingestion.readers.text import floats
from opendlign_core.ingestion.safety import checked_count, require
from opendlign_core.ingestion.shapes import Array, cloud_columns, make_cloud

_MAX_HEADER = 1 << 16
_KINDS = {"F": "f", "I": "i", "U": "u"}


@dataclass(frozen=True)
class _Header:
    names: list[str]
    types: list[str]  # one numpy type per field
    repeats: list[int]
    points: int
    layout: str
    start: int  # offset of the data

    @property
    def row(self) -> np.dtype[np.void]:
        fields = [(f"f{i}", t, (n,)) for i, (t, n) in enumerate(zip(self.types, self.repeats, strict=True))]
        return np.dtype(fields)


def read_pcd(file: ShapeFile) -> PointCloud:
    """Read positions, packed or separate colours, and normals."""
    header = _header(file.data)
    body = memoryview(file.data)[header.start :]
    if header.layout == "ascii":
        columns = _ascii(header, bytes(body))
    elif header.layout == "binary":
        checked_count(header.points, "points", len(body), header.row.itemsize)
        rows = np.frombuffer(body, dtype=header.row, count=header.points)
        columns = [rows[f"f{i}"][:, 0] for i in range(len(header.names))]
    else:
        columns = _compressed(header, bytes(body))
    named = dict(zip(header.names, columns, strict=True))
    points, colors, normals = cloud_columns(named)
    return make_cloud(points, _packed_colors(named) if colors is None else colors, normals, drop_missing=True)


def _header(data: bytes) -> _Header:
    entries: dict[str, list[str]] = {}
    start = 0
    while "DATA" not in entries:
        end = data.find(b"\n", start, _MAX_HEADER)
        require(end >= 0, "has no DATA line")
        words = data[start:end].decode("latin-1").split()
        start = end + 1
        if words and not words[0].startswith("#"):
            entries[words[0].upper()] = words[1:]
    names = entries["FIELDS"]
    sizes = [int(word) for word in entries["SIZE"]]
    kinds = entries["TYPE"]
    repeats = [int(word) for word in entries.get("COUNT", ["1"] * len(names))]
    require(len(names) == len(sizes) == len(kinds) == len(repeats), "has headers of different lengths")
    for kind, size, repeat in zip(kinds, sizes, repeats, strict=True):
        require(kind in _KINDS and size in (1, 2, 4, 8) and 1 <= repeat <= 4096, f"has a field {kind}{size}x{repeat}")
        require(kind != "F" or size >= 4, f"has a field {kind}{size}x{repeat}")
    count = int(entries["POINTS"][0]) if "POINTS" in entries else int(entries["WIDTH"][0]) * int(entries["HEIGHT"][0])
    layout = entries["DATA"][0].lower()
    require(layout in ("ascii", "binary", "binary_compressed"), f"has the unknown data layout {layout!r}")
    types = [f"<{_KINDS[kind]}{size}" for kind, size in zip(kinds, sizes, strict=True)]
    checked_count(count, "points", len(data) * 128, 1)
    return _Header([name.lower() for name in names], types, repeats, count, layout, start)


def _ascii(header: _Header, body: bytes) -> list[Array]:
    tokens = body.decode("latin-1").split()
    width = sum(header.repeats)
    checked_count(header.points, "points", len(tokens), width)
    table = floats(tokens[: header.points * width]).reshape(header.points, width)
    first = np.cumsum(header.repeats) - header.repeats
    columns = []
    for offset, kind in zip(first, header.types, strict=True):
        column = table[:, offset]
        if kind[1] != "f":
            require(bool(np.isfinite(column).all()), "has a whole-number field that is NaN or infinite")
            column = column.astype(np.int64)
        columns.append(column.astype(kind))
    return columns


def _compressed(header: _Header, body: bytes) -> list[Array]:
    require(len(body) >= 8, "ends before its compressed data")
    packed = int.from_bytes(body[:4], "little")
    unpacked = int.from_bytes(body[4:8], "little")
    require(packed <= len(body) - 8, f"declares {packed} compressed bytes, but holds {len(body) - 8}")
    expected = header.points * header.row.itemsize
    require(unpacked == expected, f"declares {unpacked} bytes for points that need {expected}")
    data = decompress_lzf(body[8 : 8 + packed], unpacked)
    columns = []
    offset = 0
    # The compressed layout stores one field after another, not one point after another.
    for kind, repeat in zip(header.types, header.repeats, strict=True):
        column = np.frombuffer(data, dtype=kind, count=header.points * repeat, offset=offset)
        columns.append(column.reshape(header.points, repeat)[:, 0])
        offset += column.nbytes
    return columns


def _packed_colors(columns: dict[str, Array]) -> Array | None:
    """Colours stored as 0xRRGGBB in the bits of one 4-byte field."""
    packed = columns.get("rgb", columns.get("rgba"))
    if packed is None or packed.dtype.itemsize != 4:
        return None
    bits = np.ascontiguousarray(packed).view("<u4")
    return np.stack([bits >> 16 & 255, bits >> 8 & 255, bits & 255], axis=1).astype(np.uint8)
