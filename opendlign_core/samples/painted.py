"""An object's depth maps with the images painted on them."""

import re
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from opendlign_core.samples.depth import decode_depth
from opendlign_core.samples.images import decode_image
from opendlign_core.samples.keys import object_id
from opendlign_core.samples.meta import PaintedMeta
from opendlign_core.samples.sample import Fields, TypedSample, WrongSample, field, read_meta

_VIEW = re.compile(r"(\d{2,})\.(webp|jpg|png)")


@dataclass(frozen=True)
class Painted(TypedSample[PaintedMeta]):
    """Depth maps and aligned images; image i shows the object as depth map i sees it."""

    encoded_depth: bytes
    images: tuple[bytes, ...]
    """Encoded pictures, one per view."""
    extension: str
    """What the pictures are: webp, jpg or png."""

    @classmethod
    def read(cls, key: str, fields: Fields) -> Self:
        meta = read_meta(key, fields, PaintedMeta)
        views = {int(match[1]): match for name in fields if (match := _VIEW.fullmatch(name))}
        extensions = {match[2] for match in views.values()}
        if sorted(views) != list(range(meta.views)) or len(extensions) != 1:
            raise WrongSample(
                f"{object_id(key)}: expected {meta.views} images 00, 01, ... of one format among "
                f"{', '.join(sorted(fields))}"
            )
        images = tuple(fields[views[view][0]] for view in range(meta.views))
        return cls(meta, field(key, fields, "depth.npy"), images, extensions.pop())

    def maps(self) -> NDArray[np.float32]:  # [V, S, S]
        """The depth maps, decoded at every call."""
        return decode_depth(self.encoded_depth)

    def picture(self, view: int) -> NDArray[np.uint8]:  # [S, S, 3]
        """The image of one view, decoded at every call."""
        return decode_image(self.images[view])

    def pictures(self) -> NDArray[np.uint8]:  # [V, S, S, 3]
        """All images, decoded at every call."""
        return np.stack([decode_image(image) for image in self.images])

    def _fields(self) -> dict[str, bytes]:
        images = {f"{view:02d}.{self.extension}": image for view, image in enumerate(self.images)}
        return {"depth.npy": self.encoded_depth, **images}
