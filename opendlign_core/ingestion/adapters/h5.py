"""Listing of HDF5 packs: how many clouds, and the label of each."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np


def pack_labels(path: Path) -> list[int]:
    """The integer labels of a pack with the datasets `data` [N, P, C] and `label` [N] or [N, 1]."""
    with _opened(path) as pack:
        if not {"data", "label"} <= set(pack):
            raise ValueError(f"{path.name} lacks the datasets data and label; it has {', '.join(pack) or 'none'}")
        labels = np.asarray(pack["label"]).reshape(-1)
        count = pack["data"].shape[0]
    if len(labels) != count:
        raise ValueError(f"{path.name} has {count} clouds but {len(labels)} labels")
    return [int(label) for label in labels]


def pack_rows(path: Path) -> tuple[str, int]:
    """The dataset that holds the clouds [N, P, C] of a pack, and N."""
    with _opened(path) as pack:
        stacked = {name: item.shape[0] for name, item in pack.items() if len(getattr(item, "shape", ())) == 3}
    if not stacked:
        raise ValueError(f"{path.name} holds no array of clouds [N, P, C]")
    name = "data" if "data" in stacked else min(stacked)
    return name, stacked[name]


def _opened(path: Path) -> h5py.File:
    try:
        return h5py.File(path, "r")
    except OSError as error:
        raise ValueError(f"{path.name} is not a readable HDF5 file: {error}") from None
