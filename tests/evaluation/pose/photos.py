"""Photos of one thing whose pose anybody can see: a dot that goes round with the azimuth, on a hue that does too."""

import numpy as np
from numpy.typing import NDArray

from opendlign_core.camera import Pose
from opendlign_core.samples import PhotoMeta, PosedPhoto
from opendlign_core.samples.images import encode_image
from opendlign_core.samples.recipe import ImageRecipe

LOSSLESS = ImageRecipe(quality=100)


def dotted(azimuth: float, side: int = 32) -> NDArray[np.uint8]:
    """A picture [S, S, 3]."""
    rows, columns = np.mgrid[:side, :side]
    across = side / 2 + side / 3 * np.sin(azimuth) - columns
    down = side / 2 + side / 3 * np.cos(azimuth) - rows
    dot = np.exp(-(across**2 + down**2) / (side / 2))[..., None]
    hue = 0.5 + 0.5 * np.sin(azimuth + np.array([0, 2, 4]))
    picture: NDArray[np.uint8] = (255 * np.maximum(dot, hue)).astype(np.uint8)
    return picture


def dots(count: int, seed: int, split: str, categories: tuple[str, ...] = ("car", "key")) -> list[PosedPhoto]:
    """Photos that differ in azimuth alone."""
    found = []
    for number, azimuth in enumerate(np.random.default_rng(seed).uniform(0, 2 * np.pi, count)):
        category = categories[number % len(categories)]
        meta = PhotoMeta(
            object_id=f"dots/{split}_{number:03d}", source="dots", split=split, label=category, height=32, width=32,
            shown=(0, 32, 0, 32), box=(0, 0, 32, 32),
            pose=Pose(azimuth=azimuth, elevation=0.1, theta=0.1, distance=4, px=16, py=16),
        )  # fmt: skip
        found.append(PosedPhoto(meta, encode_image(dotted(azimuth), LOSSLESS), "webp"))
    return found
