"""An object in a photo, cut out, with the pose and the CAD that an annotator gave it."""

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from opendlign_core.samples.images import decode_image
from opendlign_core.samples.keys import object_id
from opendlign_core.samples.meta import PhotoMeta
from opendlign_core.samples.sample import Fields, TypedSample, WrongSample, field, read_meta

_NAMES = ("photo.webp", "photo.jpg", "photo.png")


@dataclass(frozen=True)
class PosedPhoto(TypedSample[PhotoMeta]):
    """A picture of one object; its CAD lies beside the shard, under the digest that `meta.cad` says.

    >>> from opendlign_core.camera import Pose
    >>> from opendlign_core.samples.images import encode_image
    >>> from opendlign_core.samples.recipe import ImageRecipe
    >>> meta = PhotoMeta(object_id="street/car_00", source="street", split="train", height=8, width=8,
    ...     shown=(0, 8, 2, 8), box=(2, 2, 6, 6),
    ...     pose=Pose(azimuth=0, elevation=0, theta=0, distance=4, px=4, py=4))
    >>> photo = PosedPhoto(meta, encode_image(np.zeros((8, 8, 3), np.uint8), ImageRecipe()), "webp")
    >>> sorted(photo.fields()), photo.padding().sum()
    (['json', 'photo.webp'], np.int64(16))
    """

    encoded: bytes
    """The picture."""
    extension: str
    """What the picture is: webp, jpg or png."""

    @classmethod
    def read(cls, key: str, fields: Fields) -> Self:
        name = next((name for name in _NAMES if name in fields), "")
        if not name:
            raise WrongSample(f"{object_id(key)}: none of {', '.join(_NAMES)} among {', '.join(sorted(fields))}")
        return cls(read_meta(key, fields, PhotoMeta), field(key, fields, name), name.rpartition(".")[2])

    def picture(self) -> NDArray[np.uint8]:  # [H, W, 3]
        """The pixels, decoded at every call."""
        return decode_image(self.encoded)

    def square(self) -> NDArray[np.uint8]:  # [S, S, 3]
        """The middle of the picture, as much of it as is square."""
        picture = self.picture()
        side = min(picture.shape[:2])
        top, left = ((length - side) // 2 for length in picture.shape[:2])
        return picture[top : top + side, left : left + side]

    def angles(self) -> NDArray[np.float64]:  # [3]
        """Azimuth, elevation and theta in radians."""
        pose = self.meta.pose
        return np.array([pose.azimuth, pose.elevation, pose.theta])

    def padding(self) -> NDArray[np.bool_]:  # [H, W]
        """Where the picture shows nothing of the photo."""
        top, bottom, left, right = self.meta.shown
        mask = np.ones((self.meta.height, self.meta.width), bool)
        mask[top:bottom, left:right] = False
        return mask

    def _fields(self) -> dict[str, bytes]:
        return {f"photo.{self.extension}": self.encoded}
