"""Boxes that another program found, from a file."""

import csv
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from opendlign_core.boxes import Boxes
from opendlign_core.errors import BadInput
from opendlign_core.proposal.proposals import Proposals

COLUMNS = ("x", "y", "z", "dx", "dy", "dz")
"""Centre and size of a box in a table; `yaw` and `objectness` may stand beside."""


def read_boxes(path: Path) -> Proposals:
    """Boxes, y up and in metres, with objectness 1 where the file does not say.

    A `.csv` has a row for each box with the columns x, y, z, dx, dy, dz; a `.json` a list of objects with `centre` and
    `size`; a `.npz` the arrays `centres` and `sizes` [K, 3]. Each may have `yaw` (`yaws`) and `objectness` as well.

    Raises:
        BadInput: the file is something else, has no box, or one that cannot be.
    """
    readers = {".csv": _of_csv, ".json": _of_json, ".npz": _of_npz}
    if path.suffix.lower() not in readers:
        raise BadInput(f"{path}: boxes are read from {', '.join(readers)}")
    try:
        arrays = readers[path.suffix.lower()](path)
        boxes = Boxes.of(arrays["centres"], arrays["sizes"], arrays.get("yaws"))
        objectness = np.asarray(arrays.get("objectness", np.ones(len(boxes))), np.float64)
        found = Proposals(boxes, objectness)
        _require_solid(boxes, objectness)
    except (KeyError, TypeError, ValueError, BadZipFile) as error:
        told = f"it lacks {error}" if isinstance(error, KeyError) else str(error)
        raise BadInput(f"{path} cannot be read as boxes: {told}") from error
    if not len(boxes):
        raise BadInput(f"{path} holds no boxes")
    return found


def _require_solid(boxes: Boxes, objectness: NDArray[np.float64]) -> None:
    flat = (boxes.sizes <= 0).any(1)
    if flat.any():
        raise ValueError(f"box {int(flat.argmax())} has a side of 0; give every side in metres")
    if not ((objectness >= 0) & (objectness <= 1)).all():
        raise ValueError("an objectness is not between 0 and 1")


def _of_csv(path: Path) -> Mapping[str, Any]:
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    numbers = [[float(row[name]) for name in COLUMNS] for row in rows]
    table = np.array(numbers, np.float64).reshape(-1, 6)
    beside = {key: [float(row[name]) for row in rows] for name, key in _beside(rows[0] if rows else {})}
    return {"centres": table[:, :3], "sizes": table[:, 3:], **beside}


def _of_json(path: Path) -> Mapping[str, Any]:
    rows: Sequence[Mapping[str, Any]] = json.loads(path.read_text(encoding="utf-8"))
    beside = {key: [row[name] for row in rows] for name, key in _beside(rows[0] if rows else {})}
    return {"centres": [row["centre"] for row in rows], "sizes": [row["size"] for row in rows], **beside}


def _of_npz(path: Path) -> Mapping[str, Any]:
    with np.load(path, allow_pickle=False) as arrays:
        return {name: arrays[name] for name in arrays.files}


def _beside(row: Mapping[str, Any]) -> list[tuple[str, str]]:
    return [(name, key) for name, key in (("yaw", "yaws"), ("objectness", "objectness")) if name in row]
