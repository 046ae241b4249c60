"""Everything that changes the weights of a pose network. Torch-free."""

from pathlib import Path
from typing import Literal, Self

from pydantic import Field

from opendlign_core.errors import BadInput
from opendlign_core.recipe import CONTENT, DigestOf, Execution, Recipe

STAGE_VERSION = 1

NetworkName = Literal["small", "resnet50", "swin_t"]


class PosenetRecipe(Recipe):
    """The published fine-tuning by default: 120 epochs whose rate falls to a tenth after each third."""

    network: NetworkName = "resnet50"
    """`small` is a ConvNet of 0.4 M parameters that starts from nothing, a baseline for laptops."""
    weights: str | None = None
    """A file of torchvision's ImageNet weights of the network (a state dict); from nothing without it."""
    image_size: int = Field(default=256, ge=32, description="side of the photos that the network takes")
    known: tuple[str, ...] = ()
    """The categories that are learnt from; none stands for all."""
    classify: bool = False
    """Also learn the category, with a second head."""
    epochs: int = Field(default=120, ge=1, description="times that all photos are seen")
    batch: int = Field(default=64, ge=1, description="photos of a step")
    rate: float = Field(default=0.01, gt=0, description="learning rate of the first part")
    momentum: float = Field(default=0.9, ge=0, lt=1, description="of gradient descent")
    weight_decay: float = Field(default=1e-4, ge=0, description="of all weights")
    stages: int = Field(default=3, ge=1)
    """Equal parts of the run, each with a tenth of the rate of the one before."""
    flip: bool = True
    """Half of the photos are mirrored in each epoch, pose and all; right for things that are symmetric in x."""
    seed: int = Field(default=0, description="of first weights, order and mirrored photos")

    def settled(self, digest_of: DigestOf) -> Self:
        """With the weights named by their content; raises `BadInput` where they are not there."""
        if self.weights is None or self.weights.startswith(CONTENT):
            return self
        path = Path(self.weights).expanduser()
        if not path.is_file():
            raise BadInput(f"there are no weights of {self.network} at {path}")
        return self.model_copy(update={"weights": f"{CONTENT}{digest_of(path)}"})


class PosenetExecution(Execution):
    """How a training run uses its machine."""

    device: str = Field(default="auto", description="auto, cpu, cuda or cuda:N")
