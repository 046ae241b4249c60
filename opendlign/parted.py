"""A whole shape in its parts: asked at some of its points, written so that other programs show it. Heavy to import."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from opendlign_core.clip import ClipSpec
from opendlign_core.errors import BadInput
from opendlign_core.evaluation.segmentation.asking import Question
from opendlign_core.evaluation.segmentation.carrying import Carrier
from opendlign_core.evaluation.segmentation.segmenter import LEAST_POINTS, Segmenter
from opendlign_core.ingestion import IngestExecution, IngestRecipe, Mesh, PointCloud, as_ingested, read_whole
from opendlign_core.ingestion.entry import UpAxis
from opendlign_core.ingestion.orient import to_y_up
from opendlign_core.ingestion.sampling import sample_surface
from opendlign_core.pictures import Named, Piece, colour_of, colours_of, turned, write_glb, write_ply
from opendlign_core.projection import ProjectionRecipe, UnusableCloud, maps_and_places

DRAWN = 40_000
"""Points of a shape in its picture."""

WRITTEN = (".ply", ".glb", ".png")

Floats = NDArray[np.float32]
Ids = NDArray[np.int32]


@dataclass(frozen=True)
class PartsModel:
    """What names the parts of shapes, and how shapes are brought before it."""

    segmenter: Segmenter
    clip: ClipSpec
    source: IngestRecipe
    """How many points of a shape are asked, and how they are chosen."""
    projection: ProjectionRecipe
    execution: IngestExecution


@dataclass(frozen=True, eq=False)
class Parted:
    """A shape in the frame of its file; it numbers the part of each of its points or triangles."""

    shape: PointCloud | Mesh
    names: tuple[str, ...]
    shares: tuple[float, ...]
    """By part: its share of the points that were asked, which lie evenly on the shape."""
    asked: int
    """Everything but these points took the part of the nearest of them."""
    up_axis: UpAxis
    carrier: Carrier
    """Knows the parts of whatever lies near the asked points, y up."""

    @property
    def parts(self) -> Ids:
        assert self.shape.parts is not None
        return self.shape.parts

    @property
    def size(self) -> str:
        what = "triangle" if isinstance(self.shape, Mesh) else "point"
        return f"{len(self.parts):,} {what}{'s' * (len(self.parts) != 1)}, {self.asked:,} points asked"


def part(path: Path, model: PartsModel, question: Question) -> Parted:
    """Read a file and name its parts.

    Raises:
        UnreadableShape: it holds no usable shape.
        BadInput: it has too few points, or they all lie in one place.
    """
    shape = read_whole(path, model.source, model.execution)
    if isinstance(shape, PointCloud) and len(shape.points) < LEAST_POINTS:
        raise BadInput(f"{path} has {len(shape.points)} points; parts can be told apart from {LEAST_POINTS} on")
    cloud = as_ingested(path, shape, model.source)
    try:
        maps, places = maps_and_places(cloud.points, model.projection)
    except UnusableCloud as error:
        raise BadInput(f"{path}: {error.reason}") from None
    found = model.segmenter.parts_of(cloud.points, maps.numpy(), places, question)
    asked = min(len(found), cloud.source_points)  # a cloud with fewer repeats them
    shares = np.bincount(found[:asked], minlength=question.parts) / asked
    carrier = Carrier(found, cloud.points)
    numbered = replace(shape, parts=_parts_of(shape, cloud.up_axis, carrier), part_names=question.names)
    return Parted(numbered, question.names, tuple(map(float, shares)), asked, cloud.up_axis, carrier)


def _parts_of(shape: PointCloud | Mesh, up: UpAxis, carrier: Carrier) -> Ids:
    if isinstance(shape, Mesh):
        return carrier.to_faces(to_y_up(shape.vertices, up), shape.faces)
    return carrier.to_points(to_y_up(shape.points, up))


def write_parted(found: Parted, stem: Path, title: str) -> Iterator[Path]:
    """Write the models and the picture of a shape beside each other: stem.ply, for a mesh stem.glb, stem.png."""
    shape, colours = found.shape, colours_of(found.parts)
    path = stem.with_name(f"{stem.name}.ply")
    if isinstance(shape, Mesh):
        write_ply(path, shape.vertices, colours, found.parts, shape.faces, found.names)
        yield path
        path = stem.with_name(f"{stem.name}.glb")
        write_glb(path, list(_pieces(shape, found)))
    else:
        write_ply(path, shape.points, colours, found.parts, names=found.names)
    yield path
    path = stem.with_name(f"{stem.name}.png")
    points, parts = _drawn(found)
    turned(points, colours_of(parts), list(_legend(found)), title).save(path)
    yield path


def _pieces(mesh: Mesh, found: Parted) -> Iterator[Piece]:
    """The parts that there are, each with its triangles, y up as glTF wants it."""
    vertices, faces = found.carrier.split(to_y_up(mesh.vertices, found.up_axis), mesh.faces)
    parts = found.carrier.to_faces(vertices, faces)
    for number, name in enumerate(found.names):
        if (of_it := parts == number).any():
            yield Piece.cut(name, vertices, faces[of_it], colour_of(number))


def _drawn(found: Parted) -> tuple[Floats, Ids]:
    """Points [N, 3] of a shape, y up, and their parts [N]."""
    rng, shape = np.random.default_rng(0), found.shape
    points = sample_surface(shape, DRAWN, rng).points if isinstance(shape, Mesh) else shape.points
    some = points if len(points) <= DRAWN else points[rng.choice(len(points), DRAWN, replace=False)]
    upright = to_y_up(some, found.up_axis)
    return upright, found.carrier.to_points(upright)


def _legend(found: Parted) -> Iterator[Named]:
    for number, (name, share) in enumerate(zip(found.names, found.shares, strict=True)):
        yield Named(colour_of(number), f"{name} {100 * share:.0f} %")


def stems(files: Sequence[Path], folder: Path) -> list[Path]:
    """What the outputs of files are called in a folder, without suffixes: as the files, with a number where need be.

    Raises:
        BadInput: a file would be overwritten by what is made of it, or of another.
    """
    found, taken = list[Path](), set[str]()
    for path in files:
        name, number = path.stem, 1
        while name.casefold() in taken:
            number += 1
            name = f"{path.stem}-{number}"
        taken.add(name.casefold())
        found.append(folder / name)
    given = {path.resolve() for path in files}
    made = {stem.with_name(f"{stem.name}{suffix}").resolve() for stem in found for suffix in WRITTEN}
    if both := sorted(map(str, given & made)):
        raise BadInput(f"{both[0]} would be overwritten by what is made of it: name another folder with --out")
    return found
