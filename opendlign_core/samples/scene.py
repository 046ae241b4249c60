"""A scan of a place with what stands in it, y up and in metres."""

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from opendlign_core.boxes import Boxes
from opendlign_core.samples.encoding import encode_array
from opendlign_core.samples.meta import SceneMeta
from opendlign_core.samples.sample import Fields, TypedSample, WrongSample, read_array, read_meta


@dataclass(frozen=True, eq=False)
class Scene(TypedSample[SceneMeta]):
    """The points of a place, and boxes around its things where those are known.

    Raises `WrongSample` where points, things and boxes do not belong together.

    >>> meta = SceneMeta(object_id="flats/kitchen", source="flats", split="test", things=("chair",))
    >>> scene = Scene(meta, np.zeros((4, 3), np.float32), boxes=Boxes.of([[0, 0.5, 0]], [[0.5, 1, 0.5]]))
    >>> sorted(scene.fields())
    ['boxes.npy', 'json', 'points.npy']
    >>> Scene.read(scene.key, scene.fields()).boxes.sizes.tolist()
    [[0.5, 1.0, 0.5]]
    """

    points: NDArray[np.float32]  # [N, 3]
    boxes: Boxes  # K, one per thing of `meta.things`: the extents of its points along the axes
    colors: NDArray[np.uint8] | None = None  # [N, 3]
    instances: NDArray[np.int32] | None = None  # [N], 1 + the thing that each point belongs to, 0 for none
    whole: Boxes | None = None  # K, turned as the things are and around their unseen parts too
    semantics: NDArray[np.int32] | None = None  # [N], what its data set says each point is, by its own numbers

    def __post_init__(self) -> None:
        rows: dict[str, NDArray[Any] | None] = {"points": self.points, "colors": self.colors}
        rows |= {"instances": self.instances, "semantics": self.semantics}
        for name, array in rows.items():
            expected = (len(self.points), 3) if name in ("points", "colors") else (len(self.points),)
            if array is not None and array.shape != expected:
                raise WrongSample(
                    f"{self.meta.object_id}: {name} has the shape {list(array.shape)} in a scene of "
                    f"{len(self.points)} points"
                )
        for boxes in (self.boxes, self.whole):
            if boxes is not None and len(boxes) != len(self.meta.things):
                raise WrongSample(f"{self.meta.object_id}: {len(boxes)} boxes for {len(self.meta.things)} things")
        if self.instances is not None and not np.isin(self.instances, np.arange(len(self.boxes) + 1)).all():
            raise WrongSample(f"{self.meta.object_id}: a point belongs to none of its {len(self.boxes)} things")

    @classmethod
    def read(cls, key: str, fields: Fields) -> Self:
        present: dict[str, Any] = {
            name: read_array(key, fields, f"{name}.npy") for name in _BESIDE if f"{name}.npy" in fields
        }
        if "whole" in present:
            present["whole"] = _boxes(present["whole"])
        points, boxes = (read_array(key, fields, f"{name}.npy") for name in ("points", "boxes"))
        return cls(read_meta(key, fields, SceneMeta), points, _boxes(boxes), **present)

    def _fields(self) -> dict[str, bytes]:
        arrays: dict[str, NDArray[Any] | None] = {
            "points": self.points,
            "boxes": _rows(self.boxes),
            "colors": self.colors,
        }
        arrays |= {"instances": self.instances, "semantics": self.semantics}
        arrays["whole"] = None if self.whole is None else _rows(self.whole)
        return {f"{name}.npy": encode_array(array) for name, array in arrays.items() if array is not None}


_BESIDE = ("colors", "instances", "semantics", "whole")


def _rows(boxes: Boxes) -> NDArray[np.float64]:  # [K, 7]
    return np.column_stack([boxes.centres, boxes.sizes, boxes.yaws])


def _boxes(rows: NDArray[Any]) -> Boxes:  # [K, 7]
    if rows.ndim != 2 or rows.shape[1] != 7:
        raise WrongSample(f"boxes have the shape {list(rows.shape)}; a row is a centre, a size and a yaw")
    return Boxes.of(rows[:, :3], rows[:, 3:6], rows[:, 6])
