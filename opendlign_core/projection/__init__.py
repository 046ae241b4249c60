"""Point clouds to multi-view depth maps; heavy names are imported when first used."""

from typing import TYPE_CHECKING

from opendlign_core.lazy import lazy_exports
from opendlign_core.projection.recipe import (
    RECIPES,
    STAGE_VERSION,
    ProjectionExecution,
    ProjectionRecipe,
    resolve_recipe,
)

if TYPE_CHECKING:
    from opendlign_core.projection.checks import UnusableCloud
    from opendlign_core.projection.engine import project
    from opendlign_core.projection.images import median_filter
    from opendlign_core.projection.points import ProjectedPoints, crop_pixels, crop_to_encoder, project_points
    from opendlign_core.projection.stream import Rejection, project_clouds

__all__ = [
    "RECIPES",
    "STAGE_VERSION",
    "ProjectedPoints",
    "ProjectionExecution",
    "ProjectionRecipe",
    "Rejection",
    "UnusableCloud",
    "crop_pixels",
    "crop_to_encoder",
    "median_filter",
    "project",
    "project_clouds",
    "project_points",
    "resolve_recipe",
]

__getattr__ = lazy_exports(
    __name__,
    {
        "UnusableCloud": "checks",
        "project": "engine",
        "median_filter": "images",
        "ProjectedPoints": "points",
        "crop_pixels": "points",
        "crop_to_encoder": "points",
        "project_points": "points",
        "Rejection": "stream",
        "project_clouds": "stream",
    },
)
