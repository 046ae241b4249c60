"""Colours of parts and classes, for eyes of every kind: those of Okabe and Ito, and more in their manner."""

import numpy as np
from numpy.typing import NDArray

PALETTE = (
    (230, 159, 0), (86, 180, 233), (0, 158, 115), (240, 228, 66), (0, 114, 178), (213, 94, 0), (204, 121, 167),
    (110, 110, 110), (136, 34, 85), (153, 153, 51), (51, 34, 136), (196, 164, 132),
)  # fmt: skip
"""By number of the part; the next twelve are these again, lighter, and then all repeat."""

NO_PART = (215, 215, 215)


def colour_of(part: int) -> tuple[int, int, int]:
    """The colour of a part.

    >>> colour_of(0), colour_of(12), colour_of(24)
    ((230, 159, 0), (244, 215, 148), (230, 159, 0))
    """
    red, green, blue = PALETTE[part % len(PALETTE)]
    if part // len(PALETTE) % 2 == 0:
        return red, green, blue
    return _lighter(red), _lighter(green), _lighter(blue)


def _lighter(shade: int) -> int:
    return round(255 - 0.42 * (255 - shade))


def css_colour(part: int) -> str:
    """The colour of a part as style sheets write it.

    >>> css_colour(0)
    'rgb(230, 159, 0)'
    """
    return f"rgb{colour_of(part)}"


def colours_of(parts: NDArray[np.integer]) -> NDArray[np.uint8]:  # [N] -> [N, 3]
    """The colour of every point; those without a part, below 0, are light grey."""
    table = np.array([colour_of(part) for part in range(2 * len(PALETTE))], np.uint8)
    return np.where((parts >= 0)[:, None], table[parts % len(table)], np.array(NO_PART, np.uint8))
