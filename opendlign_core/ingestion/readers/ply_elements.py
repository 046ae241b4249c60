"""The elements of a PLY file as columns."""

import struct
from dataclasses import dataclass

import numpy as np

from opendlign_core.ingestion.readers.text import floats
from opendlign_core.ingestion.safety import checked_count, require
from opendlign_core.ingestion.shapes import Array

_MAX_HEADER = 1 << 16
_TYPES = {
    "char": "i1", "int8": "i1", "uchar": "u1", "uint8": "u1", "bool": "u1",
    "short": "i2", "int16": "i2", "ushort": "u2", "uint16": "u2",
    "int": "i4", "int32": "i4", "uint": "u4", "uint32": "u4",
    "float": "f4", "float32": "f4", "double": "f8", "float64": "f8",
}  # fmt: skip
_ORDERS = {"binary_little_endian": "<", "binary_big_endian": ">", "ascii": "="}


@dataclass(frozen=True)
class ListColumn:
    """A property whose rows are lists: all values one after another, and the length of each row."""

    values: Array
    sizes: Array


Columns = dict[str, "Array | ListColumn"]


@dataclass(frozen=True)
class _Property:
    name: str
    type: str
    count_type: str | None = None  # set for lists


@dataclass
class _Element:
    name: str
    count: int
    properties: list[_Property]

    @property
    def smallest_row(self) -> int:
        """Bytes that a row takes at least, in binary."""
        return sum(np.dtype(item.count_type or item.type).itemsize for item in self.properties)


def read_elements(data: bytes) -> dict[str, Columns]:
    """Every element of the file by name; binary rows that the file is too short for are refused."""
    layout, elements, start = _header(data)
    if layout == "ascii":
        return _ascii_elements(data[start:].decode("latin-1"), elements)
    result: dict[str, Columns] = {}
    for element in elements:
        checked_count(element.count, f"{element.name} rows", len(data) - start, max(element.smallest_row, 1))
        result[element.name], start = _binary_element(data, start, element, _ORDERS[layout])
    return result


def _header(data: bytes) -> tuple[str, list[_Element], int]:
    require(data[:3] == b"ply", "does not start with ply")
    end = data.find(b"end_header", 0, _MAX_HEADER)
    require(end >= 0, "has no end_header line")
    layout = ""
    elements: list[_Element] = []
    for line in data[:end].decode("latin-1").replace("\r", "\n").split("\n"):
        words = line.split()
        if not words:
            continue
        if words[0] == "format":
            layout = words[1]
        elif words[0] == "element":
            elements.append(_Element(words[1], int(words[2]), []))
        elif words[0] == "property":
            elements[-1].properties.append(_property(words[1:]))
    require(layout in _ORDERS, f"has the unknown format {layout!r}")
    start = end + len(b"end_header")
    start += 2 if data[start : start + 2] == b"\r\n" else 1
    return layout, elements, start


def _property(words: list[str]) -> _Property:
    names = [words[1], words[2]] if words[0] == "list" else [words[0]]
    for name in names:
        require(name in _TYPES, f"has a property of unknown type {name!r}")
    if words[0] == "list":
        require(_TYPES[words[1]][0] != "f", "has a list whose length is a fraction")
        return _Property(words[3], _TYPES[words[2]], _TYPES[words[1]])
    return _Property(words[1], _TYPES[words[0]])


def _binary_element(data: bytes, start: int, element: _Element, order: str) -> tuple[Columns, int]:
    if element.count == 0:
        return {}, start
    # Most files have lists of one length (triangles): if the first row's lengths hold for all, one view reads them.
    lengths = _first_lengths(data, start, element, order)
    fields: list[tuple[str, str] | tuple[str, str, tuple[int]]] = []
    for index, item in enumerate(element.properties):
        if item.count_type is not None:
            fields.append((f"n{index}", order + item.count_type))
            fields.append((f"p{index}", order + item.type, (lengths[index],)))
        else:
            fields.append((f"p{index}", order + item.type))
    dtype = np.dtype(fields)
    if dtype.itemsize * element.count <= len(data) - start:
        rows = np.frombuffer(data, dtype=dtype, count=element.count, offset=start)
        if all(bool((rows[f"n{index}"] == length).all()) for index, length in lengths.items()):
            return _uniform_columns(rows, element, lengths), start + dtype.itemsize * element.count
    require(bool(lengths), f"ends before its last {element.name} row")
    return _ragged_element(data, start, element, order)


def _first_lengths(data: bytes, start: int, element: _Element, order: str) -> dict[int, int]:
    lengths = {}
    for index, item in enumerate(element.properties):
        width = np.dtype(item.type).itemsize
        if item.count_type is None:
            start += width
            continue
        head = np.dtype(order + item.count_type)
        require(start + head.itemsize <= len(data), f"ends before its first {element.name} row")
        length = int(np.frombuffer(data, dtype=head, count=1, offset=start)[0])
        lengths[index] = checked_count(length, "values in a list", len(data) - start, width)
        start += head.itemsize + length * width
    return lengths


def _uniform_columns(rows: Array, element: _Element, lengths: dict[int, int]) -> Columns:
    columns: Columns = {}
    for index, item in enumerate(element.properties):
        values = rows[f"p{index}"]
        if index in lengths:
            columns[item.name] = ListColumn(values.reshape(-1), np.full(element.count, lengths[index]))
        else:
            columns[item.name] = values
    return columns


def _ragged_element(data: bytes, start: int, element: _Element, order: str) -> tuple[Columns, int]:
    """Rows whose lists differ in length, one by one."""
    codes = {"i1": "b", "u1": "B", "i2": "h", "u2": "H", "i4": "i", "u4": "I", "f4": "f", "f8": "d"}
    gathered: list[list[float]] = [[] for _ in element.properties]
    sizes: list[list[int]] = [[] for _ in element.properties]
    for _ in range(element.count):
        for index, item in enumerate(element.properties):
            length = 1
            if item.count_type is not None:
                (length,) = struct.unpack_from(order + codes[item.count_type], data, start)
                start += struct.calcsize(order + codes[item.count_type])
                checked_count(length, "values in a list", len(data) - start, np.dtype(item.type).itemsize)
                sizes[index].append(length)
            layout = f"{order}{length}{codes[item.type]}"
            gathered[index] += struct.unpack_from(layout, data, start)
            start += struct.calcsize(layout)
    return _columns(element, gathered, sizes), start


def _columns(element: _Element, gathered: list[list[float]], sizes: list[list[int]]) -> Columns:
    columns: Columns = {}
    for item, values, lengths in zip(element.properties, gathered, sizes, strict=True):
        array = _cast(np.asarray(values, dtype=np.float64), item.type)
        columns[item.name] = array if item.count_type is None else ListColumn(array, np.asarray(lengths, np.int64))
    return columns


def _ascii_elements(text: str, elements: list[_Element]) -> dict[str, Columns]:
    """One row per line; what a line holds beyond its declared properties is passed over."""
    lines = [line for line in text.replace("\r", "\n").split("\n") if line and not line.isspace()]
    result: dict[str, Columns] = {}
    position = 0
    for element in elements:
        checked_count(element.count, f"{element.name} rows", len(lines) - position, 1)
        rows = [line.split() for line in lines[position : position + element.count]]
        position += element.count
        ragged = any(item.count_type is not None for item in element.properties)
        result[element.name] = _ascii_lists(rows, element) if ragged else _ascii_scalars(rows, element)
    return result


def _ascii_scalars(rows: list[list[str]], element: _Element) -> Columns:
    width = len(element.properties)
    require(all(len(row) >= width for row in rows), f"has {element.name} rows of fewer than {width} values")
    table = floats([token for row in rows for token in row[:width]]).reshape(len(rows), width)
    return {item.name: _cast(table[:, column], item.type) for column, item in enumerate(element.properties)}


def _cast(values: Array, kind: str) -> Array:
    if kind[0] == "f":
        return values
    require(bool(np.isfinite(values).all()), "has a whole-number property that is NaN or infinite")
    return values.astype(np.int64).astype(kind)


def _ascii_lists(rows: list[list[str]], element: _Element) -> Columns:
    gathered: list[list[float]] = [[] for _ in element.properties]
    sizes: list[list[int]] = [[] for _ in element.properties]
    for row in rows:
        position = 0
        for index, item in enumerate(element.properties):
            length = 1
            if item.count_type is not None:
                length = int(row[position]) if position < len(row) else -1
                sizes[index].append(length)
                position += 1
            require(0 <= length <= len(row) - position, f"has a {element.name} row of too few values")
            gathered[index] += map(float, row[position : position + length])
            position += length
    return _columns(element, gathered, sizes)
