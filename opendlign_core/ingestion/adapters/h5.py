"""Listing of HDF5 packs: how many clouds, and the label of each. Only the small label arrays are read."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np

MOST_ROWS = 10_000_000
"""Clouds that one pack may declare; a forged header must not fill the memory of the process that plans."""


def pack_labels(path: Path) -> list[int]:
    """The integer labels of a pack with the datasets `data` [N, P, C] and `label` [N] or [N, 1]."""
    with _opened(path) as pack:
        if not {"data", "label"} <= set(pack):
            raise ValueError(f"{path.name} lacks the datasets data and label; it has {', '.join(pack) or 'none'}")
        clouds, stored = pack["data"], pack["label"]
        count = _rows(path, clouds)
        if stored.size != count or stored.dtype.kind not in "iu":
            raise ValueError(f"{path.name} has {count} clouds but {stored.size} labels of type {stored.dtype}")
        if stored.external is not None or stored.is_virtual:
            raise ValueError(f"{path.name} keeps its labels in other files")
        return [int(label) for label in np.asarray(stored).reshape(-1)]


def pack_rows(path: Path) -> tuple[str, int]:
    """The dataset that holds the clouds [N, P, C] of a pack, and N."""
    with _opened(path) as pack:
        stacked = {name: item for name, item in pack.items() if len(getattr(item, "shape", None) or ()) == 3}
        if not stacked:
            raise ValueError(f"{path.name} holds no array of clouds [N, P, C]")
        name = "data" if "data" in stacked else min(stacked)
        return name, _rows(path, stacked[name])


def _rows(path: Path, clouds: h5py.Dataset) -> int:
    count = int(clouds.shape[0]) if clouds.shape else 0
    if count > MOST_ROWS:
        raise ValueError(f"{path.name} declares {count} clouds, more than {MOST_ROWS}")
    return count


def _opened(path: Path) -> h5py.File:
    try:
        return h5py.File(path, "r")
    except OSError as error:
        raise ValueError(f"{path.name} is not a readable HDF5 file: {error}") from None
