"""An object's depth maps, kept as they are stored until somebody looks."""

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from opendlign_core.samples.depth import decode_depth, encode_depth
from opendlign_core.samples.meta import DepthMeta, Meta
from opendlign_core.samples.places import Places
from opendlign_core.samples.sample import Fields, TypedSample, field, read_meta


@dataclass(frozen=True)
class DepthMaps(TypedSample[DepthMeta]):
    """The maps of all views of one object.

    >>> meta = Meta(object_id="toys/chair", source="toys", split="train")
    >>> chair = DepthMaps.of(meta, np.ones((10, 64, 64), np.float32))
    >>> chair.meta.views, chair.maps().shape
    (10, (10, 64, 64))
    """

    encoded: bytes
    """As `encode_depth` makes them."""
    places: Places | None = None
    """Where the object's points fall, if the projection was asked for it."""

    @classmethod
    def of(
        cls, earlier: Meta, maps: NDArray[np.float32] | Any, places: Places | None = None
    ) -> Self:  # maps [V, S, S]
        """Store maps (an array or a CPU tensor) with values in [0, 1], background 1 and nearest 0."""
        return cls(DepthMeta.of(earlier, views=len(maps), size=maps.shape[-1]), encode_depth(maps), places)

    @classmethod
    def read(cls, key: str, fields: Fields) -> Self:
        return cls(read_meta(key, fields, DepthMeta), field(key, fields, "depth.npy"), Places.read(key, fields))

    def maps(self) -> NDArray[np.float32]:  # [V, S, S]
        """The maps, decoded at every call."""
        return decode_depth(self.encoded)

    def _fields(self) -> dict[str, bytes]:
        return {"depth.npy": self.encoded, **(self.places.fields() if self.places else {})}
