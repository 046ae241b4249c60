"""A procedural room as a scene: room `index` of `seed` is always the same, and no two share a draw."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from opendlign_core.boxes import Boxes
from opendlign_core.ingestion.procedural.dataset import LICENCE, SPLIT_ROUNDS
from opendlign_core.ingestion.procedural.paint import COLOURS, palette
from opendlign_core.ingestion.procedural.primitives import sample_surface
from opendlign_core.ingestion.procedural.rooms.furniture import Thing
from opendlign_core.ingestion.procedural.rooms.layout import Layout, lay_out
from opendlign_core.ingestion.procedural.rooms.scanning import NOISE, SPACING, evenly, seen_from
from opendlign_core.ingestion.procedural.rooms.shell import shell
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
    draw = Draw(np.random.default_rng([STREAM, seed, index]))
    layout = lay_out(draw)
    points, colours, owner = _surfaces(draw, layout)
    chosen = _scan(draw, layout, points)
    noise = draw.rng.normal(0, NOISE, (len(chosen), 3))
    scanned: NDArray[np.float32] = (points[chosen] + noise).astype(np.float32)
    colours, owner = colours[chosen], owner[chosen]
    kept = [thing for thing in range(len(layout.things)) if (owner == thing + 1).sum() >= LEAST_SEEN]
    number = np.zeros(len(layout.things) + 1, np.int32)
    number[np.array(kept, np.int64) + 1] = np.arange(1, len(kept) + 1)
    meta = SceneMeta(
        object_id=f"{source}/{seed}-{index:06d}",
        source=source,
        split=SPLIT_ROUNDS[index % len(SPLIT_ROUNDS)],
        licence=LICENCE,
        things=tuple(layout.things[thing].thing.label for thing in kept),
    )
    instances = number[owner]
    whole = [layout.things[thing].box for thing in kept]
    return Scene(meta, scanned, extents(scanned, instances, len(kept)), colours, instances, _together(whole))


def extents(points: NDArray[np.float32], instances: NDArray[np.int32], things: int) -> Boxes:
    """The box of each thing as ScanNet's are made: the extents of its points along the axes."""
    own = [points[instances == thing + 1].astype(np.float64) for thing in range(things)]
    low, high = (np.array([getattr(rows, side)(0) for rows in own]).reshape(-1, 3) for side in ("min", "max"))
    return Boxes.between(low, high)


def _together(boxes: Sequence[Boxes]) -> Boxes:
    parts = ([getattr(box, name)[0] for box in boxes] for name in ("centres", "sizes", "yaws"))
    centres, sizes, yaws = map(np.array, parts)
    return Boxes.of(centres, sizes, yaws)


def _surfaces(
    draw: Draw, layout: Layout
) -> tuple[NDArray[np.float64], NDArray[np.uint8], NDArray[np.int64]]:  # [N, 3], [N, 3], [N]
    """Points all over the room's surfaces with colours, and 1 + the thing of each, 0 for the room itself."""
    plain = COLOURS["white"]
    room = Thing("room", shell(draw, layout.width, layout.depth, layout.height), palette(plain, plain, draw.rng))
    solids = [(room.solid, room), *((placed.solid, placed.thing) for placed in layout.things)]
    sampled = [sample_surface(solid, round(_area(solid) * DENSE), draw.rng) for solid, _ in solids]
    colours = [thing.colours[solid.paint[face]] for (solid, thing), (_, face) in zip(solids, sampled, strict=True)]
    owner = np.repeat(np.arange(len(solids)), [len(face) for _, face in sampled])
    return np.concatenate([points for points, _ in sampled]), np.concatenate(colours), owner


def _area(solid: Solid) -> float:
    first, second, third = (solid.vertices[solid.faces[:, corner]] for corner in range(3))
    return float(np.linalg.norm(np.cross(second - first, third - first), axis=1).sum() / 2)


def _scan(draw: Draw, layout: Layout, points: NDArray[np.float64]) -> NDArray[np.int64]:
    """The points that are seen from any of the scanner's places, evenly spaced."""
    seen = np.zeros(len(points), bool)
    for x, z in QUARTERS:
        aside, height, ahead = draw.uniform(0.1, 0.4), draw.uniform(1.3, 1.8), draw.uniform(0.1, 0.4)
        seen |= seen_from(points, np.array([x * layout.width * aside, height, z * layout.depth * ahead]))
    # Chosen before it is known who is seen: a stray ray through a surface then shows a stray point, not a whole cube.
    even = evenly(points, SPACING, draw.rng)
    return even[seen[even]]
