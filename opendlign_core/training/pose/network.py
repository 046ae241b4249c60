"""Photos [B, 3, S, S] to logits of 3 x 40 angle bins and, where asked, of categories."""

import itertools
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor, nn

from opendlign_core.errors import BadInput
from opendlign_core.training.pose.recipe import NetworkName, PoseTrainRecipe

OUTPUTS = 3 * 40
SPREAD = 0.01
"""Standard deviation of a head's first weights."""


class Told(NamedTuple):
    """Logits [B, 120] of azimuth, elevation and theta, and [B, K] of categories (K = 0 without them)."""

    pose: Tensor
    category: Tensor


class PoseNetwork(nn.Module):
    """A backbone with one linear head for the pose and one for `categories` classes."""

    def __init__(self, backbone: nn.Module, width: int, categories: int = 0) -> None:
        super().__init__()
        self.backbone = backbone
        self.pose, self.category = _head(width, OUTPUTS), _head(width, categories)

    def forward(self, pixels: Tensor) -> Told:
        seen = self.backbone(pixels)  # [B, width]
        return Told(self.pose(seen), self.category(seen))


def new_network(recipe: PoseTrainRecipe, categories: int = 0) -> PoseNetwork:
    """The untrained network of a recipe, the same for a seed.

    Raises:
        BadInput: the weights file is not of that network.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(recipe.seed)
        backbone, width = BACKBONES[recipe.network]()
        if recipe.weights is not None:
            _load(backbone, recipe.weights)
        return PoseNetwork(backbone, width, categories if recipe.classify else 0)


def _small() -> tuple[nn.Module, int]:
    widths = (3, 32, 64, 128, 192)
    stages = [
        nn.Sequential(nn.Conv2d(before, after, 3, stride=2, padding=1), nn.GroupNorm(8, after), nn.ReLU())
        for before, after in itertools.pairwise(widths)
    ]
    width = 16 * widths[-1]
    return nn.Sequential(*stages, nn.AdaptiveAvgPool2d(4), nn.Flatten(), nn.LayerNorm(width)), width


def _resnet50() -> tuple[nn.Module, int]:
    from torchvision.models import resnet50

    network = resnet50()
    network.fc = nn.Identity()
    return network, 2048


def _swin_t() -> tuple[nn.Module, int]:
    from torchvision.models import swin_t

    network = swin_t()
    network.head = nn.Identity()
    return network, 768


BACKBONES: Mapping[NetworkName, Callable[[], tuple[nn.Module, int]]] = {
    "small": _small,
    "resnet50": _resnet50,
    "swin_t": _swin_t,
}


def _head(width: int, outputs: int) -> nn.Linear | nn.Identity:
    if not outputs:
        return NoHead()
    head = nn.Linear(width, outputs)
    nn.init.normal_(head.weight, std=SPREAD)
    nn.init.zeros_(head.bias)
    return head


class NoHead(nn.Identity):
    """Where nothing is asked: no logits."""

    def forward(self, seen: Tensor) -> Tensor:  # [B, width] -> [B, 0]
        return seen[:, :0]


def _load(backbone: nn.Module, weights: Path) -> None:
    """Classifier weights of the file are left out: the heads are new."""
    try:
        tensors = torch.load(weights, map_location="cpu", weights_only=True)
        own = backbone.state_dict()
        backbone.load_state_dict({name: tensor for name, tensor in tensors.items() if name in own})
    except Exception as error:
        raise BadInput(f"{weights}: not torchvision's weights of this network ({error})") from error
