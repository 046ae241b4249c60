"""The embedded rooms as scans."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from opendlign_core.boxes import Boxes
from opendlign_core.ingestion.entry import PROCEDURAL, ObjectEntry
from opendlign_core.ingestion.recipe import IngestRecipe
from opendlign_core.ingestion.scenes.scan import Scan


def read_room(entry: ObjectEntry, files: Mapping[str, Path], recipe: IngestRecipe) -> Scan:
    """The room of an entry that the adapter `rooms` gave."""
    from opendlign_core.ingestion.procedural.rooms.room import procedural_room

    room = procedural_room(recipe.source.number("seed", 0), int(entry.uri.removeprefix(PROCEDURAL)))
    whole = None if room.whole is None else _rows(room.whole)
    return Scan(
        room.points, room.colors, room.instances, None, room.meta.things, _rows(room.boxes), whole, "y", room.meta.unit
    )


def _rows(boxes: Boxes) -> NDArray[np.float64]:  # [K, 7]
    return np.column_stack([boxes.centres, boxes.sizes, boxes.yaws])
