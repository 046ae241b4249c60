"""Procedural rooms: the same room every time, things that stand where they may, boxes around what is seen."""

from functools import cache

import numpy as np
import pytest

from opendlign_core.boxes import Boxes
from opendlign_core.ingestion.procedural import LABELS
from opendlign_core.ingestion.procedural.rooms.furniture import Placed, make_thing
from opendlign_core.ingestion.procedural.rooms.layout import FEWEST, MOST, Layout, lay_out
from opendlign_core.ingestion.procedural.rooms.room import LEAST_SEEN, procedural_room, scanned_room
from opendlign_core.ingestion.procedural.rooms.scanning import SPACING, blurred, evenly, holes, seen_from
from opendlign_core.ingestion.procedural.shape import Draw
from opendlign_core.overlap import iou
from opendlign_core.samples import Scene

ROOMS = [procedural_room(0, index) for index in range(4)]


@cache
def layouts() -> list[Layout]:
    return [lay_out(Draw(np.random.default_rng(seed))) for seed in range(25)]


def test_a_room_depends_on_seed_and_index_alone() -> None:
    assert procedural_room(0, 1).fields() == ROOMS[1].fields()
    assert not np.array_equal(procedural_room(1, 1).points[:100], ROOMS[1].points[:100])


def test_rooms_are_split_as_objects_are() -> None:
    assert [room.meta.split for room in ROOMS] == ["train", "train", "test", "train"]


def test_layouts_hold_five_to_fifteen_things_within_their_walls() -> None:
    for layout in layouts():
        assert FEWEST <= len(layout.things) <= MOST
        for placed in layout.things:
            low, high = placed.box.hulls()
            assert (np.abs([low[0], high[0]])[:, [0, 2]] <= [layout.width / 2, layout.depth / 2]).all()
            assert placed.thing.label in LABELS


def test_things_on_the_floor_stand_apart_but_for_chairs_that_are_pushed_in() -> None:
    for layout in layouts():
        standing = [placed for placed in layout.things if placed.base == 0 and placed.thing.label != "chair"]
        for one in range(len(standing)):
            for other in standing[:one]:
                assert not iou(standing[one].box, other.box).any()


def test_small_things_stand_on_something() -> None:
    carried = [(layout, placed) for layout in layouts() for placed in layout.things if placed.base > 0]
    assert len(carried) >= 10
    for layout, placed in carried:
        tops = [
            one.thing.extents[1] for one in layout.things if one is not placed and iou(_below(placed), one.box).any()
        ]
        assert any(abs(top - placed.base) < 1e-9 for top in tops)


def _below(placed: Placed) -> Boxes:
    box = placed.box
    return Boxes.of(box.centres * [1, 0, 1] + [0, placed.base - 0.01, 0], box.sizes * [1, 0, 1] + [0, 0.01, 0])


def test_what_is_fixed_to_walls_is_in_nobodys_way() -> None:
    seen = set()
    for layout in layouts():
        for fixture in layout.shell.fixtures:
            seen.add(fixture.label)
            half = np.array([layout.width, layout.depth]) / 2
            assert (np.abs(fixture.solid.vertices[:, ::2]) <= half + 0.02).all()
            assert fixture.solid.vertices[:, 1].min() >= 0 and fixture.solid.vertices[:, 1].max() <= layout.height
        for placed in layout.things:
            if placed.base == 0:
                assert not iou(placed.box, layout.shell.taken).any()
    assert seen == {"door", "window", "curtain", "picture", "cupboard"}


def test_the_wall_behind_a_door_is_not_there_and_the_door_is() -> None:
    room = scanned_room(0, 0)
    place = [fixture.label for fixture in room.layout.shell.fixtures].index("door")
    door = room.owner == len(room.layout.things) + place
    low, high = room.points[door].min(0) + 0.1, room.points[door].max(0) - 0.1
    thin = int(np.argmin(high - low))
    across = [axis for axis in range(3) if axis != thin]
    over = ((room.points[:, across] > low[across]) & (room.points[:, across] < high[across])).all(1)
    flat = over & (np.abs(room.points[:, thin] - np.median(room.points[door, thin])) < 0.1)
    assert door.sum() > 200 and not (flat & (room.owner == -1)).any()


def test_clutter_has_no_name() -> None:
    room = scanned_room(0, 2)
    scene = procedural_room(0, 2)
    nameless = room.owner >= len(room.layout.things)
    assert len(room.layout.clutter) and nameless.any()
    assert scene.instances is not None and not scene.instances[nameless].any()


def test_a_drifting_scanner_moves_points_by_centimetres_and_misses_some() -> None:
    points = np.random.default_rng(0).uniform(-2, 2, (5000, 3))
    moved = np.abs(blurred(points, np.random.default_rng(1)) - points)
    assert 0.002 < moved.mean() < 0.02 and moved.max() < 0.06
    floor = points * [1, 0, 1]
    shares = [holes(floor, np.random.default_rng(seed)).mean() for seed in range(20)]
    assert 0 < max(shares) < 0.15 and min(shares) < max(shares) / 3


def test_a_thing_fills_its_box_however_it_is_turned() -> None:
    thing = make_thing(Draw(np.random.default_rng(3)), ("sofa",))
    for degrees in (0.0, 30.0, -90.0, 145.0):
        placed = Placed(thing, degrees, 1.0, -2.0, 0.5)
        vertices = placed.solid.vertices
        assert placed.box.contain((vertices - placed.box.centres) * (1 - 1e-9) + placed.box.centres).all()
        grown = Boxes.of(placed.box.centres, placed.box.sizes - 1e-3, placed.box.yaws)
        assert not grown.contain(vertices).all()


@pytest.mark.parametrize("room", ROOMS, ids=lambda room: room.meta.object_id)
def test_boxes_are_the_extents_of_what_is_seen(room: Scene) -> None:
    assert room.instances is not None and room.whole is not None and room.colors is not None
    assert 10_000 < len(room.points) < 120_000
    low, high = room.boxes.hulls()
    for thing in range(len(room.meta.things)):
        own = room.points[room.instances == thing + 1]
        assert len(own) >= LEAST_SEEN
        np.testing.assert_allclose(own.min(0), low[thing], atol=1e-6)
        np.testing.assert_allclose(own.max(0), high[thing], atol=1e-6)
        grown = Boxes.of(room.whole.centres, room.whole.sizes + 0.1, room.whole.yaws)
        assert grown[thing : thing + 1].contain(own).all()


def test_the_wall_behind_a_wardrobe_is_hidden() -> None:
    room = ROOMS[1]
    assert room.whole is not None and room.instances is not None
    wardrobe = room.whole[room.meta.things.index("wardrobe") :][:1]
    reaching = Boxes.of(
        wardrobe.centres + np.array([0, 0.3, 0]), wardrobe.sizes + np.array([0, -0.6, 0.3]), wardrobe.yaws
    )
    behind = reaching.contain(room.points[room.instances == 0]).sum()
    assert behind < 0.25 * wardrobe.sizes[0, 0] * wardrobe.sizes[0, 1] / SPACING**2


def test_what_is_behind_something_is_not_seen() -> None:
    wall = np.stack([*np.meshgrid(np.linspace(-1, 1, 200), np.linspace(-1, 1, 200)), np.full((200, 200), 2.0)], -1)
    near, far = wall.reshape(-1, 3), wall.reshape(-1, 3) * [1, 1, 2]
    seen = seen_from(np.concatenate([near, far]), np.zeros(3))
    assert seen[: len(near)].all()
    beside = np.abs(far[:, :2]).max(1) > 0.5
    assert not seen[len(near) :][~beside & (np.abs(far[:, :2]).max(1) < 1.9)].any()


def test_points_are_thinned_to_one_per_cube() -> None:
    points = np.random.default_rng(0).uniform(0, 1, (20_000, 3))
    kept = evenly(points, 0.25, np.random.default_rng(1))
    assert 64 <= len(kept) <= 125
    assert np.array_equal(kept, np.sort(kept))
