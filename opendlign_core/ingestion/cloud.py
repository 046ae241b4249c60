"""The two shapes that readers return: clouds and meshes, both validated and ready to be reduced."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from opendlign_core.ingestion.entry import ObjectEntry, UpAxis
from opendlign_core.samples.cads import CadMesh
from opendlign_core.samples.posed_photo import PosedPhoto
from opendlign_core.samples.scene import Scene

Points = npt.NDArray[np.float32]
Colors = npt.NDArray[np.uint8]
Faces = npt.NDArray[np.int64]
Parts = npt.NDArray[np.int32]


@dataclass(frozen=True, eq=False)
class PointCloud:
    """Points in the frame and unit of their file; colours, normals and parts, where present, are one per point."""

    points: Points  # [N, 3]
    colors: Colors | None = None  # [N, 3]
    normals: Points | None = None  # [N, 3]
    up_axis: UpAxis | None = None
    """The axis the file itself declares as up, if it does."""
    unit: str = ""
    """The unit the file itself declares, if it does."""
    parts: Parts | None = None  # [N], places in `part_names`; -1 is no part
    part_names: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Mesh:
    """Triangles over shared vertices, in the frame and unit of their file; colours are per vertex, parts per face."""

    vertices: Points  # [V, 3]
    faces: Faces  # [F, 3], indices into vertices
    colors: Colors | None = None  # [V, 3]
    up_axis: UpAxis | None = None
    unit: str = ""
    parts: Parts | None = None  # [F], places in `part_names`; -1 is no part
    part_names: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class IngestedObject:
    """One object as the ingest stage stores it: exactly the recipe's number of points, y up."""

    entry: ObjectEntry
    points: Points  # [N, 3]
    colors: Colors | None  # [N, 3]
    padded: bool
    """Whether points are repeated because the file held fewer than the recipe asks for."""
    digest: str
    """sha256 of the object's source bytes: its file, or its own rows of a pack."""
    source_points: int
    """Points in the file before reduction or padding; for a mesh, the points sampled from it."""
    thinned: int
    """Points that a random reduction left to choose the farthest among; 0 where there was none."""
    shrinkage: float | None
    """Of a mesh, the share of its extent that no sampled point reaches; None for clouds."""
    up_axis: UpAxis
    """The axis that was up in the file."""
    unit: str
    parts: Parts | None = None  # [N], places in `part_names`; -1 is no part
    part_names: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class IngestedScene:
    """One scan of a place as the ingest stage stores it."""

    entry: ObjectEntry
    scene: Scene


@dataclass(frozen=True)
class RejectedPart:
    """One object of a photo that could not be used, and why."""

    object_id: str
    reason: str


@dataclass(frozen=True, eq=False)
class IngestedPhotos:
    """The objects of one photo as the ingest stage stores them."""

    entry: ObjectEntry
    photos: tuple[PosedPhoto, ...]
    cads: tuple[CadMesh, ...]
    """The CADs that the photos name."""
    unwanted: int
    """Objects that their annotators wanted left out."""
    rejected: tuple[RejectedPart, ...]


@dataclass(frozen=True)
class RejectedObject:
    """One object that could not be read, and why."""

    entry: ObjectEntry
    reason: str
