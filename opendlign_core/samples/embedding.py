"""CLIP embeddings of an object's painted images."""

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from opendlign_core.samples.encoding import encode_array
from opendlign_core.samples.meta import Meta
from opendlign_core.samples.sample import Fields, TypedSample, read_array, read_meta


@dataclass(frozen=True, eq=False)
class ImageEmbedding(TypedSample[Meta]):
    """Unit embeddings of every image, and of the object as a whole."""

    views: NDArray[np.float32]  # [V, E]
    whole: NDArray[np.float32]  # [E]

    @classmethod
    def read(cls, key: str, fields: Fields) -> Self:
        views, whole = (read_array(key, fields, name) for name in ("views.npy", "object.npy"))
        return cls(read_meta(key, fields, Meta), views, whole)

    def _fields(self) -> dict[str, bytes]:
        return {"views.npy": encode_array(self.views), "object.npy": encode_array(self.whole)}
