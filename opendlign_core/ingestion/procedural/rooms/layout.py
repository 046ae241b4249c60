"""Where the things of a room stand: along walls, around tables, on top of each other, without running into another."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from opendlign_core.boxes import Boxes
from opendlign_core.ingestion.procedural.rooms.furniture import (
    ALONG_WALLS,
    ANYWHERE,
    CARRIES,
    SAT_AT,
    Placed,
    Thing,
    make_thing,
    seats_around,
    standing_on,
)
from opendlign_core.ingestion.procedural.shape import Draw
from opendlign_core.overlap import iou

FEWEST, MOST = 5, 15
TRIES = 12
"""Places tried for a thing before the room goes without it."""


@dataclass(frozen=True, slots=True)
class Layout:
    """A rectangular room around the origin of the floor, and what stands in it."""

    width: float
    depth: float
    height: float
    things: tuple[Placed, ...]


def lay_out(draw: Draw) -> Layout:
    width, depth, height = draw.uniform(4.0, 6.5), draw.uniform(3.5, 6.0), draw.uniform(2.4, 2.9)
    wanted, things = draw.integer(FEWEST + 1, MOST), list[Placed]()
    while len(things) < wanted:
        along = draw.chance(0.55)
        thing = make_thing(draw, _unlike(things, ALONG_WALLS) if along else ANYWHERE)
        places = _along_walls(draw, thing, width, depth) if along else _anywhere(draw, thing, width, depth)
        _add(things, places, width, depth, 1)
        if things and things[-1].thing is thing:
            _furnish(draw, things, width, depth)
    return Layout(width, depth, height, tuple(things[:MOST]))


def _unlike(things: Sequence[Placed], labels: tuple[str, ...]) -> tuple[str, ...]:
    """The labels of what is not there yet: a room has one bed and one piano."""
    present = {one.thing.label for one in things}
    return tuple(label for label in labels if label not in present) or labels


def _furnish(draw: Draw, things: list[Placed], width: float, depth: float) -> None:
    """Put what belongs to the newest thing beside it and on it."""
    newest = things[-1]
    if newest.thing.label in SAT_AT:
        _add(things, seats_around(draw, newest), width, depth, 4, beside=newest)
    if newest.thing.label in CARRIES:
        things.extend(standing_on(draw, newest))


def _add(
    things: list[Placed], places: Iterable[Placed], width: float, depth: float, most: int, beside: Placed | None = None
) -> None:
    """Put up to `most` of the places that are free into the room; `beside` is not in their way."""
    added = 0
    for place in places:
        if added < most and _is_free(place, [one for one in things if one is not beside], width, depth):
            things.append(place)
            added += 1


def _is_free(place: Placed, things: list[Placed], width: float, depth: float) -> bool:
    low, high = place.box.hulls()
    inside = (np.abs([low[0, 0], high[0, 0]]) <= width / 2).all() & (
        np.abs([low[0, 2], high[0, 2]]) <= depth / 2
    ).all()
    return bool(inside) and not any(iou(_flat(place), _flat(one)).any() for one in things)


def _flat(place: Placed) -> Boxes:
    """The thing's footprint at one height, so that nothing stands above or below another by chance."""
    box = place.box
    return Boxes.of(box.centres * [1, 0, 1], box.sizes * [1, 0, 1] + [0, 1, 0], box.yaws)


def _along_walls(draw: Draw, thing: Thing, width: float, depth: float) -> Iterator[Placed]:
    """Backs to a wall, a hand or less away from it."""
    deep = thing.extents[2]
    for _ in range(TRIES):
        degrees, gap = draw.pick((0.0, 90.0, 180.0, -90.0)), draw.uniform(0.01, 0.08)
        across = degrees in (90.0, -90.0)
        wall, along = (width, depth) if across else (depth, width)
        away = -(wall / 2 - deep / 2 - gap) * (1 if degrees in (0.0, 90.0) else -1)
        free = max(along / 2 - thing.extents[0] / 2, 0.0)
        beside = draw.uniform(-free, free)
        yield Placed(thing, degrees, *((away, beside) if across else (beside, away)))


def _anywhere(draw: Draw, thing: Thing, width: float, depth: float) -> Iterator[Placed]:
    for _ in range(TRIES):
        degrees = draw.uniform(-180, 180) if draw.chance(0.5) else draw.pick((0.0, 90.0, 180.0, -90.0))
        x, z = draw.uniform(-width / 2, width / 2), draw.uniform(-depth / 2, depth / 2)
        yield Placed(thing, degrees, x, z)
