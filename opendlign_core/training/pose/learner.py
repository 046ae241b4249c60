"""A pose network in training."""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from opendlign_core.clip.pixels import resize_pictures
from opendlign_core.loop.curves import Panel
from opendlign_core.loop.flips import drawn_flips, flipped
from opendlign_core.loop.learner import TOTAL, Validated
from opendlign_core.loop.order import Indices
from opendlign_core.loop.schedule import Pace
from opendlign_core.pose import BINS, TURN, Floats, binned
from opendlign_core.samples import PosedPhoto
from opendlign_core.training.pose.network import PoseNetwork, Told, normalised
from opendlign_core.training.pose.recipe import PosenetRecipe


class Photos(NamedTuple):
    """A batch: pixels [B, 3, S, S] uint8, angles [B, 3] in radians, categories [B] as numbers."""

    pixels: Tensor
    angles: Tensor
    category: Tensor


class PoseLearner:
    """Classifies the three angles of photos into bins and, where the network has a head for it, the category."""

    remedy = "lower train.rate"
    panels = (Panel("training loss", "train", (TOTAL, "pose")),)

    def __init__(self, network: PoseNetwork, recipe: PosenetRecipe) -> None:
        self.network, self.recipe = network.train(), recipe
        self.optimiser = torch.optim.SGD(
            network.parameters(), lr=recipe.rate, momentum=recipe.momentum, weight_decay=recipe.weight_decay
        )

    def pace(self, step: int, steps: int) -> Pace:
        return Pace(self.recipe.rate * 0.1 ** (step * self.recipe.stages // steps))

    def loss(self, batch: Photos, size: int) -> Mapping[str, Tensor]:
        device = next(self.network.parameters()).device
        told = self.network(normalised(batch.pixels.to(device)))
        return losses(told, batch.angles, batch.category)

    def split_parameters(self) -> Iterable[nn.Parameter]:
        """None: a pose network trains in one process."""
        return ()

    def after_update(self) -> None:
        """Nothing has bounds."""

    def tensors(self) -> dict[str, Tensor]:
        return {name: tensor.detach() for name, tensor in self.network.state_dict().items()}

    def load_tensors(self, tensors: Mapping[str, Tensor]) -> None:
        self.network.load_state_dict(dict(tensors))

    def validate(self) -> Validated | None:
        """Held-out photos are judged when the run has ended."""
        return None


def losses(told: Told, angles: Tensor, category: Tensor) -> dict[str, Tensor]:
    """Mean cross-entropy over photos and angles [B, 3] (on the CPU), plus that of the category [B]."""
    bins = torch.from_numpy(binned(angles.numpy())).to(told.pose.device)
    pose = cross_entropy(told.pose.reshape(-1, BINS), bins.flatten())
    if not told.category.shape[1]:
        return {TOTAL: pose}
    named = cross_entropy(told.category, category.to(told.category.device))
    return {TOTAL: pose + named, "pose": pose, "category": named}


def mirrored_photos(photos: Photos, indices: Indices, seed: int, epoch: int) -> Photos:
    """Half of the photos left to right, with the pose that the thing then has."""
    mask = drawn_flips(indices, seed, epoch)
    turned = torch.stack([TURN - photos.angles[:, 0], photos.angles[:, 1], -photos.angles[:, 2]], 1)
    return photos._replace(
        pixels=flipped(photos.pixels, mask, 3), angles=torch.where(mask[:, None], turned, photos.angles)
    )


def learnt_from(photo: PosedPhoto, size: int) -> tuple[Tensor, Floats, str]:
    """A photo as the network sees it [3, S, S] uint8, its angles [3] and its category."""
    pixels = resize_pictures(torch.from_numpy(photo.square()[None]), size)[0].movedim(-1, 0)
    return pixels.contiguous(), photo.angles(), photo.meta.label or ""
