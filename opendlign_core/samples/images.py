"""Images at rest: the encoded bytes of one picture, the same for the same pixels."""

import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from opendlign_core.samples.recipe import ImageRecipe

_WEBP_EFFORT = 2  # of 0 to 6: effort 4 is twice as slow and saves a tenth


def encode_image(image: NDArray[np.uint8], recipe: ImageRecipe) -> bytes:  # image [H, W, 3]
    """The picture in the recipe's format."""
    buffer = io.BytesIO()
    picture = Image.fromarray(image)
    if recipe.format == "webp":
        picture.save(buffer, "WEBP", quality=recipe.quality, method=_WEBP_EFFORT)
    elif recipe.format == "jpeg":
        picture.save(buffer, "JPEG", quality=recipe.quality)
    else:
        picture.save(buffer, "PNG", compress_level=1)
    return buffer.getvalue()


def decode_image(encoded: bytes) -> NDArray[np.uint8]:
    """The pixels [H, W, 3] of an encoded picture of any of the formats."""
    with Image.open(io.BytesIO(encoded), formats=("WEBP", "JPEG", "PNG")) as picture:
        return np.array(picture.convert("RGB"))  # a copy, since torch takes no memory that it must not write to
