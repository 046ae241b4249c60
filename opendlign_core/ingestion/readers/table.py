"""Tables of numbers as text: .txt .xyz .pts .asc .csv, split by spaces, tabs, commas or semicolons."""

import numpy as np

from opendlign_core.ingestion.cloud import PointCloud
from opendlign_core.ingestion.readers.shape_file import ShapeFile
from opendlign_core.ingestion.readers.text import decode, floats, without_comments
from opendlign_core.ingestion.safety import require
from opendlign_core.ingestion.shapes import Array, cloud_columns, cloud_from_table, make_cloud


def read_table(file: ShapeFile) -> PointCloud:
    """Read rows of x y z and more; a header names the columns, a lone first number counts the rows (.pts)."""
    text = decode(file.data)
    header = _header(text)
    body = without_comments(text)
    if ";" in body:
        body = body.replace(";", " ") if "," not in body else body.replace(",", ".").replace(";", " ")
    lines = [line for line in body.replace(",", " ").split("\n") if line and not line.isspace()]
    if header is not None and lines and not _is_number(lines[0].split()[0]):
        return _named_columns(header, text)
    if len(lines) > 1 and len(lines[0].split()) == 1:
        lines = lines[1:]
    require(bool(lines), "has no rows")
    width = len(lines[0].split())
    tokens = " ".join(lines).split()
    require(len(tokens) == width * len(lines), "has rows of different lengths")
    return cloud_from_table(floats(tokens).reshape(len(lines), width))


def _header(text: str) -> list[str] | None:
    """Column names of the first line, if it holds names."""
    first = text.lstrip().partition("\n")[0].lstrip("#/ ")
    names = first.lower().replace(",", " ").replace(";", " ").split()
    return names if names and not any(_is_number(name) for name in names) else None


def _named_columns(header: list[str], text: str) -> PointCloud:
    """Rows below a header; columns that are not numbers (a class name) are passed over."""
    first, _, rest = text.lstrip().partition("\n")
    separator = next((mark for mark in (",", ";") if mark in first), None)
    rows = [line.split(separator) for line in rest.split("\n") if line and not line.isspace()]
    require(bool(rows), "has no rows below its header")
    require(all(len(row) == len(header) for row in rows), "has rows that do not match its header")
    columns: dict[str, Array] = {}
    for index, name in enumerate(header):
        if _is_number(rows[0][index]):
            columns[name] = floats([row[index] for row in rows])
    points, colors, normals = cloud_columns(columns)
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
