from typing import Literal

import numpy as np
import pytest
from PIL import UnidentifiedImageError

from opendlign_core.samples import ImageRecipe, decode_image, encode_image
from opendlign_core.synthesis import load_synthesizer
from tests.synthesis.scenes import scene

IMAGE = load_synthesizer("shaded").generate(scene(0, 64)[None], ["a red ball"], [0])[0]


@pytest.mark.parametrize(("form", "error"), [("webp", 12), ("jpeg", 12), ("png", 0)])
def test_images_come_back(form: Literal["webp", "jpeg", "png"], error: float) -> None:
    encoded = encode_image(IMAGE, ImageRecipe(format=form))
    assert encoded == encode_image(IMAGE, ImageRecipe(format=form))
    decoded = decode_image(encoded)
    assert decoded.shape == IMAGE.shape
    assert decoded.dtype == np.uint8
    assert decoded.flags.writeable
    assert np.abs(decoded.astype(int) - IMAGE).mean() <= error


def test_quality_costs_bytes() -> None:
    low, high = (len(encode_image(IMAGE, ImageRecipe(quality=quality))) for quality in (30, 95))
    assert low < high


def test_other_bytes_are_refused() -> None:
    with pytest.raises(UnidentifiedImageError):
        decode_image(b"GIF89a not an image")
