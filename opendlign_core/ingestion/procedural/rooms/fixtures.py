"""What is fixed to a wall, flush with it or nearly so: the things that scans of rooms tell worst from their walls.

All of it is made in the wall's own frame: x along it from its middle, y up from the floor, the room towards +z.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from opendlign_core.ingestion.procedural.paint import Paint
from opendlign_core.ingestion.procedural.primitives import box, prism
from opendlign_core.ingestion.procedural.shape import Draw
from opendlign_core.ingestion.procedural.solid import Solid, join

SILL, LINTEL = 0.9, 2.1
"""Between which a window is open: nothing is seen of its glass."""
FRAME = 0.06
"""Metres that the bars of a window are wide."""

FLAT = ("door", "picture", "cupboard")
"""What hides the wall that it is fixed to."""

Fixed = tuple[str, Solid]
"""A name and a solid."""


def door(draw: Draw, long: float) -> Fixed:
    """A leaf in a frame, a few centimetres before or behind the wall's face."""
    wide, proud = draw.uniform(0.8, 1.0), draw.uniform(0.02, 0.06)
    free = long / 2 - wide / 2 - 0.1
    x = draw.uniform(-free, free)
    leaf = box(wide, 2.0, proud, (x, 1.0, proud / 2)).painted(Paint.BODY)
    jambs = [box(0.07, 2.07, proud + 0.02, (x + side * wide / 2, 1.035, proud / 2)) for side in (-1, 1)]
    knob = box(0.12, 0.03, 0.05, (x + wide / 2 - 0.12, 1.0, proud + 0.025)).painted(Paint.STEEL)
    return "door", join(leaf, *(jamb.painted(Paint.ACCENT) for jamb in jambs), knob)


def window(middle: float, wide: float) -> Fixed:
    """The bars of a window, which stand before the wall a little."""
    high, halfway = LINTEL - SILL, (SILL + LINTEL) / 2
    upright = [box(FRAME, high, 0.1, (middle + x, halfway, 0.04)) for x in (-wide / 2, 0.0, wide / 2)]
    level = [box(wide + FRAME, FRAME, 0.1, (middle, y, 0.04)) for y in (SILL, LINTEL)]
    return "window", join(*(bar.painted(Paint.STEEL) for bar in (*upright, *level)))


def curtains(draw: Draw, middle: float, wide: float) -> Iterator[Fixed]:
    """Folds of cloth beside a window, from above it to the floor or the sill."""
    bottom = draw.pick((0.05, SILL - 0.1))
    for side in (-1, 1) if draw.chance(0.6) else ():
        broad = draw.uniform(0.25, 0.5)
        folds = prism(_folds(broad), LINTEL + 0.15 - bottom)
        upright = folds.turn("x", 90.0).move(y=(LINTEL + 0.15 + bottom) / 2)
        yield "curtain", upright.move(middle + side * wide / 2, 0.0, 0.13).painted(Paint.BODY)


def _folds(broad: float) -> list[tuple[float, float]]:
    """The outline of cloth from above, some centimetres deep."""
    x = np.linspace(-broad / 2, broad / 2, 25)
    front = 0.03 * np.sin(x * 2 * np.pi / 0.12)
    there = list(zip(x, front, strict=True))
    return [*there, *((a, b - 0.01) for a, b in reversed(there))]


def on_wall(draw: Draw, long: float) -> Iterator[Fixed]:
    """From one end of a closed wall to the other: cupboards that are built in or hang, pictures, or nothing."""
    x = -long / 2 + draw.uniform(0.05, 0.8)
    while x < long / 2 - 0.4:
        wide = min(draw.uniform(0.5, 1.4), long / 2 - 0.05 - x)
        kind = draw.pick(("picture", "hanging", "built in", "nothing", "nothing"))
        if kind == "picture":
            yield "picture", _picture(draw, x + wide / 2, wide)
        elif kind != "nothing":
            yield "cupboard", _cupboard(draw, x + wide / 2, wide, kind == "hanging")
        x += wide + draw.uniform(0.0, 0.6)


def _picture(draw: Draw, x: float, wide: float) -> Solid:
    high, thick = draw.uniform(0.3, 0.8), draw.uniform(0.02, 0.04)
    return box(min(wide, 0.9), high, thick, (x, draw.uniform(1.4, 1.7), thick / 2)).painted(Paint.BODY)


def _cupboard(draw: Draw, x: float, wide: float, hanging: bool) -> Solid:
    """Doors side by side; one that is built in stands before the wall by no more than its doors."""
    deep = draw.uniform(0.25, 0.4) if hanging else draw.uniform(0.02, 0.08)
    bottom, top = (draw.uniform(1.35, 1.5), draw.uniform(1.9, 2.2)) if hanging else (0.05, draw.uniform(1.9, 2.3))
    body = box(wide, top - bottom, deep, (x, (bottom + top) / 2, deep / 2)).painted(Paint.BODY)
    leaves = max(1, round(wide / 0.5))
    panels = [
        box(
            wide / leaves - 0.03,
            top - bottom - 0.04,
            0.02,
            (x + (leaf - (leaves - 1) / 2) * wide / leaves, (bottom + top) / 2, deep),
        )
        for leaf in range(leaves)
    ]
    return join(body, *(panel.painted(Paint.ACCENT) for panel in panels))
