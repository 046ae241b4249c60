"""The mesh that a shape's points were taken from, where it is to be had, as the page's viewer takes it."""

from dataclasses import replace
from typing import cast

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from opendlign.explore.turnable import GREY
from opendlign_core.clip.spec import sha256_of
from opendlign_core.errors import BadInput
from opendlign_core.ingestion import IngestExecution, IngestRecipe, Mesh, read_whole
from opendlign_core.ingestion.entry import PROCEDURAL, UpAxis
from opendlign_core.ingestion.orient import to_y_up
from opendlign_core.ingestion.procedural.dataset import procedural_mesh, source_labels, source_seed
from opendlign_core.samples.meta import CloudMeta
from tasks.listing import source_files

MOST_TRIANGLES = 100_000
"""More than a browser draws while it is turned; such a shape is shown as its points."""


def mesh_behind(meta: CloudMeta, recipe: IngestRecipe, execution: IngestExecution) -> Mesh | None:
    """The mesh of a shape, y up; None where it has none, or its source is not here or holds another file by now."""
    if meta.uri.startswith(PROCEDURAL):
        index = int(meta.uri.removeprefix(PROCEDURAL))
        return procedural_mesh(source_seed(recipe.source), index, source_labels(recipe.source))
    if not recipe.source.url:
        return None
    try:
        with source_files(recipe) as files:
            path = files.local(meta.uri) if files is not None else None
            if path is None or sha256_of(path) != meta.digest:
                return None
            shape = read_whole(path, recipe, execution)
    except (BadInput, FileNotFoundError):
        return None
    return turned(shape, cast("UpAxis", meta.up_axis)) if isinstance(shape, Mesh) else None


def turned(mesh: Mesh, up_axis: UpAxis) -> Mesh:
    """The mesh with that axis of its file upwards."""
    return replace(mesh, vertices=to_y_up(mesh.vertices, up_axis))


def packed_mesh(mesh: Mesh, points: NDArray[np.float32], colors: NDArray[np.uint8] | None) -> bytes:
    """Corners as float32 [F, 3, 3], then colours as uint8 [F, 3], those of the nearest of the points [N, 3]."""
    corners = mesh.vertices[mesh.faces].astype(np.float64)  # [F, 3, 3]
    flat = corners.reshape(-1, 3)
    centred = corners - (flat.max(axis=0) + flat.min(axis=0)) / 2
    unit = centred / max(float(np.linalg.norm(centred, axis=2).max()), 1e-9)
    paint = np.full((len(corners), 3), GREY, np.uint8)
    if colors is not None:
        _, nearest = cKDTree(points).query(corners.mean(axis=1))
        paint = np.ascontiguousarray(colors[nearest])
    return b"".join((unit.astype("<f4").tobytes(), paint.tobytes()))
