"""What the segmentation benchmark can be told: ways of naming points, and the words for parts. Torch-free."""

from collections.abc import Sequence
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, field_validator, model_validator

from opendlign_core.clip.tokens.kinds import Attention
from opendlign_core.errors import BadInput
from opendlign_core.recipe import FrozenMapping, Recipe
from opendlign_core.samples import Lookup

Words = Literal["owned", "alone"]


class AnswerSpec(Recipe):
    """One way of naming the points of a shape: which tokens are taken, how they are read, what refines the scores."""

    name: str = Field(min_length=1, description="its name in the results")
    mode: Lookup = Field(default="corrected", description="corrected, or with the reference's scrambled features")
    attention: Attention = Field(default="plain", description="what patches look at in the last blocks")
    blocks: int = Field(default=1, ge=1, description="how many last blocks have that attention")
    finer: int = Field(default=1, ge=1, le=8, description="times that images are enlarged before they are encoded")
    crops: bool = Field(default=False, description="see enlarged images in overlapping crops instead of whole")
    window: int = Field(default=1, ge=1, description="side of the square of patches whose scores are averaged")
    neighbours: int = Field(default=0, ge=0, description="points nearby whose scores are averaged; 0 leaves it out")
    superpoints: int = Field(default=0, ge=0, description="groups of points that share a part; 0 leaves it out")

    @model_validator(mode="after")
    def _fits_together(self) -> "AnswerSpec":
        if self.mode == "faithful" and self.model_copy(update={"name": "", "mode": "corrected"}) != _PLAIN:
            raise BadInput(f"answer {self.name!r}: the faithful mode is what the reference does and takes no choices")
        if self.attention == "self" and self.blocks > 1:
            raise BadInput(f"answer {self.name!r}: attention 'self' ends the tower and has one block")
        if self.crops and self.finer == 1:
            raise BadInput(f"answer {self.name!r}: crops are of enlarged images; set finer to 2 or more")
        return self

    @property
    def tokens(self) -> tuple[Attention, int, int, bool]:
        """What its tokens depend on: answers that agree in it share them."""
        return self.attention, self.blocks, self.finer, self.crops


_PLAIN = AnswerSpec.model_construct(name="", mode="corrected")

ANSWERS: dict[str, AnswerSpec] = {
    spec.name: spec
    for spec in (
        AnswerSpec(name="corrected"),
        AnswerSpec(name="faithful", mode="faithful"),
        AnswerSpec(name="averaged", window=6),
        AnswerSpec(name="value", attention="value"),
        AnswerSpec(name="value-3", attention="value", blocks=3),
        AnswerSpec(name="self", attention="self"),
        AnswerSpec(name="enlarged", finer=2),
        AnswerSpec(name="crops", finer=2, crops=True),
        AnswerSpec(name="smoothed", neighbours=12),
        AnswerSpec(name="superpoints", superpoints=64),
    )
}
"""Ready rows; all but `faithful` change one thing of `corrected`."""


def _named_answer(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    if value not in ANSWERS:
        raise BadInput(f"unknown answer {value!r}; known: {', '.join(ANSWERS)}")
    return ANSWERS[value]


Answer = Annotated[AnswerSpec, BeforeValidator(_named_answer)]


PARTS_REMEDY = (
    "; give them in options.segmentation.parts, or leave the category out by naming the others in the labels of the "
    "data set"
)


class SegmentationOptions(Recipe):
    """How parts are asked for and which answers are compared; the first answer is the one that counts."""

    answers: tuple[Answer, ...] = Field(default=(ANSWERS["corrected"], ANSWERS["faithful"]), min_length=1)
    """Rows of the table: names of ready ones, or spelled out."""
    words: Words = Field(default="owned", description="owned: 'seat of a chair', alone: 'seat'")
    parts: FrozenMapping[Sequence[str]] = FrozenMapping({})
    """Category -> words for its parts, in the order of their numbers, instead of the names that the data has."""
    cropped: bool = Field(default=True, description="cut the empty border of the maps off, as the reference does")
    shipped: bool = False
    """Take the sentences and view weights that PointCLIP V2 shipped; the data set must name the library."""
    bounds: bool = True
    """Also judge baselines and the bounds of projection, patches and words; those that learn read the train split."""
    searched: int = Field(default=16, ge=2, description="shapes of a category that a search looks at")
    shown: int = Field(default=3, ge=0, description="shapes pictured of the best, the typical and the worst")

    @model_validator(mode="after")
    def _names_differ(self) -> "SegmentationOptions":
        names = [answer.name for answer in self.answers]
        if len(set(names)) != len(names):
            raise BadInput(f"two answers share a name: {', '.join(sorted(names))}")
        return self

    @field_validator("parts")
    @classmethod
    def _tell_parts_apart(cls, parts: FrozenMapping[Sequence[str]]) -> FrozenMapping[Sequence[str]]:
        for category, names in parts.items():
            check_parts(names, category, PARTS_REMEDY)
        return parts


def check_parts(names: Sequence[str], origin: str, remedy: str = "") -> tuple[str, ...]:
    """The names of parts; raises `BadInput` about their `origin` where they leave nothing to tell apart.

    >>> check_parts(["seat", "leg"], "chair")
    ('seat', 'leg')
    """
    if len(names) < 2:
        given = ", ".join(names) or "none"
        raise BadInput(f"{origin} (its parts: {given}): name at least two, such as seat, back and leg{remedy}")
    folded = [name.casefold() for name in names]
    if twice := [name for place, name in enumerate(names) if folded[place] in folded[:place]]:
        raise BadInput(f"{origin}: the part {twice[0]} is named twice")
    return tuple(names)
