"""One entry into one object: read or generate, sample or reduce, turn y up. Runs inside the parser processes."""

import hashlib
from collections import OrderedDict
from pathlib import Path

import numpy as np

from opendlign_core.chance import object_rng
from opendlign_core.farthest import farthest_indices
from opendlign_core.ingestion.cloud import IngestedObject, Mesh, PointCloud, Points
from opendlign_core.ingestion.entry import ObjectEntry
from opendlign_core.ingestion.orient import to_y_up
from opendlign_core.ingestion.packs import PACK_SUFFIXES, Pack
from opendlign_core.ingestion.parts import PartList, named
from opendlign_core.ingestion.readers import read_with_digest
from opendlign_core.ingestion.recipe import IngestRecipe
from opendlign_core.ingestion.reduce import Indices, pad_indices, random_indices
from opendlign_core.ingestion.sampling import pick
from opendlign_core.ingestion.surface import Surface

_OPEN_PACKS = 4


class Parser:
    """Parses entries of one recipe; packs stay open between entries, so that a row costs a row."""

    def __init__(self, recipe: IngestRecipe) -> None:
        self.recipe = recipe
        self._packs: OrderedDict[Path, Pack] = OrderedDict()

    def parse(self, entry: ObjectEntry, path: Path | None, listed: PartList | None = None) -> IngestedObject:
        """The object of an entry whose file lies at `path` (None for generated objects).

        `listed` are the parts that its source lists, for files that do not name theirs.

        Raises:
            UnreadableShape: when the file holds no usable shape.
        """
        shape, digest = self._load(entry, path)
        if self.recipe.keep_parts:
            shape = named(shape, listed)
        return finish(entry, shape, digest, self.recipe)

    def _load(self, entry: ObjectEntry, path: Path | None) -> tuple[PointCloud | Mesh, str]:
        if path is None:
            from opendlign_core.ingestion.procedural import cloud_of_entry

            cloud = cloud_of_entry(entry, self.recipe)
            return cloud, hashlib.sha256(cloud.points.tobytes()).hexdigest()
        if path.suffix.lower() in PACK_SUFFIXES and entry.member is not None:
            return self._pack(path).shape(entry.member, parts=self.recipe.keep_parts)
        return read_with_digest(path, entry.member, parts=self.recipe.keep_parts)

    def _pack(self, path: Path) -> Pack:
        if path not in self._packs:
            self._packs[path] = Pack(path)
            while len(self._packs) > _OPEN_PACKS:
                self._packs.popitem(last=False)
        self._packs.move_to_end(path)
        return self._packs[path]


def finish(entry: ObjectEntry, shape: PointCloud | Mesh, digest: str, recipe: IngestRecipe) -> IngestedObject:
    """Bring a shape to the recipe's number of points, y up, with the parts that it has if the recipe keeps them."""
    rng = object_rng(recipe.seed, entry.object_id)
    cloud, shrinkage = _cloud(shape, recipe, rng)
    kept = _kept(cloud.points, recipe, rng)
    parts = cloud.parts if recipe.keep_parts else None
    up_axis = entry.up_axis or shape.up_axis or "y"
    return IngestedObject(
        entry=entry,
        points=to_y_up(cloud.points[kept], up_axis),
        colors=None if cloud.colors is None else cloud.colors[kept],
        padded=len(cloud.points) < recipe.points,
        digest=digest,
        source_points=len(cloud.points),
        thinned=_thinned(len(cloud.points), recipe),
        shrinkage=shrinkage,
        up_axis=up_axis,
        unit=entry.unit or shape.unit,
        parts=None if parts is None else parts[kept],
        part_names=() if parts is None else cloud.part_names,
    )


def _cloud(
    shape: PointCloud | Mesh, recipe: IngestRecipe, rng: np.random.Generator
) -> tuple[PointCloud, float | None]:
    """A shape as a cloud and, of a mesh, how much of its extent the points do not reach."""
    if isinstance(shape, PointCloud):
        return shape, None
    surface = Surface(shape)
    cloud = surface.points(pick(surface, recipe.points, rng, recipe.sampling))
    return cloud, surface.shrinkage(cloud.points)


def _kept(points: Points, recipe: IngestRecipe, rng: np.random.Generator) -> Indices | slice:
    """Which points make up the recipe's number."""
    found = len(points)
    if found == recipe.points:
        return slice(None)
    if found < recipe.points:
        return pad_indices(found, recipe.points)
    if recipe.reduction == "first":
        return slice(recipe.points)
    if recipe.reduction == "random":
        return random_indices(found, recipe.points, rng)
    if not (among := _thinned(found, recipe)):
        return farthest_indices(points, recipe.points)
    subset = random_indices(found, among, rng)
    return subset[farthest_indices(points[subset], recipe.points)]


def _thinned(found: int, recipe: IngestRecipe) -> int:
    """How many points a cloud is reduced to at random before farthest ones are chosen; 0 where it is not."""
    among = max(recipe.farthest_among, recipe.points)
    return among if recipe.reduction == "fps" and found > among else 0
