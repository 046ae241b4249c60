"""One entry into one object: read or generate, sample or reduce, turn y up. Runs inside the parser processes."""

import hashlib
from collections import OrderedDict
from pathlib import Path

from opendlign_core.ingestion.cloud import IngestedObject, Mesh, PointCloud
from opendlign_core.ingestion.entry import ObjectEntry
from opendlign_core.ingestion.orient import to_y_up
from opendlign_core.ingestion.packs import PACK_SUFFIXES, Pack
from opendlign_core.ingestion.readers import read_with_digest
from opendlign_core.ingestion.recipe import IngestRecipe
from opendlign_core.ingestion.reduce import farthest_indices, pad_indices, random_indices
from opendlign_core.ingestion.sampling import object_rng, sample_surface

_OPEN_PACKS = 4


class Parser:
    """Parses entries of one recipe; packs stay open between entries, so that a row costs a row."""

    def __init__(self, recipe: IngestRecipe) -> None:
        self._recipe = recipe
        self._packs: OrderedDict[Path, Pack] = OrderedDict()

    def parse(self, entry: ObjectEntry, path: Path | None) -> IngestedObject:
        """The object of an entry whose file lies at `path` (None for generated objects).

        Raises:
            UnreadableShape: when the file holds no usable shape.
        """
        shape, digest = self._load(entry, path)
        return finish(entry, shape, digest, self._recipe)

    def _load(self, entry: ObjectEntry, path: Path | None) -> tuple[PointCloud | Mesh, str]:
        if path is None:
            from opendlign_core.ingestion.procedural import cloud_of_entry

            cloud = cloud_of_entry(entry, self._recipe)
            return cloud, hashlib.sha256(cloud.points.tobytes()).hexdigest()
        if path.suffix.lower() in PACK_SUFFIXES and entry.member is not None:
            return self._pack(path).shape(entry.member)
        return read_with_digest(path, entry.member)

    def _pack(self, path: Path) -> Pack:
        if path not in self._packs:
            self._packs[path] = Pack(path)
            while len(self._packs) > _OPEN_PACKS:
                self._packs.popitem(last=False)
        self._packs.move_to_end(path)
        return self._packs[path]


def finish(entry: ObjectEntry, shape: PointCloud | Mesh, digest: str, recipe: IngestRecipe) -> IngestedObject:
    """Bring a shape to the recipe's number of points, y up."""
    rng = object_rng(recipe.seed, entry.object_id)
    if isinstance(shape, Mesh):
        points, colors = sample_surface(shape, recipe.points, rng)
    else:
        points, colors = shape.points, shape.colors
    found = len(points)
    if found != recipe.points:
        if found < recipe.points:
            kept = pad_indices(found, recipe.points)
        elif recipe.reduction == "fps":
            kept = farthest_indices(points, recipe.points)
        else:
            kept = random_indices(found, recipe.points, rng)
        points, colors = points[kept], None if colors is None else colors[kept]
    up_axis = entry.up_axis or shape.up_axis or "y"
    return IngestedObject(
        entry=entry,
        points=to_y_up(points, up_axis),
        colors=colors,
        padded=found < recipe.points,
        digest=digest,
        source_points=found,
        up_axis=up_axis,
        unit=entry.unit or shape.unit,
    )
