"""What detection can be told about boxes that were classified: which stay, and how they are scored. Torch-free."""

from typing import Literal

from pydantic import Field

from opendlign_core.overlap import Measure
from opendlign_core.recipe import Recipe

Suppression = Literal["class-aware", "class-agnostic", "birds-eye", "none"]
Rule = Literal["every-class", "best-product", "best-class", "objectness"]


class SelectionSpec(Recipe):
    """From classified boxes to detections, in the order of its fields; the defaults are 3DETR's own."""

    least_points: int = Field(default=5, ge=0)
    """Boxes with fewer of the scene's points inside go; if none is left, the one of highest objectness stays."""
    suppression: Suppression = "class-aware"
    """Which boxes drop those that overlap them and are less of an object: those of the same best class, all, all as
    seen from above, or none. Overlap is that of hulls along the axes."""
    measure: Measure = "union"
    """The overlap: intersection over union, or over the box that would be dropped."""
    overlap: float = Field(default=0.25, ge=0, le=1)
    """More than this much is too much."""
    objectness: float = Field(default=0.05, ge=0, le=1)
    """Boxes up to this value go."""
    rule: Rule = "every-class"
    """every-class: each box is given once for each class, with probability x objectness; the others give it once, for
    its best class, with that product, with the probability alone, or with the objectness alone."""
