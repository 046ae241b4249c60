"""SUN RGB-D's views of rooms: as they are given out, and as VoteNet prepares them."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from opendlign_core.ingestion.cloud import Colors, Mesh, Points
from opendlign_core.ingestion.entry import ObjectEntry
from opendlign_core.ingestion.errors import UnreadableShape
from opendlign_core.ingestion.labels.scenes import SUNRGBD
from opendlign_core.ingestion.labels.text import plain_label
from opendlign_core.ingestion.packs import Pack
from opendlign_core.ingestion.recipe import IngestRecipe
from opendlign_core.ingestion.safety import read_bounded, require
from opendlign_core.ingestion.scenes.arrays import points_of, read_array
from opendlign_core.ingestion.scenes.boxed import Rows, named_rows, rows_of
from opendlign_core.ingestion.scenes.scan import Scan

COLUMNS = 13
"""Words of a line of labels: class, four numbers of the photo, centre, half width, half length, half height, and where
the front points."""


def read_sunrgbd(entry: ObjectEntry, files: Mapping[str, Path], recipe: IngestRecipe) -> Scan:
    """A view with its turned boxes; x is right, y ahead and z up."""
    (labels,) = (files[key] for key in entry.beside)
    points, colors = _cloud(files[entry.uri])
    every = recipe.source.option("things", "") == "all"
    boxes, things = _prepared(read_array(labels)) if labels.suffix == ".npy" else _told(labels, every)
    return Scan(points, colors, things=things, boxes=boxes)


def _cloud(path: Path) -> tuple[Points, Colors | None]:
    if path.suffix == ".mat":
        from scipy.io import loadmat

        found = loadmat(path, variable_names=["instance"])
        require("instance" in found, "has no array 'instance'")
        return points_of(found["instance"])
    shape, _ = Pack(path).shape("pc")
    if isinstance(shape, Mesh):
        raise UnreadableShape("has triangles, where a cloud is due")
    return shape.points, shape.colors


def _prepared(table: NDArray[Any]) -> tuple[Rows, tuple[str, ...]]:  # [K, 8], sizes are halved
    rows, things = named_rows(table, dict(enumerate(SUNRGBD)), 8)
    return rows_of(rows[:, :3], 2 * rows[:, 3:6], rows[:, 6]), things


def _told(labels: Path, every: bool) -> tuple[Rows, tuple[str, ...]]:
    """The boxes of lines of labels, of the benchmark's classes or of every class."""
    lines = [line.split() for line in read_bounded(labels).decode(errors="replace").splitlines() if line.strip()]
    for line in lines:
        require(len(line) == COLUMNS, f"has a line of {len(line)} words in {labels.name}, where {COLUMNS} are due")
    named = [(plain_label(line[0]), np.array(line[1:], np.float64)) for line in lines]
    kept = [(name, numbers) for name, numbers in named if every or name in SUNRGBD]
    told = np.array([numbers for _, numbers in kept]).reshape(-1, COLUMNS - 1)
    half_width, half_length, half_height = told[:, 7:10].T
    yaws = -np.arctan2(told[:, 11], told[:, 10])
    sizes = 2 * np.stack([half_length, half_width, half_height], axis=1)
    return rows_of(told[:, 4:7], sizes, yaws), tuple(name for name, _ in kept)
