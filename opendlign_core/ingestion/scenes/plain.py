"""Scans of one's own: a cloud or mesh, and nobody has said what stands there."""

from collections.abc import Mapping
from pathlib import Path

from opendlign_core.chance import object_rng
from opendlign_core.ingestion.cloud import Mesh
from opendlign_core.ingestion.entry import ObjectEntry
from opendlign_core.ingestion.readers import read_with_digest
from opendlign_core.ingestion.recipe import IngestRecipe
from opendlign_core.ingestion.sampling import sample_surface
from opendlign_core.ingestion.scenes.scan import Scan


def read_plain(entry: ObjectEntry, files: Mapping[str, Path], recipe: IngestRecipe) -> Scan:
    """A scan as its file holds it; of a mesh so many points as a scene may have, drawn evenly by area."""
    shape, _ = read_with_digest(files[entry.uri])
    if isinstance(shape, Mesh):
        shape = sample_surface(shape, recipe.scene.most_points, object_rng(recipe.seed, entry.object_id))
    return Scan(shape.points, shape.colors, up_axis=shape.up_axis, unit=shape.unit)
