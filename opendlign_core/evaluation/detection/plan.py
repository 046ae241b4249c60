"""A scene from above with boxes and names: the picture in which people see at once what was found where."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from opendlign_core.boxes import Boxes
from opendlign_core.evaluation.detection.captions import write_captions
from opendlign_core.pictures import colour_of

MARGIN, CUT = 24, 0.85
"""Pixels around the scene; the share of its height up to which it is drawn, without ceiling and lintels."""


def plan(
    points: NDArray[Any],  # [N, 3], y up
    boxes: Boxes,
    captions: Sequence[str],
    marks: Sequence[int],
    size: int = 900,
    framed: Boxes | None = None,
) -> Image.Image:
    """Grey points, the higher the darker, under the footprints of boxes; `marks` number the colours of boxes.

    What is `framed`, the boxes themselves where nothing else is, fits into the picture beside the points.
    """
    around = (framed or boxes).footprints().reshape(-1, 2)
    extent = np.concatenate([points[:, [0, 2]], around])
    low, high = extent.min(0), extent.max(0)
    scale = (size - 2 * MARGIN) / float((high - low).max())
    width, height = ((high - low) * scale + 2 * MARGIN).astype(int).tolist()
    picture = Image.fromarray(_ground(points, low, scale, (height, width))).convert("RGB")
    pen, places = ImageDraw.Draw(picture), []
    for corners, mark in zip(boxes.footprints(), marks, strict=True):
        outline = [(across, down) for across, down in ((corners - low) * scale + MARGIN).tolist()]
        pen.polygon(outline, outline=colour_of(mark), width=3)
        places.append(min(outline, key=lambda corner: (corner[1], corner[0])))
    write_captions(picture, places, captions, marks)
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
