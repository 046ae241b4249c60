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
    clutter_on,
    make_clutter,
    make_thing,
    seats_around,
    standing_on,
)
from opendlign_core.ingestion.procedural.rooms.shell import Shell, build_shell
from opendlign_core.ingestion.procedural.shape import Draw
from opendlign_core.overlap import iou

FEWEST, MOST = 5, 15
TRIES = 12
"""Places tried for a thing before the room goes without it."""
LITTER = 6
"""Small things without a name on the floor of a room, at most."""


@dataclass(frozen=True, slots=True)
class Layout:
    """A rectangular room around the origin of the floor, and what stands in it."""

    width: float
    depth: float
    height: float
    shell: Shell
    things: tuple[Placed, ...]
    clutter: tuple[Placed, ...]
    """What lies about and has no name."""


@dataclass(frozen=True, slots=True)
class _Floor:
    """Where things can stand."""

    width: float
    depth: float
    taken: Boxes

    def is_free(self, place: Placed, things: Sequence[Placed]) -> bool:
        low, high = place.box.hulls()
        half = np.array([self.width, self.depth]) / 2
        inside = (low[0, ::2] >= -half).all() and (high[0, ::2] <= half).all()
        return bool(inside) and not (
            iou(place.box, self.taken).any() or any(iou(_flat(place), _flat(one)).any() for one in things)
        )


def lay_out(draw: Draw) -> Layout:
    width, depth, height = draw.uniform(4.0, 6.5), draw.uniform(3.5, 6.0), draw.uniform(2.4, 2.9)
    shell = build_shell(draw, width, depth, height)
    floor, wanted, things = _Floor(width, depth, shell.taken), draw.integer(FEWEST + 1, MOST), list[Placed]()
    while len(things) < wanted:
        along = draw.chance(0.55)
        thing = make_thing(draw, _unlike(things, ALONG_WALLS) if along else ANYWHERE)
        places = _along_walls(draw, thing, width, depth) if along else _anywhere(draw, thing, width, depth)
        _add(things, places, floor, 1)
        if things and things[-1].thing is thing:
            _furnish(draw, things, floor)
    named = tuple(things[:MOST])
    return Layout(width, depth, height, shell, named, tuple(_clutter(draw, named, floor)))


def _unlike(things: Sequence[Placed], labels: tuple[str, ...]) -> tuple[str, ...]:
    """The labels of what is not there yet: a room has one bed and one piano."""
    present = {one.thing.label for one in things}
    return tuple(label for label in labels if label not in present) or labels


def _furnish(draw: Draw, things: list[Placed], floor: _Floor) -> None:
    """Put what belongs to the newest thing beside it and on it."""
    newest = things[-1]
    if newest.thing.label in SAT_AT:
        _add(things, seats_around(draw, newest), floor, 4, beside=newest)
    if newest.thing.label in CARRIES:
        things.extend(standing_on(draw, newest))


def _clutter(draw: Draw, things: Sequence[Placed], floor: _Floor) -> Iterator[Placed]:
    """Small things on what carries any, and on the floor."""
    for placed in things:
        if placed.thing.label in CARRIES and not any(one.base > 0 and _flat_over(one, placed) for one in things):
            yield from clutter_on(draw, placed)
    lying: list[Placed] = []
    for _ in range(draw.integer(0, LITTER)):
        _add(lying, _anywhere(draw, make_clutter(draw), floor.width, floor.depth), floor, 1, things)
    yield from lying


def _flat_over(upper: Placed, lower: Placed) -> bool:
    return bool(iou(_flat(upper), _flat(lower)).any())


def _add(
    things: list[Placed],
    places: Iterable[Placed],
    floor: _Floor,
    most: int,
    others: Sequence[Placed] = (),
    beside: Placed | None = None,
) -> None:
    """Put up to `most` of the places that are free into the room; `beside` is not in their way."""
    added = 0
    for place in places:
        if added < most and floor.is_free(place, [one for one in (*things, *others) if one is not beside]):
            things.append(place)
            added += 1


def _flat(place: Placed) -> Boxes:
    """The thing's footprint at one height, so that nothing stands above or below another by chance."""
    box = place.box
    return Boxes.of(box.centres * [1, 0, 1], box.sizes * [1, 0, 1] + [0, 1, 0], box.yaws)


def _along_walls(draw: Draw, thing: Thing, width: float, depth: float) -> Iterator[Placed]:
    """Backs to a wall, mostly no more than a hand away from it."""
    deep = thing.extents[2]
    for _ in range(TRIES):
        degrees, gap = draw.pick((0.0, 90.0, 180.0, -90.0)), draw.uniform(0.0, 0.06)
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
