"""Colours of parts that the colour-blind tell apart (Okabe and Ito)."""

COLOURS = (
    (230, 159, 0), (86, 180, 233), (0, 158, 115), (240, 228, 66), (0, 114, 178), (213, 94, 0), (204, 121, 167),
    (110, 110, 110),
)  # fmt: skip
"""By number of the part; from the ninth on they repeat."""


def css_colour(part: int) -> str:
    """The colour of a part as style sheets write it.

    >>> css_colour(0), css_colour(8) == css_colour(0)
    ('rgb(230, 159, 0)', True)
    """
    return f"rgb{COLOURS[part % len(COLOURS)]}"
