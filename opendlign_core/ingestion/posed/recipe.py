"""How photos of objects are cut out, as data. Nothing in here imports numerics."""

from typing import Literal

from pydantic import Field

from opendlign_core.recipe import Recipe
from opendlign_core.samples.recipe import ImageRecipe


class CropRecipe(Recipe):
    """What the photos of objects look like after preprocessing."""

    height: int = Field(default=640, ge=8, le=4096, description="rows of the result")
    width: int = Field(default=800, ge=8, le=4096, description="columns of the result")
    centre: bool = True
    """Whether every object is brought to the middle and to `distance` (3D pose), or whole photos are made to fit
    (6D pose)."""
    distance: float = Field(default=4.0, gt=0, allow_inf_nan=False)
    """Where centred objects are brought to, in units of their CADs."""
    arithmetic: Literal["corrected", "faithful"] = "corrected"
    """`faithful` repeats the reference to the pixel: lower box edges moved by the wrong padding, centres and sizes cut
    to whole pixels, no smoothing where photos shrink, a row or column too few at odd sizes."""


class PhotoReading(Recipe):
    """How photos with poses are read; clouds and scenes are not concerned."""

    crop: CropRecipe = CropRecipe(height=512, width=512)
    image: ImageRecipe = ImageRecipe(format="jpeg")
    """How the pictures are stored."""
