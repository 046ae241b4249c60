"""A scene from above with boxes and names: the picture in which people see at once what was found where."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from opendlign_core.boxes import Boxes
from opendlign_core.pictures import colour_of

MARGIN, CUT = 24, 0.85
"""Pixels around the scene; the share of its height up to which it is drawn, without ceiling and lintels."""


def plan(
    points: NDArray[Any],  # [N, 3], y up
    boxes: Boxes,
    captions: Sequence[str],
    marks: Sequence[int],
    size: int = 900,
) -> Image.Image:
    """Grey points, the higher the darker, under the footprints of boxes; `marks` number the colours of boxes."""
    low, high = points[:, [0, 2]].min(0), points[:, [0, 2]].max(0)
    scale = (size - 2 * MARGIN) / float((high - low).max())
    width, height = ((high - low) * scale + 2 * MARGIN).astype(int).tolist()
    picture = Image.fromarray(_ground(points, low, scale, (height, width))).convert("RGB")
    pen, font = ImageDraw.Draw(picture), ImageFont.load_default(size=13)
    for corners, caption, mark in zip(boxes.footprints(), captions, marks, strict=True):
        outline = [tuple(corner) for corner in ((corners - low) * scale + MARGIN).tolist()]
        colour = colour_of(mark)
        pen.polygon(outline, outline=colour, width=3)
        left, top = min(outline, key=lambda corner: (corner[1], corner[0]))
        place = (max(0.0, min(left, width - font.getlength(caption) - 2)), min(top, height - 18.0))
        frame = pen.textbbox(place, caption, font)
        pen.rectangle(frame, fill=colour)
        pen.text(place, caption, (0, 0, 0) if sum(colour) > 330 else (255, 255, 255), font)
    return picture


def _ground(
    points: NDArray[Any], low: NDArray[Any], scale: float, shape: tuple[int, int]
) -> NDArray[np.uint8]:  # -> [height, width]
    heights = points[:, 1] - points[:, 1].min()
    shown = heights <= CUT * heights.max()
    column, row = ((points[shown][:, [0, 2]] - low) * scale + MARGIN).astype(int).T
    ground = np.full(shape, 255, np.uint8)
    shade = (215 - 150 * heights[shown] / max(float(heights.max()), 1e-9)).astype(np.uint8)
    for right, down in ((0, 0), (1, 0), (0, 1), (1, 1)):  # scans are sparse: a point is four pixels
        np.minimum.at(ground, (row + down, column + right), shade)
    return ground
