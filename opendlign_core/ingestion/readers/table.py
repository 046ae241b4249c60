"""Tables of numbers as text: .txt .xyz .pts .asc .csv, split by spaces, tabs, commas or semicolons."""

from collections.abc import Iterable, Iterator
from itertools import chain

import numpy as np

from opendlign_core.ingestion.cloud import PointCloud
from opendlign_core.ingestion.errors import UnreadableShape
from opendlign_core.ingestion.readers.shape_file import ShapeFile
from opendlign_core.ingestion.readers.text import floats, text_blocks, without_comments
from opendlign_core.ingestion.safety import MAX_ELEMENTS, require
from opendlign_core.ingestion.shapes import cloud_columns, cloud_from_table, make_cloud


def read_table(file: ShapeFile) -> PointCloud:
    """Read rows of x y z and more; a header names the columns, a lone first number counts the rows (.pts)."""
    blocks = text_blocks(file)
    first = _head(blocks)
    header, lines = _header(first), _rows(first)
    if header is not None and lines and not _is_number(lines[0].split()[0]):
        return _named_columns(header, chain([first.lstrip().partition("\n")[2]], blocks), first)
    if len(lines) > 1 and len(lines[0].split()) == 1:
        lines = lines[1:]
    require(bool(lines), "has no rows")
    width = len(lines[0].split())
    numbers = bytearray()  # grows in place, where joining blocks would hold everything twice
    for rows in chain([lines], map(_rows, blocks)):
        tokens = " ".join(rows).split()
        require(len(tokens) == width * len(rows), "has rows of different lengths")
        numbers += floats(tokens).data
        require(len(numbers) <= 8 * width * MAX_ELEMENTS, f"has more than {MAX_ELEMENTS} rows")
    return cloud_from_table(np.frombuffer(numbers).reshape(-1, width))


def _head(blocks: Iterator[str]) -> str:
    """As much of a text as tells a header or a count from the first row."""
    head = next(blocks, "")
    while len(_rows(head)) < 2 and (more := next(blocks, "")):
        head = f"{head}\n{more}"
    return head


def _rows(block: str) -> list[str]:
    """The lines of a block that hold something, their numbers separated by spaces."""
    body = without_comments(block)
    if ";" in body:
        body = body.replace(";", " ") if "," not in body else body.replace(",", ".").replace(";", " ")
    return [line for line in body.replace(",", " ").split("\n") if line and not line.isspace()]


def _header(block: str) -> list[str] | None:
    """Column names of the first line, if it holds names."""
    first = block.lstrip().partition("\n")[0].lstrip("#/ ")
    names = first.lower().replace(",", " ").replace(";", " ").split()
    return names if names and not any(_is_number(name) for name in names) else None


def _named_columns(header: list[str], blocks: Iterable[str], head: str) -> PointCloud:
    """Rows below a header; columns that are not numbers (a class name) are passed over."""
    first = head.lstrip().partition("\n")[0]
    separator = next((mark for mark in (",", ";") if mark in first), None)
    columns: dict[str, bytearray] | None = None
    for block in blocks:
        rows = [line.split(separator) for line in block.split("\n") if line and not line.isspace()]
        require(all(len(row) == len(header) for row in rows), "has rows that do not match its header")
        if not rows:
            continue
        if columns is None:
            columns = {name: bytearray() for name, cell in zip(header, rows[0], strict=True) if _is_number(cell)}
        for index, name in enumerate(header):
            if name in columns:
                columns[name] += floats([row[index] for row in rows]).data
    if columns is None:
        raise UnreadableShape("has no rows below its header")
    points, colors, normals = cloud_columns({name: np.frombuffer(column) for name, column in columns.items()})
    return make_cloud(points, colors, normals)


def _is_number(token: str) -> bool:
    try:
        float(token)
    except ValueError:
        return False
    return True


def read_json(file: ShapeFile) -> PointCloud:
    """Read a JSON object whose `points` or `vertices` are rows of coordinates."""
    import json

    document = json.loads(file.data)
    require(isinstance(document, dict), "is JSON, but no object with points or vertices")
    rows = document.get("points", document.get("vertices"))
    require(isinstance(rows, list) and bool(rows), "has no points or vertices")
    return cloud_from_table(np.asarray(rows, dtype=np.float64))
