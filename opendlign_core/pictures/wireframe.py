"""Boxes and wireframes over photos, line by line as ImageNet3D's own pictures draw them."""

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from opendlign_core.camera import Pose

UInt8 = NDArray[np.uint8]
Rgb = tuple[int, int, int]
Point = tuple[int, int]

GOOD: Rgb = (39, 158, 255)
BAD: Rgb = (236, 112, 99)
BOX: Rgb = (0, 255, 0)
OPACITY = 0.75
_BOX_WIDTH = 2
_FARTHEST = 1 << 20
"""Pixels from the corner: lines that end farther off are cut, since not every pen takes them."""


def wireframe(
    image: UInt8,  # [H, W, 3]
    vertices: NDArray[np.floating],  # [V, 3]
    faces: NDArray[np.integer],  # [F, 3]
    pose: Pose,
    colour: Rgb = GOOD,
    opacity: float = OPACITY,
) -> UInt8:  # [H, W, 3]
    """The photo with every edge of a CAD at its pose, hidden ones too.

    To the pixel as the reference where OpenCV is installed; else lines may take other pixels on their way.
    """
    ends = np.nan_to_num(pose.project(vertices), nan=0.0).clip(-_FARTHEST, _FARTHEST).astype(np.int64)
    drawn = _lines(image, ends[edges_of(faces)], colour)
    mixed = np.rint(opacity * drawn + (1 - opacity) * image)
    return mixed.clip(0, 255).astype(np.uint8)


def edges_of(faces: NDArray[np.integer]) -> NDArray[np.int64]:  # [F, 3] -> [E, 2]
    """Every edge of the triangles once, from its lower vertex to its higher one."""
    ordered = np.sort(faces, axis=1).astype(np.int64)
    pairs = np.concatenate([ordered[:, [0, 1]], ordered[:, [0, 2]], ordered[:, [1, 2]]])
    found: NDArray[np.int64] = np.unique(pairs, axis=0)
    return found


def _lines(image: UInt8, ends: NDArray[np.int64], colour: Rgb) -> UInt8:  # ends [E, 2, 2]
    try:
        import cv2
    except ModuleNotFoundError:
        return lines_without_opencv(image, ends, colour)
    drawn = image.copy()
    for first, second in ends.tolist():
        cv2.line(drawn, first, second, colour, 1)
    return drawn


def lines_without_opencv(image: UInt8, ends: NDArray[np.int64], colour: Rgb) -> UInt8:  # [H, W, 3], [E, 2, 2]
    """Lines one pixel wide, drawn by Pillow."""
    picture = Image.fromarray(image)
    pen = ImageDraw.Draw(picture)
    for first, second in ends.tolist():
        pen.line([tuple(first), tuple(second)], fill=colour)
    return np.array(picture)


def boxed(image: UInt8, box: tuple[float, float, float, float], colour: Rgb = BOX) -> UInt8:  # [H, W, 3]
    """The photo with a box of left, top, right and bottom, two pixels wide."""
    left, top, right, bottom = (int(max(-_FARTHEST, min(side, _FARTHEST))) for side in box)
    try:
        import cv2
    except ModuleNotFoundError:
        picture = Image.fromarray(image)
        ImageDraw.Draw(picture).rectangle([(left, top), (right, bottom)], outline=colour, width=_BOX_WIDTH)
        return np.array(picture)
    drawn = image.copy()
    cv2.rectangle(drawn, (left, top), (right, bottom), colour, _BOX_WIDTH)
    return drawn
