"""A scene in perspective from above with boxes and names: how high things stand, and what they look like."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from opendlign_core.boxes import Boxes
from opendlign_core.evaluation.detection.captions import write_captions
from opendlign_core.pictures import colour_of

Floats = NDArray[np.float64]

MARGIN = 20
AZIMUTH, ELEVATION, DISTANCE = 25.0, 50.0, 2.6
"""Degrees to the right of the front and above, and how many of the scene's radii the eye is away."""
CEILING, BEFORE = 0.8, 0.06
"""The share of the height that is shown, and of the sides next to the eye that is not: they would hide the rest."""
_EDGES = ((0, 1), (1, 2), (2, 3), (3, 0), (4, 5), (5, 6), (6, 7), (7, 4), (0, 4), (1, 5), (2, 6), (3, 7))
_DARKEST = 0.45


def slanted(
    points: NDArray[Any],  # [N, 3], y up
    boxes: Boxes,
    captions: Sequence[str],
    marks: Sequence[int],
    size: int = 900,
    framed: Boxes | None = None,
) -> Image.Image:
    """Grey points, the lower the darker, behind the edges of boxes; `marks` number the colours of boxes.

    What is `framed`, the boxes themselves where nothing else is, fits into the picture beside the points.
    """
    eye = _Eye.on(points)
    low_enough = points[_low_enough(points)]
    around = (framed or boxes).corners().reshape(-1, 3)
    reach = eye.places(np.concatenate([low_enough, around]))[:, :2]
    low, scale = reach.min(0), (size - 2 * MARGIN) / float(np.ptp(reach, axis=0).max())
    width, height = (np.ptp(reach, axis=0) * scale + 2 * MARGIN).astype(int).tolist()
    seen = low_enough[_behind_the_front(low_enough)]
    places = eye.places(seen)
    picture = Image.fromarray(
        _painted((places[:, :2] - low) * scale + MARGIN, places[:, 2], seen[:, 1], height, width)
    )
    pen, tops = ImageDraw.Draw(picture), []
    for corners, mark in zip(boxes.corners(), marks, strict=True):
        drawn = ((eye.places(corners)[:, :2] - low) * scale + MARGIN).tolist()
        for start, end in _EDGES:
            pen.line((*drawn[start], *drawn[end]), fill=colour_of(mark), width=2)
        across, down = min(drawn, key=lambda corner: corner[1])
        tops.append((across, down - 8))
    write_captions(picture, tops, captions, marks)
    return picture


@dataclass(frozen=True, eq=False)
class _Eye:
    """Where a scene is looked at from: the eye, and the axes of its picture (right, down, away)."""

    place: Floats  # [3]
    axes: Floats  # [3, 3]

    @classmethod
    def on(cls, points: NDArray[Any]) -> Self:
        low, high = points.min(0), points.max(0)
        turn, rise = np.radians([AZIMUTH, ELEVATION])
        back = np.array([np.sin(turn) * np.cos(rise), np.sin(rise), np.cos(turn) * np.cos(rise)])
        right = np.array([np.cos(turn), 0.0, -np.sin(turn)])
        place = (low + high) / 2 + back * DISTANCE * float(np.linalg.norm(high - low)) / 2
        return cls(place, np.stack([right, -np.cross(back, right), -back]))

    def places(self, points: NDArray[Any]) -> Floats:  # [N, 3] -> [N, 3]
        """Right and down in the picture, and how far away."""
        right, down, away = ((points - self.place) @ self.axes.T).T
        return np.stack([right / away, down / away, away], axis=1)


def _low_enough(points: NDArray[Any]) -> NDArray[np.bool_]:
    """All but the ceiling."""
    low, high = points[:, 1].min(), points[:, 1].max()
    return np.asarray(points[:, 1] <= low + CEILING * (high - low))


def _behind_the_front(points: NDArray[Any]) -> NDArray[np.bool_]:
    """All but what stands at the sides next to the eye."""
    low, high = points.min(0), points.max(0)
    near = high - BEFORE * (high - low)
    return np.asarray((points[:, 0] <= near[0]) & (points[:, 2] <= near[2]))


def _painted(
    places: Floats, away: Floats, heights: NDArray[Any], height: int, width: int
) -> NDArray[np.uint8]:  # [N, 2], [N], [N] -> [height, width, 3]
    picture = np.full((height, width), 255, np.uint8)
    level = (heights - heights.min()) / max(float(np.ptp(heights)), 1e-9)
    shade = (235 * (_DARKEST + (1 - _DARKEST) * level)).astype(np.uint8)
    order = np.argsort(-away)  # what is written later is nearer
    column, row = np.clip(places[order].astype(int), 0, np.array([width, height]) - 2).T
    for right, down in ((0, 0), (1, 0), (0, 1), (1, 1)):  # scans are sparse: a point is four pixels
        picture[row + down, column + right] = shade[order]
    return np.repeat(picture[..., None], 3, axis=2)
