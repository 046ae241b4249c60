"""What detection can be told: how boxes are named, which of them stay, how they are scored and counted. Torch-free."""

from typing import Any, Literal

from pydantic import Field, model_validator

from opendlign_core.errors import BadInput
from opendlign_core.overlap import Measure
from opendlign_core.recipe import FrozenMapping, Recipe

Suppression = Literal["class-aware", "class-agnostic", "birds-eye", "none"]
Rule = Literal["every-class", "best-product", "best-class", "objectness"]
Objectness = Literal["proposer", "names", "both"]


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


class NamingSpec(Recipe):
    """From the cosines of a box's views with words to how likely each class is, and whether there is any."""

    temperature: float = Field(default=100.0, gt=0)
    """What the mean cosine of the views is multiplied with before the softmax; 100 is CLIP's own. OpenDlign's score of
    classes has none: with 1 all classes are nearly as likely, and boxes rank by objectness alone."""
    background: tuple[str, ...] = ()
    """Words for what is no thing; what is likely to be any of them is no class."""
    objectness: Objectness = "proposer"
    """How sure it is that a box holds a thing: as the proposer says, what is left of the background, or both
    multiplied."""

    @model_validator(mode="after")
    def _names_background(self) -> "NamingSpec":
        if self.objectness != "proposer" and not self.background:
            raise BadInput(f"objectness {self.objectness!r} is what the background leaves: name words for it")
        return self


class DetectionOptions(Recipe):
    """How things are found in scenes, and how that is counted."""

    proposers: tuple[FrozenMapping[Any], ...] = ()
    """Recipes of `propose` whose boxes are judged beside those that the preset makes; several of one kind are its
    draws, over which means and spreads are told."""
    naming: NamingSpec = NamingSpec()
    selection: SelectionSpec = SelectionSpec()
    """Of true boxes all stay: nobody proposed them, and things stand in each other's boxes."""
    printed: tuple[str, ...] = ()
    """Classes over which a second mean is told: papers print eleven of ScanNet's eighteen."""
    shown: int = Field(default=3, ge=0, description="scenes pictured with true and found boxes")
    drawn: int = Field(default=20, ge=1, description="surest boxes of a scene that its pictures show")
