"""Upright boxes around things in a scene: where they stand, what lies inside, their corners. Free of torch.

Everything is in metres and y up. A box is turned about y by its yaw, in radians from +x towards +z: the heading that
3DETR and SUN RGB-D speak of, whose cameras look along our -z with y down.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from opendlign_core.errors import BadInput

Floats = NDArray[np.float64]

# Signs of the corners along a box's own axes: first those it stands on, going round, then those above them.
_X, _Z = np.array([1, 1, -1, -1]) / 2, np.array([-1, 1, 1, -1]) / 2
_SIGNS = np.stack([np.tile(_X, 2), np.repeat([-0.5, 0.5], 4), np.tile(_Z, 2)], axis=1)  # [8, 3]
_CAMERA = np.array([1.0, -1.0, -1.0])


class Hulls(NamedTuple):
    """The smallest boxes along the axes that hold something: their lowest and their highest corners."""

    low: Floats  # [K, 3]
    high: Floats  # [K, 3]


@dataclass(frozen=True, eq=False)
class Boxes:
    """K upright boxes.

    Raises `BadInput` where shapes do not fit, a value is not finite, or a size is negative.

    >>> boxes = Boxes.of([[0, 1, 0]], [[4, 2, 2]], yaws=[np.pi / 2])
    >>> boxes.hulls().high.round(3).tolist()
    [[1.0, 2.0, 2.0]]
    >>> boxes.contain(np.array([[0.9, 1, 1.9], [1.9, 1, 0.9]])).tolist()
    [[True, False]]
    """

    centres: Floats  # [K, 3]
    sizes: Floats  # [K, 3], along the box's own x, y and z
    yaws: Floats  # [K]

    @classmethod
    def of(cls, centres: ArrayLike, sizes: ArrayLike, yaws: ArrayLike | None = None) -> Self:
        """Boxes from anything like arrays; without yaws they lie along the axes."""
        placed = np.asarray(centres, np.float64).reshape(-1, 3)
        turned = np.zeros(len(placed)) if yaws is None else np.asarray(yaws, np.float64).reshape(-1)
        return cls(placed, np.asarray(sizes, np.float64).reshape(-1, 3), turned)

    @classmethod
    def between(cls, low: ArrayLike, high: ArrayLike) -> Self:
        """Boxes along the axes from their lowest and highest corners [K, 3]."""
        lowest, highest = np.asarray(low, np.float64), np.asarray(high, np.float64)
        return cls.of((lowest + highest) / 2, highest - lowest)

    @classmethod
    def of_z_up(cls, boxes: Self) -> Self:
        """Boxes that are told in a frame whose z is up, with yaws from its x towards its -y, turned y up.

        >>> Boxes.of_z_up(Boxes.of([[1, 2, 3]], [[4, 5, 6]])).centres.tolist()
        [[1.0, 3.0, -2.0]]
        """
        order = [0, 2, 1]
        return cls(boxes.centres[:, order] * [1.0, 1.0, -1.0], boxes.sizes[:, order], boxes.yaws)

    @classmethod
    def together(cls, several: Sequence[Self]) -> Self:
        """The boxes of several, one after the other."""
        rows = [(part.centres, part.sizes, part.yaws) for part in (cls.of([], []), *several)]
        centres, sizes, yaws = zip(*rows, strict=True)
        return cls(np.concatenate(centres), np.concatenate(sizes), np.concatenate(yaws))

    @classmethod
    def of_camera_corners(cls, corners: NDArray[Any]) -> Self:  # [K, 8, 3]
        """Boxes from 3DETR's corners: in its camera frame (y down, z away from the viewer), in its order."""
        placed = corners.astype(np.float64) * _CAMERA
        along, across, up = (placed[:, 0] - placed[:, other] for other in (3, 1, 4))
        lengths = [np.sqrt((edge**2).sum(1)) for edge in (along, up, across)]
        # The middle of opposite corners is exact where the mean of all eight is rounded.
        return cls((placed[:, 0] + placed[:, 6]) / 2, np.stack(lengths, axis=1), np.arctan2(along[:, 2], along[:, 0]))

    def __post_init__(self) -> None:
        count = len(self.centres)
        if (self.centres.shape, self.sizes.shape, self.yaws.shape) != ((count, 3), (count, 3), (count,)):
            raise BadInput(f"{count} centres need as many sizes and yaws; sizes have the shape {self.sizes.shape}")
        for name, values in (("centre", self.centres), ("size", self.sizes), ("yaw", self.yaws[:, None])):
            wrong = ~np.isfinite(values).all(1)
            if wrong.any():
                raise BadInput(f"the {name} of box {int(wrong.argmax())} is not finite; leave the box out")
        if (self.sizes < 0).any():
            raise BadInput(
                f"box {int((self.sizes < 0).any(1).argmax())} has a negative size; give extents of 0 or more"
            )

    def __len__(self) -> int:
        return len(self.centres)

    def __getitem__(self, chosen: NDArray[np.integer] | NDArray[np.bool_] | slice) -> Self:
        return type(self)(self.centres[chosen], self.sizes[chosen], self.yaws[chosen])

    @property
    def volumes(self) -> Floats:  # [K]
        return np.asarray(self.sizes.prod(1))

    def corners(self) -> Floats:  # [K, 8, 3]
        """The four corners that the box stands on, going round, then those above them."""
        own = _SIGNS * self.sizes[:, None]
        cos, sin = np.cos(self.yaws)[:, None], np.sin(self.yaws)[:, None]
        turned = (cos * own[..., 0] - sin * own[..., 2], own[..., 1], sin * own[..., 0] + cos * own[..., 2])
        return self.centres[:, None] + np.stack(turned, axis=-1)

    def footprints(self) -> Floats:  # [K, 4, 2]
        """The (x, z) of the corners that the box stands on, going round."""
        return self.corners()[:, :4, ::2]

    def hulls(self) -> Hulls:
        corners = self.corners()
        return Hulls(corners.min(1), corners.max(1))

    def contain(self, points: NDArray[Any]) -> NDArray[np.bool_]:  # [N, 3] -> [K, N]
        """Which points lie in which box, its sides included."""
        order = np.argsort(points[:, 0])
        ordered = points[order]
        low, high = self.hulls()
        # Of a scene's points most are beside a box: of those in order along x, the others need no look.
        starts = np.searchsorted(ordered[:, 0], low[:, 0], "left")
        ends = np.searchsorted(ordered[:, 0], high[:, 0], "right")
        inside = np.zeros((len(self), len(points)), bool)
        for box, (start, end) in enumerate(zip(starts, ends, strict=True)):
            near = ordered[start:end]
            in_hull = np.flatnonzero(((near[:, 1:] >= low[box, 1:]) & (near[:, 1:] <= high[box, 1:])).all(1))
            inside[box, order[start + in_hull]] = self._holds(box, near[in_hull])
        return inside

    def _holds(self, box: int, points: NDArray[Any]) -> NDArray[np.bool_]:  # [N, 3] -> [N]
        """Which points of a box's hull lie in the box."""
        if self.yaws[box] == 0:
            return np.ones(len(points), bool)
        x, y, z = (points - self.centres[box]).T
        cos, sin = np.cos(self.yaws[box]), np.sin(self.yaws[box])
        own = np.stack([cos * x + sin * z, y, cos * z - sin * x], axis=1)
        held: NDArray[np.bool_] = (np.abs(own) <= self.sizes[box] / 2).all(1)
        return held
