"""A procedural room as a scene: room `index` of `seed` is always the same, and no two share a draw."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from opendlign_core.boxes import Boxes
from opendlign_core.ingestion.procedural.dataset import LICENCE, SPLIT_ROUNDS
from opendlign_core.ingestion.procedural.paint import COLOURS, palette
from opendlign_core.ingestion.procedural.primitives import sample_surface
from opendlign_core.ingestion.procedural.rooms.furniture import Thing
from opendlign_core.ingestion.procedural.rooms.layout import Layout, lay_out
from opendlign_core.ingestion.procedural.rooms.scanning import SPACING, blurred, evenly, holes, seen_from
from opendlign_core.ingestion.procedural.shape import Draw
from opendlign_core.ingestion.procedural.solid import Solid
from opendlign_core.samples.meta import SceneMeta
from opendlign_core.samples.scene import Scene

STREAM = 0x700D
"""Keeps the draws of rooms apart from those of single objects."""
DENSE = 5000
"""Points per square metre before anything is hidden: so many that no ray slips through a surface a metre away."""
QUARTERS = ((1, 1), (-1, 1), (-1, -1), (1, -1))
"""Of the room, in each of which the scanner stands once."""
LEAST_SEEN = 40
"""Points of which a thing must be seen to have a box: nobody would draw one around fewer."""


def procedural_room(seed: int, index: int, source: str = "rooms") -> Scene:
    """Room `index`, y up and in metres, its floor at y = 0; ten rooms in a row are split as ten rounds of objects.

    >>> room = procedural_room(seed=0, index=2)
    >>> room.meta.split, 5 <= len(room.meta.things) <= 15, room.points.shape[1]
    ('test', True, 3)
    """
    room = scanned_room(seed, index)
    kept = [number for number in range(len(room.layout.things)) if room.seen(number) >= LEAST_SEEN]
    number = np.zeros(room.solids, np.int32)
    number[kept] = np.arange(1, len(kept) + 1)
    instances = np.append(number, np.int32(0))[room.owner]
    things = [room.layout.things[thing] for thing in kept]
    meta = SceneMeta(
        object_id=f"{source}/{seed}-{index:06d}",
        source=source,
        split=SPLIT_ROUNDS[index % len(SPLIT_ROUNDS)],
        licence=LICENCE,
        things=tuple(placed.thing.label for placed in things),
    )
    boxes = extents(room.points, instances, len(kept))
    whole = Boxes.together([placed.box for placed in things])
    return Scene(meta, room.points, boxes, room.colours, instances, whole)


@dataclass(frozen=True, eq=False)
class ScannedRoom:
    """What a scanner saw of a room, and of which solid it saw each point."""

    layout: Layout
    points: NDArray[np.float32]  # [N, 3]
    colours: NDArray[np.uint8]  # [N, 3]
    owner: NDArray[np.int64]  # [N], the solid by its place among things, fixtures, clutter; -1 for floor and walls

    @property
    def solids(self) -> int:
        return len(self.layout.things) + len(self.layout.shell.fixtures) + len(self.layout.clutter)

    def seen(self, solid: int) -> int:
        return int((self.owner == solid).sum())


def scanned_room(seed: int, index: int) -> ScannedRoom:
    """The room before it is known what has a name: the fixtures of its walls and the clutter are told apart too."""
    draw = Draw(np.random.default_rng([STREAM, seed, index]))
    layout = lay_out(draw)
    points, colours, owner = _surfaces(draw, layout)
    chosen = _scan(draw, layout, points)
    scanned = blurred(points[chosen], draw.rng).astype(np.float32)
    return ScannedRoom(layout, scanned, colours[chosen], owner[chosen])


def extents(points: NDArray[np.float32], instances: NDArray[np.int32], things: int) -> Boxes:
    """The box of each thing as ScanNet's are made: the extents of its points along the axes."""
    own = [points[instances == thing + 1].astype(np.float64) for thing in range(things)]
    low, high = (np.array([getattr(rows, side)(0) for rows in own]).reshape(-1, 3) for side in ("min", "max"))
    return Boxes.between(low, high)


def _surfaces(
    draw: Draw, layout: Layout
) -> tuple[NDArray[np.float64], NDArray[np.uint8], NDArray[np.int64]]:  # [N, 3], [N, 3], [N]
    """Points all over the room's surfaces with colours, and the number of the solid of each."""
    plain = COLOURS["white"]
    shell = Thing("room", layout.shell.solid, palette(plain, plain, draw.rng))
    solids = [(placed.solid, placed.thing) for placed in layout.things]
    solids += [(fixture.solid, fixture) for fixture in layout.shell.fixtures]
    solids += [(placed.solid, placed.thing) for placed in layout.clutter]
    solids.append((shell.solid, shell))
    sampled = [sample_surface(solid, round(_area(solid) * DENSE), draw.rng) for solid, _ in solids]
    colours = [thing.colours[solid.paint[face]] for (solid, thing), (_, face) in zip(solids, sampled, strict=True)]
    numbers = [*range(len(solids) - 1), -1]
    owner = np.repeat(numbers, [len(face) for _, face in sampled])
    points = np.concatenate([points for points, _ in sampled])
    bare = ~((owner == -1) & layout.shell.covers(points))
    return points[bare], np.concatenate(colours)[bare], owner[bare]


def _area(solid: Solid) -> float:
    first, second, third = (solid.vertices[solid.faces[:, corner]] for corner in range(3))
    return float(np.linalg.norm(np.cross(second - first, third - first), axis=1).sum() / 2)


def _scan(draw: Draw, layout: Layout, points: NDArray[np.float64]) -> NDArray[np.int64]:
    """The points that are seen from any of the scanner's places, evenly spaced, but for a few holes."""
    seen = np.zeros(len(points), bool)
    for x, z in QUARTERS:
        aside, height, ahead = draw.uniform(0.1, 0.4), draw.uniform(1.3, 1.8), draw.uniform(0.1, 0.4)
        seen |= seen_from(points, np.array([x * layout.width * aside, height, z * layout.depth * ahead]))
    # Chosen before it is known who is seen: a stray ray through a surface then shows a stray point, not a whole cube.
    even = evenly(points, SPACING, draw.rng)
    even = even[seen[even]]
    return even[~holes(points[even], draw.rng)]
