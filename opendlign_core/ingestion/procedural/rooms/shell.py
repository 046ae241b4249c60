"""Floor and walls, and what is fixed to them: what is in every room before anything is put there."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from opendlign_core.boxes import Boxes, Hulls
from opendlign_core.ingestion.procedural.paint import COLOURS, Paint, palette
from opendlign_core.ingestion.procedural.primitives import box
from opendlign_core.ingestion.procedural.rooms.fixtures import (
    FLAT,
    LINTEL,
    SILL,
    Fixed,
    curtains,
    door,
    on_wall,
    window,
)
from opendlign_core.ingestion.procedural.rooms.furniture import Thing
from opendlign_core.ingestion.procedural.shape import Draw
from opendlign_core.ingestion.procedural.solid import Solid, join

THICK, INNER = 0.001, 0.1
"""Metres of floor and outer walls, of which scanners only see the inner sides, and of a wall within the room."""


@dataclass(frozen=True, slots=True)
class Shell:
    """A room without a ceiling, as scans mostly are, and the things that belong to its walls."""

    solid: Solid
    fixtures: tuple[Thing, ...]  # standing where they belong
    taken: Boxes
    """Where nothing else can stand."""

    def covers(self, points: NDArray[np.float64]) -> NDArray[np.bool_]:  # [N, 3] -> [N]
        """Which points of a wall lie behind something that is flat against it, which no scanner looks behind."""
        flat = [number for number, thing in enumerate(self.fixtures) if thing.label in FLAT]
        behind = Boxes.of(self.taken.centres[flat], self.taken.sizes[flat] + 2 * THICK)
        return np.asarray(behind.contain(points).any(0))


def build_shell(draw: Draw, width: float, depth: float, height: float) -> Shell:
    solids, fixtures = [box(width, THICK, depth, (0, -THICK / 2, 0)).painted(Paint.WOOD)], list[Thing]()
    entry = draw.integer(0, 3)
    for side in range(4):
        long, away = (width, depth) if side % 2 == 0 else (depth, width)
        panels, fixed = _wall(draw, long, height, side == entry)
        solids += [_stood(panel, side, away) for panel in panels]
        fixtures += [_painted(draw, label, _stood(solid, side, away)) for label, solid in fixed]
    taken = [_around(thing.solid) for thing in fixtures]
    if draw.chance(0.4):
        inner = _inner_wall(draw, width, depth, height)
        solids.append(inner)
        taken.append(_around(inner))
    low, high = (np.array([getattr(one, side)[0] for one in taken]) for side in ("low", "high"))
    return Shell(join(*solids), tuple(fixtures), Boxes.between(low, high))


def _stood(solid: Solid, side: int, away: float) -> Solid:
    """From the wall's own frame, in which the room lies towards +z, to its place in the room."""
    return solid.move(z=-away / 2).turn("y", 90.0 * side)


def _painted(draw: Draw, label: str, solid: Solid) -> Thing:
    body, accent = (COLOURS[draw.pick(tuple(COLOURS))] for _ in range(2))
    return Thing(label, solid, palette(body, accent, draw.rng))


def _around(solid: Solid) -> Hulls:
    return Hulls(solid.vertices.min(0, keepdims=True), solid.vertices.max(0, keepdims=True))


def _wall(draw: Draw, long: float, height: float, entry: bool) -> tuple[list[Solid], list[Fixed]]:
    """The panels of a wall, and what is fixed to it."""
    if not entry and draw.chance(0.5):
        wide = draw.uniform(0.8, min(2.0, long - 1.0))
        free = long / 2 - wide / 2 - 0.3
        middle = draw.uniform(-free, free)
        frame = window(middle, wide)
        return list(_around_opening(long, height, middle, wide)), [frame, *curtains(draw, middle, wide)]
    whole = box(long, height, THICK, (0, height / 2, -THICK / 2)).painted(Paint.WHITE)
    return [whole], [*([door(draw, long)] if entry else []), *(() if entry else on_wall(draw, long))]


def _around_opening(long: float, height: float, middle: float, wide: float) -> Iterator[Solid]:
    left, right = middle - wide / 2, middle + wide / 2
    for low, high, bottom, top in (
        (-long / 2, left, 0.0, height),
        (right, long / 2, 0.0, height),
        (left, right, 0.0, SILL),
        (left, right, LINTEL, height),
    ):
        at = ((low + high) / 2, (bottom + top) / 2, -THICK / 2)
        yield box(high - low, top - bottom, THICK, at).painted(Paint.WHITE)


def _inner_wall(draw: Draw, width: float, depth: float, height: float) -> Solid:
    """A wall from one side some way into the room, clear of where scanners stand."""
    side, long = draw.pick((-1, 1)), depth * draw.uniform(0.3, 0.5)
    at = (width * draw.uniform(-0.08, 0.08), height / 2, side * (depth - long) / 2)
    return box(INNER, height, long, at).painted(Paint.WHITE)
