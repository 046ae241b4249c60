"""One file as its whole shape, for what must give every point and triangle back; parsed apart, like any other."""

from pathlib import Path

from opendlign_core.ingestion.child import Child, Setback
from opendlign_core.ingestion.cloud import IngestedObject, Mesh, PointCloud
from opendlign_core.ingestion.entry import ObjectEntry
from opendlign_core.ingestion.errors import UnreadableShape
from opendlign_core.ingestion.limits import ladder
from opendlign_core.ingestion.parse import finish
from opendlign_core.ingestion.recipe import IngestExecution, IngestRecipe
from opendlign_core.ingestion.wire import MOST_SHAPE_BYTES, decode_shape


def read_whole(path: Path, recipe: IngestRecipe, execution: IngestExecution) -> PointCloud | Mesh:
    """The shape of a file as it is there: its frame, its unit, all its points; neither colours nor parts.

    Raises:
        UnreadableShape: the file holds no usable shape, or one beyond the limits; the sentence names the file.
    """
    with Child() as child:
        try:
            reply = child.climb(ladder(recipe, execution), MOST_SHAPE_BYTES, kind="shape", path=str(path.absolute()))
        except (UnreadableShape, Setback) as error:
            raise UnreadableShape(f"{path} {error}") from None
    return decode_shape(reply)


def as_ingested(path: Path, shape: PointCloud | Mesh, recipe: IngestRecipe) -> IngestedObject:
    """A whole shape brought to the recipe's points, y up; which points these are does not depend on where it lies."""
    entry = ObjectEntry(object_id="file/shape", source="file", split="", uri=str(path), up_axis=recipe.source.up_axis)
    return finish(entry, shape, "", recipe)
