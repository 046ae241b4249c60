"""Arrays of data sets that are prepared for other programs, checked before they are believed."""

import io
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from opendlign_core.ingestion.cloud import Colors, Parts, Points
from opendlign_core.ingestion.npy import MAX_NPY_HEADER, read_npy_header
from opendlign_core.ingestion.safety import MAX_ELEMENTS, parsing, read_bounded, require
from opendlign_core.ingestion.shapes import to_colors


def read_array(path: Path) -> NDArray[Any]:
    """The numbers of a `.npy` file."""
    with parsing(path.name):
        data = read_bounded(path)
        header = read_npy_header(data[:MAX_NPY_HEADER])
        require(header.dtype.kind in "iuf", f"has data of type {header.dtype} in {path.name}, which are no numbers")
        require(header.nbytes <= len(data), f"declares {header.nbytes} bytes in {path.name}, which has {len(data)}")
        found: NDArray[Any] = np.load(io.BytesIO(data), allow_pickle=False)
    return found


def points_of(table: NDArray[Any]) -> tuple[Points, Colors | None]:
    """Points and, where there are further columns, colours of a table [N, 3 or more]."""
    require(table.ndim == 2 and table.shape[1] >= 3, f"has points of shape {list(table.shape)}, not [N, 3 or 6]")
    require(len(table) <= MAX_ELEMENTS, f"has {len(table)} points; at most {MAX_ELEMENTS} are accepted")
    points = np.ascontiguousarray(table[:, :3], np.float32)
    require(bool(np.isfinite(points).all()), "has points that are NaN or infinite")
    return points, to_colors(table[:, 3:6]) if table.shape[1] >= 6 else None


def numbers_of(column: NDArray[Any], count: int, what: str) -> Parts:
    """One whole number for every point."""
    require(column.shape == (count,), f"has {what} of shape {list(column.shape)} for {count} points")
    require(bool((column == column.astype(np.int32)).all()), f"has {what} that are no whole numbers of 32 bits")
    return column.astype(np.int32)
