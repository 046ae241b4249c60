"""A scan into a scene: few enough points, y up, named. The one place where boxes of data sets are turned upright."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from opendlign_core.boxes import Boxes
from opendlign_core.chance import object_rng
from opendlign_core.ingestion.entry import ObjectEntry, UpAxis
from opendlign_core.ingestion.orient import to_y_up
from opendlign_core.ingestion.recipe import IngestRecipe
from opendlign_core.ingestion.safety import require
from opendlign_core.ingestion.scenes.scan import Scan
from opendlign_core.ingestion.scenes.thinning import thinned
from opendlign_core.samples.meta import SceneMeta
from opendlign_core.samples.scene import Scene


def finish_scene(entry: ObjectEntry, scan: Scan, digest: str, recipe: IngestRecipe) -> Scene:
    """The scene of an entry; a point keeps its colour and thing, boxes stay those of all points.

    Raises:
        UnreadableShape: the scan has no points, or boxes that cannot be.
    """
    require(len(scan.points) > 0, "has no points")
    kept = thinned(scan.points, recipe.scene, object_rng(recipe.seed, entry.object_id))
    up_axis = entry.up_axis or scan.up_axis or "y"
    per_point: dict[str, Any] = {name: getattr(scan, name) for name in ("colors", "instances", "semantics")}
    meta = SceneMeta(
        object_id=entry.object_id,
        source=entry.source,
        split=entry.split,
        label=entry.label,
        caption=entry.caption,
        licence=entry.licence,
        uri=entry.uri,
        up_axis=up_axis,
        unit=entry.unit or scan.unit or "m",
        things=scan.things,
        digest=digest,
        points=len(scan.points),
        cubes=round(kept.cubes, 6),
    )
    return Scene(
        meta,
        to_y_up(scan.points[kept.places], up_axis),
        upright(scan.boxes, up_axis),
        **{name: None if rows is None else rows[kept.places] for name, rows in per_point.items()},
        whole=None if scan.whole is None else upright(scan.whole, up_axis),
    )


def upright(rows: NDArray[Any], up_axis: UpAxis) -> Boxes:  # [K, 7]
    """Boxes of a scan's frame, y up; `UnreadableShape` where one is not finite or has a negative size.

    >>> upright(np.array([[1.0, 2, 3, 4, 5, 6, 0.5]]), "z").sizes.tolist()
    [[4.0, 6.0, 5.0]]
    """
    require(bool(np.isfinite(rows).all()), "has a box that is not finite")
    require(not len(rows) or bool((rows[:, 3:6] >= 0).all()), "has a box of negative size")
    level = up_axis in ("y", "z") or not rows[:, 6].any()
    require(level, f"has turned boxes, which are read where y or z is up, not {up_axis}")
    centres, sizes = (to_y_up(rows[:, columns], up_axis) for columns in (slice(0, 3), slice(3, 6)))
    return Boxes.of(centres, np.abs(sizes), rows[:, 6])
