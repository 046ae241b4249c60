"""How well a silhouette fits a photo that nobody segmented: by what it tells about the photo's colours."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from opendlign_core.errors import BadInput
from opendlign_core.pose import Floats

UInt8 = NDArray[np.uint8]


@dataclass(frozen=True)
class Colours:
    """The pixels of a photo by classes of their colours."""

    classes: Tensor  # [P, K] float32, one 1 in each row
    where: NDArray[np.bool_]  # [H, W]: the P pixels that show the photo

    @classmethod
    def of(cls, photo: UInt8, count: int, shown: NDArray[np.bool_] | None = None) -> "Colours":  # [H, W, 3]
        """Sort the colours of the shown pixels [H, W] into at most `count` classes.

        A mask of the thing, as a photo of two colours, does as well as a photo.
        """
        where = np.ones(photo.shape[:2], bool) if shown is None else shown
        if not where.any():
            raise BadInput("the picture shows nothing of its photo")
        row = Image.fromarray(np.ascontiguousarray(photo[where][None]))
        numbers = torch.from_numpy(np.array(row.quantize(count, Image.Quantize.MEDIANCUT, kmeans=3))[0]).long()
        return cls(torch.nn.functional.one_hot(numbers).float(), where)

    def told_by(self, silhouettes: Tensor) -> Floats:  # [B, H, W] bool -> [B]
        """Mutual information of inside or outside and the colour's class, in nats a pixel: 0 where they do not agree.

        No model of thing or background is needed: the right silhouette is the one across which colours differ most.

        >>> photo = np.zeros((4, 4, 3), np.uint8)
        >>> photo[1:3, 1:3] = 200
        >>> thing = torch.from_numpy(photo[..., 0] > 0)
        >>> Colours.of(photo, 2).told_by(torch.stack([thing, thing.roll(1, 0)])).round(3).tolist()
        [0.562, 0.051]
        """
        inside = self._inside(silhouettes)
        share = self.classes.mean(0)
        within = inside @ self.classes / len(self.classes)  # [B, K]
        area = within.sum(1, keepdim=True)
        told = _nats(within, area * share) + _nats(share - within, (1 - area) * share)
        found: Floats = told.double().numpy()
        return found

    def most_told_by(self, silhouettes: Tensor) -> Floats:  # [B, H, W] bool -> [B]
        """What they would tell if no colour were on both sides of them, in nats a pixel."""
        area = self._inside(silhouettes).double().mean(1)
        entropy: Floats = torch.special.entr(torch.stack([area, 1 - area])).sum(0).numpy()
        return entropy

    def _inside(self, silhouettes: Tensor) -> Tensor:  # [B, H, W] bool -> [B, P]
        return silhouettes[:, torch.from_numpy(self.where)].float()


def _nats(joint: Tensor, independent: Tensor) -> Tensor:  # [B, K] each -> [B]
    return (torch.xlogy(joint, joint.clamp(min=0)) - torch.xlogy(joint, independent.clamp(min=1e-12))).sum(1)
