"""Colours of parts and classes, for eyes of every kind: those of Okabe and Ito, and more in their manner."""

import numpy as np
from numpy.typing import NDArray

PALETTE = (
    (230, 159, 0), (86, 180, 233), (0, 158, 115), (240, 228, 66), (0, 114, 178), (213, 94, 0), (204, 121, 167),
    (110, 110, 110), (136, 34, 85), (153, 153, 51), (51, 34, 136), (196, 164, 132),
)  # fmt: skip
"""By number of the part; from the thirteenth on they repeat."""

NO_PART = (215, 215, 215)


def css_colour(part: int) -> str:
    """The colour of a part as style sheets write it.

    >>> css_colour(0), css_colour(12) == css_colour(0)
    ('rgb(230, 159, 0)', True)
    """
    return f"rgb{PALETTE[part % len(PALETTE)]}"


def colours_of(parts: NDArray[np.integer]) -> NDArray[np.uint8]:  # [N] -> [N, 3]
    """The colour of every point; those without a part, below 0, are light grey."""
    table = np.array(PALETTE, np.uint8)
    return np.where((parts >= 0)[:, None], table[parts % len(table)], np.array(NO_PART, np.uint8))
