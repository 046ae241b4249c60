"""A coloured shape from several sides in one picture, with a legend."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from opendlign_core.pictures.clouds import cloud_picture
from opendlign_core.pictures.sheets import INK, PAPER, Rgb

AZIMUTHS = (35.0, 125.0, 215.0, 305.0)
"""Around the shape from its front."""

_ELEVATION = 22.0
_FONT = 15
_LINE = 24
_SWATCH = 14
_GAP = 8


@dataclass(frozen=True)
class Named:
    """One entry of a legend."""

    colour: Rgb
    words: str


def turned(
    points: NDArray[np.floating], colours: NDArray[np.uint8], legend: Sequence[Named], title: str = "", side: int = 260
) -> Image.Image:
    """Draw a y-up cloud [N, 3] with colours [N, 3] from four sides in a row, the legend below.

    >>> ball = np.random.default_rng(0).normal(size=(500, 3))
    >>> turned(ball, np.full((500, 3), 90, np.uint8), [Named((90, 90, 90), "ball")], side=100).size
    (400, 124)
    """
    views = [cloud_picture(points, colours, size=side, azimuth=turn, elevation=_ELEVATION) for turn in AZIMUTHS]
    width = side * len(views)
    lines = _lines(legend, width)
    head = _LINE if title else 0
    picture = Image.new("RGB", (width, head + side + _LINE * len(lines)), PAPER)
    pen, font = ImageDraw.Draw(picture), ImageFont.load_default(size=_FONT)
    pen.text((_GAP, head / 2), title, fill=INK, font=font, anchor="lm")
    picture.paste(Image.fromarray(np.concatenate(views, axis=1)), (0, head))
    for row, line in enumerate(lines):
        middle, left = head + side + _LINE * row + _LINE / 2, float(_GAP)
        for one in line:
            pen.rectangle((left, middle - _SWATCH / 2, left + _SWATCH, middle + _SWATCH / 2), one.colour, INK)
            pen.text((left + _SWATCH + 5, middle), one.words, fill=INK, font=font, anchor="lm")
            left += _width(one)
    return picture


def _lines(legend: Sequence[Named], width: int) -> list[list[Named]]:
    """Entries in as many lines as they need."""
    lines, left = list[list[Named]](), float(width)
    for one in legend:
        if left + _width(one) > width:
            lines.append([])
            left = float(_GAP)
        lines[-1].append(one)
        left += _width(one)
    return lines


def _width(one: Named) -> float:
    return _SWATCH + 5 + ImageFont.load_default(size=_FONT).getlength(one.words) + 2 * _GAP
