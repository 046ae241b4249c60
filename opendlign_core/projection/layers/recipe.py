"""How photos and the depth of their CADs become aligned samples, as data. Nothing in here imports torch."""

from pydantic import Field

from opendlign_core.recipe import Execution, Recipe
from opendlign_core.samples.recipe import ImageRecipe

STAGE_VERSION = 1


class AlignRecipe(Recipe):
    """What decides the depth map of a posed CAD and the part of its photo that goes with it."""

    size: int = Field(default=224, ge=8, le=2048, description="rows and columns of the maps")
    margin: float = Field(default=0.05, ge=0, le=1, description="room around the object, in shares of its larger side")
    depth_bias: float = Field(default=0.2, ge=0, description="distance of the farthest surface from nothing")
    least_shown: float = Field(default=0.5, ge=0, le=1, description="share of the CAD that its photo must hold")
    statuses: tuple[str, ...] = ("status_good", "status_partially", "")
    """How well objects must be seen; an empty one stands for photos of which nobody said."""
    image: ImageRecipe = ImageRecipe()


class AlignExecution(Execution):
    """How photos are aligned; none of it changes a byte."""

    max_rejected_share: float = Field(default=0.5, ge=0, le=1)
    """The stage fails when more than this share of its photos cannot be aligned."""
