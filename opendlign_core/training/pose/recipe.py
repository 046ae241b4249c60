"""Everything that changes the weights of a pose network. Torch-free."""

from pathlib import Path
from typing import Literal

from pydantic import Field

from opendlign_core.recipe import Recipe

NetworkName = Literal["small", "resnet50", "swin_t"]


class PoseTrainRecipe(Recipe):
    """The published fine-tuning by default: 120 epochs whose rate falls to a tenth after each third."""

    network: NetworkName = "resnet50"
    """`small` is a ConvNet of 0.4 M parameters that starts from nothing, a baseline for laptops."""
    weights: Path | None = None
    """torchvision's ImageNet weights of the network (a state dict); from nothing without them."""
    image_size: int = Field(default=256, ge=32)
    classify: bool = False
    """Also learn the category, with a second head."""
    epochs: int = Field(default=120, ge=1)
    batch: int = Field(default=64, ge=1)
    rate: float = Field(default=0.01, gt=0)
    momentum: float = Field(default=0.9, ge=0, lt=1)
    weight_decay: float = Field(default=1e-4, ge=0)
    stages: int = Field(default=3, ge=1)
    """Equal parts of the run, each with a tenth of the rate of the one before."""
    flip: bool = True
    """Half of the photos are mirrored in each epoch, pose and all; right for things that are symmetric in x."""
    seed: int = 0
