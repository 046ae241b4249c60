"""Meshes and clouds: read, made up, and brought to a number of points."""

from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from opendlign_core.api.given import as_array
from opendlign_core.errors import BadInput
from opendlign_core.ingestion.cloud import Mesh, PointCloud
from opendlign_core.ingestion.entry import ObjectEntry, UpAxis
from opendlign_core.ingestion.errors import UnreadableShape
from opendlign_core.ingestion.parse import finish
from opendlign_core.ingestion.procedural import procedural_mesh
from opendlign_core.ingestion.readers import read_shape
from opendlign_core.ingestion.recipe import IngestRecipe, SourceSpec

if TYPE_CHECKING:
    import torch

Floats = NDArray[np.float32]
Shape: TypeAlias = "Mesh | PointCloud | Floats | torch.Tensor"
"""A mesh, a cloud, or the points [N, 3] of one, y up."""

POINTS = 10_000


def read(path: str | Path) -> Mesh | PointCloud:
    r"""The shape of one file, in its own frame and unit; the suffix tells the format.

    >>> import tempfile, opendlign_core as od
    >>> path = Path(tempfile.mkdtemp()) / "corner.off"
    >>> _ = path.write_text("OFF\n4 2 0\n0 0 0\n1 0 0\n0 1 0\n0 0 1\n3 0 1 2\n3 0 2 3\n")
    >>> len(od.read(path).faces)
    2

    The file is parsed in this process, with all the memory it asks for; `opendlign ingest` parses files of strangers
    apart, within limits.

    Raises:
        BadInput: whatever is wrong with the file, in a sentence that names it.
    """
    return read_shape(path)


def toy(label: str, number: int = 0) -> Mesh:
    """An everyday object of the embedded data set, such as a chair; no two numbers give the same.

    >>> import opendlign_core as od
    >>> od.toy("mug").part_names
    ('body', 'handle')
    """
    return procedural_mesh(0, number, (label,))


def sample(shape: "Shape", points: int = POINTS, seed: int = 0, up: UpAxis | None = None) -> Floats:
    """Points [points, 3] of a shape, y up, drawn or reduced as the ingest stage does it.

    >>> import opendlign_core as od
    >>> od.sample(od.toy("mug"), 500).shape
    (500, 3)

    Args:
        shape: a mesh, a cloud, or points [N, 3] as an array or a tensor.
        points: how many; a smaller cloud repeats its own.
        seed: of the points that are drawn from a mesh.
        up: the axis that points up in the shape; by default what it says itself, or else y.

    Raises:
        BadInput: there is no usable shape, or no such number of points or axis.
    """
    try:
        recipe = IngestRecipe(source=SourceSpec(adapter="python"), points=points, seed=seed)
        entry = ObjectEntry(object_id="python/shape", source="python", split="", uri="shape", up_axis=up)
    except ValidationError as error:
        problem = error.errors()[0]
        raise BadInput(f"{problem['loc'][0]}={problem['input']!r}: {problem['msg']}") from error
    try:
        return finish(entry, as_shape(shape), "", recipe).points
    except UnreadableShape as error:
        raise UnreadableShape(f"the shape {error}") from error


def as_shape(shape: "Shape") -> Mesh | PointCloud:
    """Points as a cloud; what is one, or a mesh, stays.

    Raises:
        UnreadableShape: an array of another shape, or without a point.
        BadInput: no numbers at all.
    """
    if isinstance(shape, Mesh | PointCloud):
        return shape
    points = as_array(shape, "a shape").astype(np.float32)
    if points.ndim != 2 or points.shape[1] != 3 or not len(points):
        raise UnreadableShape(f"has the points {list(points.shape)}; a cloud is [N, 3], with a point at least")
    return PointCloud(points)
