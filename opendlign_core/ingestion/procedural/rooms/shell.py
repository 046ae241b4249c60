"""Floor, walls, windows and a door: what is in every room and is no thing of it."""

from __future__ import annotations

from collections.abc import Iterator

from opendlign_core.ingestion.procedural.paint import Paint
from opendlign_core.ingestion.procedural.primitives import box
from opendlign_core.ingestion.procedural.shape import Draw
from opendlign_core.ingestion.procedural.solid import Solid, join

THICK = 0.001
"""Metres of floor and walls: scanners only see their inner sides."""
SILL, LINTEL = 0.9, 2.1
"""Between which a window is open: nothing is seen of its glass."""


def shell(draw: Draw, width: float, depth: float, height: float) -> Solid:
    """The room without a ceiling, as scans mostly are. Walls face +z when built, then stand around the floor."""
    floor = box(width, THICK, depth, (0, -THICK / 2, 0)).painted(Paint.WOOD)
    walls = []
    door = draw.integer(0, 3)
    for side in range(4):
        long, away = (width, depth) if side % 2 == 0 else (depth, width)
        opened = side != door and draw.chance(0.6)
        panels = _window_wall(draw, long, height) if opened else _closed_wall(draw, long, height, side == door)
        walls.append(join(*panels).move(z=-away / 2 - THICK / 2).turn("y", 90.0 * side))
    return join(floor, *walls)


def _closed_wall(draw: Draw, long: float, height: float, door: bool) -> Iterator[Solid]:
    yield box(long, height, THICK, (0, height / 2, 0)).painted(Paint.WHITE)
    if door:
        wide = draw.uniform(0.8, 1.0)
        free = long / 2 - wide / 2 - 0.1
        yield box(wide, 2.0, 0.06, (draw.uniform(-free, free), 1.0, 0.0)).painted(Paint.STEEL)


def _window_wall(draw: Draw, long: float, height: float) -> Iterator[Solid]:
    """A wall in four panels around an opening with a frame."""
    wide = draw.uniform(0.8, min(2.0, long - 1.0))
    free = long / 2 - wide / 2 - 0.3
    middle = draw.uniform(-free, free)
    left, right = middle - wide / 2, middle + wide / 2
    for low, high, bottom, top in (
        (-long / 2, left, 0.0, height),
        (right, long / 2, 0.0, height),
        (left, right, 0.0, SILL),
        (left, right, LINTEL, height),
    ):
        at = ((low + high) / 2, (bottom + top) / 2, 0.0)
        yield box(high - low, top - bottom, THICK, at).painted(Paint.WHITE)
    for x in (left, middle, right):
        yield box(0.06, LINTEL - SILL, 0.1, (x, (SILL + LINTEL) / 2, -0.04)).painted(Paint.STEEL)
