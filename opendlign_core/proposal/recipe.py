"""What the propose stage can be told. Torch-free."""

import hashlib
import json
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Field, field_validator

from opendlign_core.errors import BadInput
from opendlign_core.proposal.superpoints.recipe import SuperpointsRecipe
from opendlign_core.recipe import CONTENT, DigestOf, Execution, Recipe

STAGE_VERSION = 1
"""Raised whenever the same recipe would give other bytes than before."""

BOX_SUFFIXES = (".csv", ".json", ".npz")


class TrueBoxes(Recipe):
    """The boxes that the scenes come with: what a perfect proposer would say."""

    kind: Literal["ground-truth"] = "ground-truth"


class BoxFiles(Recipe):
    """Boxes that another program found: a folder with a file for each scene, called as the scene is."""

    kind: Literal["boxes"] = "boxes"
    folder: str
    """Holds `<scene>.csv`, `.json` or `.npz`; of the scene's id what follows the source's name, `/` written `_`."""
    up_axis: Literal["y", "z"] = "y"
    """The axis that is up in the files; z is turned as that of data sets is."""

    def files(self) -> dict[str, Path]:
        """The files by the name of their scene; raises `BadInput` where there are none."""
        folder = Path(self.folder).expanduser()
        found = {path.stem: path for path in sorted(folder.glob("*")) if path.suffix.lower() in BOX_SUFFIXES}
        if not found:
            kinds = ", ".join(BOX_SUFFIXES)
            raise BadInput(f"{self.folder} holds no boxes: give a folder with a file ({kinds}) for each scene")
        return found

    def settled(self, digest_of: DigestOf) -> Self:
        """The boxes named by what their files hold."""
        held = [[path.name, digest_of(path)] for path in self.files().values()]
        return self.model_copy(update={"folder": f"{CONTENT}{hashlib.sha256(json.dumps(held).encode()).hexdigest()}"})


class DetrRecipe(Recipe):
    """3DETR-m, which was trained to find things of known classes."""

    kind: Literal["3detr"] = "3detr"
    checkpoint: str
    """The published `.pth`, or its tensors as `.safetensors`."""
    points: int = Field(default=40_000, ge=1)
    """Of a scene that the model is shown, drawn at random; SUN RGB-D's was trained on 20,000."""
    tokens: int = Field(default=2048, ge=1)
    """Points of those that stand for their surroundings, as many as the model was trained with."""
    queries: int = Field(default=256, ge=1)
    """Boxes of a scene; SUN RGB-D's model was trained with 128."""

    def settled(self, digest_of: DigestOf) -> Self:
        """The model named by the digest of its checkpoint; raises `BadInput` where that is not there."""
        path = Path(self.checkpoint).expanduser()
        if not path.is_file():
            raise BadInput(
                f"there is no checkpoint at {self.checkpoint}; name the file in propose.proposer.checkpoint"
            )
        return self.model_copy(update={"checkpoint": f"{CONTENT}{digest_of(path)}"})


Proposer = SuperpointsRecipe | BoxFiles | DetrRecipe | TrueBoxes


class ProposeRecipe(Recipe):
    """Where things may stand in a scene, and how they are cut out."""

    proposer: Annotated[Proposer, Field(discriminator="kind")] = SuperpointsRecipe()
    """Where boxes come from, by kind; a bare kind stands for its defaults."""
    splits: tuple[str, ...] = ()
    """Splits whose scenes are cut up; all where none is named."""
    points: int = Field(default=4096, ge=2, le=1_000_000)
    """Most points of a cloud: where a box holds more, they are drawn at random."""
    margin: float = Field(default=0.02, ge=0)
    """Metres around a box whose points belong to it too: scans are noisy, and boxes of surfaces are tight."""
    fewest: int = Field(default=30, ge=2)
    """Points below which a box makes no cloud."""
    seed: int = Field(default=0, ge=0)
    """Seeds the draws of points together with the ids of scene and box."""
    shard_size: int = Field(default=8, ge=1)
    """Scenes per shard."""

    @field_validator("proposer", mode="before")
    @classmethod
    def _by_kind(cls, value: Any) -> Any:
        return {"kind": value} if isinstance(value, str) else value


class ProposeExecution(Execution):
    """How boxes are proposed."""

    device: str = "auto"
    """On which 3DETR computes; the other proposers use the processor."""
