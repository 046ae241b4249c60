"""The things of a room: solids in metres that stand on y = 0 with their fronts towards +z."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from opendlign_core.boxes import Boxes
from opendlign_core.ingestion.procedural import captions
from opendlign_core.ingestion.procedural.dataset import MAX_STRETCH, select_categories
from opendlign_core.ingestion.procedural.paint import COLOURS, Paint, palette
from opendlign_core.ingestion.procedural.primitives import box, sphere
from opendlign_core.ingestion.procedural.shape import Draw
from opendlign_core.ingestion.procedural.solid import Solid
from opendlign_core.pictures.clouds import UInt8

ALONG_WALLS = ("bed", "sofa", "bookshelf", "wardrobe", "dresser", "desk", "bench", "piano")
ANYWHERE = ("table", "armchair", "stool", "potted plant", "lamp", "bucket", "chair")
ON_TOP = ("monitor", "laptop", "teapot", "vase", "potted plant")
CARRIES = ("table", "desk", "dresser")
"""What others may stand on."""
SAT_AT = ("table", "desk")
"""What chairs stand around."""


@dataclass(frozen=True, slots=True)
class Thing:
    """A solid with its name and the colours of its paints."""

    label: str
    solid: Solid
    colours: UInt8  # [S, 3], of every paint

    @property
    def extents(self) -> tuple[float, float, float]:
        width, height, depth = np.ptp(self.solid.vertices, axis=0).tolist()
        return width, height, depth


@dataclass(frozen=True, slots=True)
class Placed:
    """A thing turned by degrees about y, as `Solid.turn` does, then moved to (x, base, z)."""

    thing: Thing
    degrees: float
    x: float
    z: float
    base: float = 0.0

    @property
    def solid(self) -> Solid:
        return self.thing.solid.turn("y", self.degrees).move(self.x, self.base, self.z)

    @property
    def box(self) -> Boxes:
        """Around all of it, turned as it is."""
        width, height, depth = self.thing.extents
        centre = (self.x, self.base + height / 2, self.z)
        return Boxes.of([centre], [(width, height, depth)], [-np.radians(self.degrees)])


def make_thing(draw: Draw, labels: Sequence[str]) -> Thing:
    """A thing of one of these categories, its middle over the origin."""
    (category,) = select_categories((draw.pick(labels),))
    stretch = [1 + draw.uniform(-MAX_STRETCH, MAX_STRETCH) for _ in "xyz"]
    solid = category.build(draw).solid.scale(*stretch)
    low, high = solid.vertices.min(0), solid.vertices.max(0)
    x, _, z = ((low + high) / 2).tolist()
    body = COLOURS[captions.pick_colour(draw, category)]
    colours = palette(body, COLOURS[draw.pick(tuple(COLOURS))], draw.rng)
    return Thing(category.label, solid.move(-x, -float(low[1]), -z), colours)


def standing_on(draw: Draw, carrier: Placed) -> Iterator[Placed]:
    """Up to two small things on top of one that carries them."""
    width, height, depth = carrier.thing.extents
    for side in (-1, 1)[: draw.integer(0, 2)]:
        thing = make_thing(draw, ON_TOP)
        free = (width / 2 - thing.extents[0]) * draw.uniform(0.5, 1)
        if free > 0 and thing.extents[2] < depth:
            x, z = _turned(side * (thing.extents[0] / 2 + free / 2), 0.0, carrier.degrees)
            yield Placed(thing, carrier.degrees + draw.uniform(-20, 20), carrier.x + x, carrier.z + z, height)


def make_clutter(draw: Draw) -> Thing:
    """Something small of no name: a box, a bag, a pile."""
    wide, high, deep = draw.uniform(0.1, 0.4), draw.uniform(0.05, 0.35), draw.uniform(0.1, 0.4)
    at = (0.0, high / 2, 0.0)
    solid = box(wide, high, deep, at) if draw.chance(0.6) else sphere(0.5).scale(wide, high, deep).move(*at)
    return Thing("clutter", solid.painted(Paint.BODY), palette(_any_colour(draw), _any_colour(draw), draw.rng))


def _any_colour(draw: Draw) -> tuple[int, int, int]:
    return COLOURS[draw.pick(tuple(COLOURS))]


def clutter_on(draw: Draw, carrier: Placed) -> Iterator[Placed]:
    """Up to three small things of no name, side by side on one that carries them."""
    width, height, depth = carrier.thing.extents
    count = draw.integer(0, 3)
    for number in range(count):
        thing = make_clutter(draw)
        if thing.extents[0] < width / count and thing.extents[2] < depth:
            x, z = _turned(((number + 0.5) / count - 0.5) * width, 0.0, carrier.degrees)
            yield Placed(thing, carrier.degrees, carrier.x + x, carrier.z + z, height)


def seats_around(draw: Draw, served: Placed) -> Iterator[Placed]:
    """Chairs at the sides of a table or in front of a desk, partly pushed under it."""
    width, _, depth = served.thing.extents
    sides = (0.0,) if served.thing.label == "desk" else (0.0, 180.0, 90.0, -90.0)
    for side in sides[: draw.integer(1, len(sides))]:
        chair = make_thing(draw, ("chair",))
        reach = (depth if side in (0.0, 180.0) else width) / 2
        away = reach + chair.extents[2] * draw.uniform(0.1, 0.5)
        x, z = _turned(0.0, away, served.degrees + side)
        yield Placed(chair, served.degrees + side + 180 + draw.uniform(-15, 15), served.x + x, served.z + z)


def _turned(x: float, z: float, degrees: float) -> tuple[float, float]:
    c, s = float(np.cos(np.radians(degrees))), float(np.sin(np.radians(degrees)))
    return c * x + s * z, c * z - s * x
