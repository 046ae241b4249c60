"""A point cloud, y up, with what its file says beside the points."""

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from opendlign_core.samples.encoding import encode_array
from opendlign_core.samples.meta import CloudMeta
from opendlign_core.samples.sample import Fields, TypedSample, WrongSample, read_array, read_meta


@dataclass(frozen=True, eq=False)
class Cloud(TypedSample[CloudMeta]):
    """Points in the object's own unit, right-handed and y up; whatever else there is has one row per point.

    Raises `WrongSample` where rows and points differ.

    >>> meta = CloudMeta(object_id="toys/chair", source="toys", split="train")
    >>> cloud = Cloud(meta, np.zeros((4, 3), np.float32))
    >>> sorted(cloud.fields()), cloud.key
    (['json', 'points.npy'], 'toys%2Fchair')
    >>> Cloud.read(cloud.key, cloud.fields()).points.shape
    (4, 3)
    """

    points: NDArray[np.float32]  # [N, 3]
    colors: NDArray[np.uint8] | None = None  # [N, 3]
    normals: NDArray[np.float32] | None = None  # [N, 3], of length 1
    parts: NDArray[np.int32] | None = None  # [N], which part each point belongs to

    def __post_init__(self) -> None:
        for name, array in (("points", self.points), *self._beside().items()):
            columns = () if name == "parts" else (3,)
            if array.shape != (len(self.points), *columns):
                raise WrongSample(
                    f"{self.meta.object_id}: {name} has the shape {list(array.shape)} in a cloud of "
                    f"{len(self.points)} points"
                )

    @classmethod
    def read(cls, key: str, fields: Fields) -> Self:
        names = ("points", *(name for name in ("colors", "normals", "parts") if f"{name}.npy" in fields))
        arrays = {name: read_array(key, fields, f"{name}.npy") for name in names}
        return cls(read_meta(key, fields, CloudMeta), **arrays)

    def _fields(self) -> dict[str, bytes]:
        arrays = {"points": self.points, **self._beside()}
        return {f"{name}.npy": encode_array(array) for name, array in arrays.items()}

    def _beside(self) -> dict[str, NDArray[Any]]:
        beside = {"colors": self.colors, "normals": self.normals, "parts": self.parts}
        return {name: array for name, array in beside.items() if array is not None}
