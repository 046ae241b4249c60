"""Photos [B, 3, S, S] to logits of 3 x 40 angle bins and, where asked, of categories."""

import itertools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor, nn

from opendlign_core.clip.device import choose_device
from opendlign_core.clip.pixels import resize_pictures
from opendlign_core.clip.spec import IMAGENET_MEAN, IMAGENET_STD
from opendlign_core.errors import BadInput
from opendlign_core.loop.checkpoint import read_weights
from opendlign_core.pose import Floats, decoded
from opendlign_core.training.pose.recipe import NetworkName, PosenetRecipe

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


def new_network(recipe: PosenetRecipe, categories: int = 0) -> PoseNetwork:
    """The untrained network of a recipe, the same for a seed.

    Raises:
        BadInput: the weights file is not of that network.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(recipe.seed)
        backbone, width = BACKBONES[recipe.network]()
        if recipe.weights is not None:
            _load(backbone, Path(recipe.weights).expanduser())
        return PoseNetwork(backbone, width, categories if recipe.classify else 0)


@dataclass(frozen=True)
class TrainedPosenet:
    """A network with what is needed to feed it and to read it."""

    network: PoseNetwork
    name: str
    image_size: int
    categories: tuple[str, ...]
    """Names of its categories by number, where it has a head for them."""

    def tell(self, photos: Tensor) -> tuple[Floats, tuple[str, ...]]:  # [N, S, S, 3] uint8 -> [N, 3]
        """Azimuth, elevation and theta of photos of any one size and, where it classifies, their categories."""
        told = tell(self.network, resize_pictures(photos, self.image_size).movedim(-1, 1))
        named = told.category.argmax(1).tolist() if told.category.shape[1] else []
        return decoded(told.pose.numpy()), tuple(self.categories[number] for number in named)


def load_network(recipe: PosenetRecipe, categories: tuple[str, ...], weights: Path, device: str) -> TrainedPosenet:
    """The network that a training run left in a file."""
    network = new_network(recipe.model_copy(update={"weights": None}), len(categories))
    network.load_state_dict(read_weights(weights).tensors)
    known = categories if recipe.classify else ()
    return TrainedPosenet(network.to(choose_device(device)).eval(), recipe.network, recipe.image_size, known)


@torch.no_grad()
def tell(network: PoseNetwork, pixels: Tensor, batch: int = 64) -> Told:  # [N, 3, S, S] uint8
    """Logits of any number of photos, on the CPU."""
    device = next(network.parameters()).device
    network.eval()
    found = [network(normalised(part.to(device))) for part in torch.split(pixels, batch)]
    return Told(torch.cat([one.pose for one in found]).cpu(), torch.cat([one.category for one in found]).cpu())


def normalised(pixels: Tensor) -> Tensor:  # [B, 3, S, S] uint8
    """As networks of ImageNet take them."""
    mean, std = (torch.tensor(values, device=pixels.device).view(3, 1, 1) for values in (IMAGENET_MEAN, IMAGENET_STD))
    return (pixels.float() / 255 - mean) / std


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
