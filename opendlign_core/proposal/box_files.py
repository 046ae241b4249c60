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


def read_boxes(path: Path, up: str = "y") -> Proposals:
    """Boxes, brought to y up, with objectness 1 where the file does not say.

    A `.csv` has a row for each box with the columns x, y, z, dx, dy, dz; a `.json` a list of objects with `centre` and
    `size`; a `.npz` the arrays `centres` and `sizes` [K, 3]. Each may have `yaw` (`yaws`) and `objectness` as well.

    Args:
        path: the file.
        up: the axis that is up in it, y or z; a `.json` whose boxes say `up` knows better.

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
        _require_solid(boxes, objectness)
        found = Proposals(_y_up(boxes, arrays.get("up", up)), objectness)
    except (KeyError, TypeError, ValueError, BadZipFile) as error:
        raise BadInput(f"{path} cannot be read as boxes: {_told(error)}") from error
    if not len(boxes):
        raise BadInput(f"{path} holds no boxes")
    return found


def _told(error: Exception) -> str:
    match error:
        case KeyError():
            return f"it lacks {error}"
        case UnicodeDecodeError():
            return "it is no UTF-8 text"
        case _:
            return str(error)


def _y_up(boxes: Boxes, up: str) -> Boxes:
    if up not in ("y", "z"):
        raise ValueError(f"boxes are told with y or z up, not {up}; turn them, or say the scan with y or z up")
    return boxes if up == "y" else Boxes.of_z_up(boxes)


def _require_solid(boxes: Boxes, objectness: NDArray[np.float64]) -> None:
    flat = (boxes.sizes <= 0).any(1)
    if flat.any():
        raise ValueError(f"box {int(flat.argmax())} has a side of 0; give every side in metres")
    if not ((objectness >= 0) & (objectness <= 1)).all():
        raise ValueError("an objectness is not between 0 and 1")


def _of_csv(path: Path) -> Mapping[str, Any]:
    with path.open(newline="", encoding="utf-8") as file:
        reader = csv.DictReader(file)
        if missing := [name for name in COLUMNS if name not in (reader.fieldnames or ())]:
            has = ", ".join(reader.fieldnames or ()) or "nothing"
            raise ValueError(f"its first line lacks {missing[0]!r} (it has: {has}); columns stand between commas")
        named = [name for name, _ in _beside(dict.fromkeys(reader.fieldnames or ()))]
        rows = [_numbers(row, (*COLUMNS, *named), number) for number, row in enumerate(reader)]
    table = np.array([[row[name] for name in COLUMNS] for row in rows], np.float64).reshape(-1, 6)
    beside = {key: [row[name] for row in rows] for name, key in _beside(dict.fromkeys(named))}
    return {"centres": table[:, :3], "sizes": table[:, 3:], **beside}


def _numbers(row: Mapping[str, Any], names: Sequence[str], number: int) -> dict[str, float]:
    found = {}
    for name in names:
        try:
            found[name] = float(row[name])
        except (TypeError, ValueError):
            raise ValueError(f"{name} of box {number} is no number: {row[name] or ''!r}") from None
    return found


def _of_json(path: Path) -> Mapping[str, Any]:
    rows: Any = json.loads(path.read_text(encoding="utf-8"))
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise ValueError("it holds no list of boxes, each an object with `centre` and `size`")
    for number, row in enumerate(rows):
        if missing := [name for name in ("centre", "size") if name not in row]:
            raise ValueError(f"box {number} lacks {missing[0]!r}")
    beside = {key: [row[name] for row in rows] for name, key in _beside(rows[0] if rows else {})}
    said = {row.get("up") for row in rows}
    if len(said) > 1:
        raise ValueError("its boxes do not all say the same axis as `up`")
    frame = {"up": said.pop()} if said - {None} else {}
    return {"centres": [row["centre"] for row in rows], "sizes": [row["size"] for row in rows], **beside, **frame}


def _of_npz(path: Path) -> Mapping[str, Any]:
    with np.load(path, allow_pickle=False) as arrays:
        return {name: arrays[name] for name in arrays.files}


def _beside(row: Mapping[str, Any]) -> list[tuple[str, str]]:
    return [(name, key) for name, key in (("yaw", "yaws"), ("objectness", "objectness")) if name in row]
