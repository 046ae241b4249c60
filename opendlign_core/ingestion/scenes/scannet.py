"""ScanNet's scans as they come, and as VoteNet and mmdetection3d prepare them."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from opendlign_core.ingestion.cloud import Mesh, Points
from opendlign_core.ingestion.entry import ObjectEntry
from opendlign_core.ingestion.labels.scenes import SCANNET_NYU40
from opendlign_core.ingestion.readers import read_with_digest
from opendlign_core.ingestion.recipe import IngestRecipe
from opendlign_core.ingestion.safety import parsing, read_bounded, require
from opendlign_core.ingestion.scenes.annotation import Annotation
from opendlign_core.ingestion.scenes.arrays import numbers_of, points_of, read_array
from opendlign_core.ingestion.scenes.boxed import extents_of, named_rows, numbered, rows_of
from opendlign_core.ingestion.scenes.scan import Scan


def read_scannet(entry: ObjectEntry, files: Mapping[str, Path], recipe: IngestRecipe) -> Scan:
    """A scan as ScanNet gives it out, along its room's walls; one of the test split has no things."""
    notes, *annotated = (files[key] for key in entry.beside)
    shape, _ = read_with_digest(files[entry.uri])
    points = _moved(shape.vertices if isinstance(shape, Mesh) else shape.points, _alignment(notes))
    if not annotated:
        return Scan(points, shape.colors)
    known = Annotation.read(*annotated)
    require(len(known.segments) == len(points), f"has {len(points)} vertices and {len(known.segments)} segment ids")
    things = known.things(recipe.source.option("things", "") == "all")
    place = np.zeros(int(known.instances.max(initial=0)) + 1, np.int32)
    place[list(things)] = np.arange(1, len(things) + 1)
    boxes = extents_of(points, known.instances, list(things))
    return Scan(points, shape.colors, place[known.instances], known.semantics, tuple(things.values()), boxes)


def read_votenet(entry: ObjectEntry, files: Mapping[str, Path], recipe: IngestRecipe) -> Scan:
    """A scan as arrays; mmdetection3d's are along the room's walls only after a matrix that lies beside them."""
    points, colors = points_of(read_array(files[entry.uri]))
    instances, semantics, table, *matrix = (read_array(files[key]) for key in entry.beside)
    if matrix:
        points = _moved(points, matrix[0])
    rows, things = named_rows(table, SCANNET_NYU40, 7)
    boxes = rows_of(rows[:, :3], rows[:, 3:6])
    owners = numbered(points, numbers_of(instances, len(points), "instance ids"), boxes)
    return Scan(points, colors, owners, numbers_of(semantics, len(points), "semantic ids"), things, boxes)


def _alignment(notes: Path) -> NDArray[Any]:
    """The matrix [4, 4] that turns a scan along its room's walls."""
    lines = (line.partition("=") for line in read_bounded(notes).decode(errors="replace").splitlines())
    told = {name.strip(): value.split() for name, _, value in lines}
    require("axisAlignment" in told, f"has no line axisAlignment in {notes.name}")
    with parsing(notes.name):
        return np.array(told["axisAlignment"], np.float64)


def _moved(points: Points, matrix: NDArray[Any]) -> Points:  # [N, 3], [16] or [4, 4]
    whole = matrix.size == 16 and bool(np.isfinite(matrix).all())
    require(whole, "has an alignment that is no matrix of 4 by 4 numbers")
    turn = matrix.reshape(4, 4)
    moved: Points = (points.astype(np.float64) @ turn[:3, :3].T + turn[:3, 3]).astype(np.float32)
    return moved
