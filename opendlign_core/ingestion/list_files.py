"""What the lists of a data set say about its objects. Runs inside the parser processes, where lists may be hostile."""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from opendlign_core.ingestion.pack_files import NpzArrays
from opendlign_core.ingestion.readers import INSIDE
from opendlign_core.ingestion.readers.archive import shapes_inside
from opendlign_core.ingestion.safety import MAX_FILE_BYTES, parsing, read_bounded, require

MOST_ROWS = 10_000_000
"""Objects that one list may declare; a forged header must not fill the memory of the process that plans."""

_ROWS_AT_ONCE = 256
"""Few, because a text that stands once in the file may be meant for every row."""

_PACK_POINTS = {"points", "data", "xyz"}
_PACK_TEXTS = ("split", "text", "up_axis")


def read_list(form: str, path: Path) -> Any:
    """The content of a list in terms of JSON, by its form (a name of `FORMS`).

    Raises:
        UnreadableShape: when the file is not of that form.
    """
    kind, read = FORMS[form]
    with parsing(kind):
        require(path.stat().st_size > 0, "is empty")
        return read(path)


def _hdf5_labels(path: Path) -> list[int]:
    """The integer labels of a pack with the datasets `data` [N, P, C] and `label` [N] or [N, 1]."""
    from opendlign_core.ingestion.hdf5 import numeric_arrays, open_hdf5

    with open_hdf5(path) as file:
        arrays = numeric_arrays(file)
        there = ", ".join(arrays) or "none"
        require({"data", "label"} <= set(arrays), f"lacks the datasets data and label; it has {there}")
        stored, count = arrays["label"], _rows(arrays["data"].shape)
        fits = stored.size == count and stored.dtype.kind in "iu"
        require(fits, f"has {count} clouds but {stored.size} labels of type {stored.dtype}")
        return [int(label) for label in np.asarray(stored).reshape(-1)]


def _hdf5_clouds(path: Path) -> tuple[str, int]:
    """The dataset that holds the clouds [N, P, C] of a pack, and N."""
    from opendlign_core.ingestion.hdf5 import numeric_arrays, open_hdf5

    with open_hdf5(path) as file:
        stacked = {name: array.shape for name, array in numeric_arrays(file).items() if len(array.shape) == 3}
    require(bool(stacked), "holds no array of clouds [N, P, C]")
    name = "data" if "data" in stacked else min(stacked)
    return name, _rows(stacked[name])


def _rows(shape: Sequence[int]) -> int:
    count = int(shape[0]) if shape else 0
    require(count <= MOST_ROWS, f"declares {count} clouds, more than {MOST_ROWS}")
    return count


def _pack_columns(path: Path) -> dict[str, list[str]]:
    """The texts of a pack with `points` [N, P, 3], `labels` [N] and, if there, `split`, `text`, `up_axis`."""
    archive = NpzArrays(path)
    names = list(archive.shapes())
    needs = f"is no list of objects: it needs points and labels, but has {', '.join(names)}"
    require("labels" in names and bool(_PACK_POINTS & set(names)), needs)
    labels = [str(label) for label in archive.read("labels", None)]
    columns = {"labels": labels}
    for name in _PACK_TEXTS:
        values = archive.read(name, None).astype(str).reshape(-1) if name in names else np.array([""])
        require(len(values) in (1, len(labels)), f"has {len(labels)} labels but {len(values)} values of {name}")
        columns[name] = [
            str(value) for value in (values if len(values) == len(labels) else values.repeat(len(labels)))
        ]
    return columns


def _parquet_rows(path: Path) -> list[dict[str, str]]:
    import io

    import pyarrow.parquet as parquet

    file = parquet.ParquetFile(io.BytesIO(read_bounded(path)))
    require(file.metadata.num_rows <= MOST_ROWS, f"declares {file.metadata.num_rows} rows, more than {MOST_ROWS}")
    rows, left = list[dict[str, str]](), MAX_FILE_BYTES
    for batch in file.iter_batches(batch_size=_ROWS_AT_ONCE):
        for row in batch.to_pylist():
            rows.append({name: "" if value is None else str(value) for name, value in row.items()})
            left -= sum(map(len, rows[-1].values()))
            require(left >= 0, f"unpacks to texts of more than {MAX_FILE_BYTES} letters")
    return rows


def _archive_shapes(path: Path) -> list[str]:
    with zipfile.ZipFile(path) as archive:
        return shapes_inside(archive, INSIDE)


FORMS: dict[str, tuple[str, Callable[[Path], Any]]] = {
    "labels": ("HDF5", _hdf5_labels),
    "clouds": ("HDF5", _hdf5_clouds),
    "pack": ("NumPy archive", _pack_columns),
    "table": ("Parquet", _parquet_rows),
    "archive": ("zip archive", _archive_shapes),
}
