"""Boxes turned as what is in them, and the floor by which a scan is told to stand upright."""

import numpy as np
import pytest

from opendlign_core.boxes import Boxes
from opendlign_core.errors import BadInput
from opendlign_core.ingestion.procedural.rooms.room import procedural_room
from opendlign_core.overlap import iou
from opendlign_core.proposal.floor import floor_height, require_floor, seems_to_lie
from opendlign_core.proposal.superpoints.proposing import propose
from opendlign_core.proposal.superpoints.recipe import SuperpointsRecipe
from opendlign_core.proposal.turning import turned_box


def inside(box: Boxes, count: int = 2000) -> np.ndarray:
    """Points all over a box, its corners included."""
    own = np.random.default_rng(0).uniform(-0.5, 0.5, (count, 3)) * box.sizes
    cos, sin = np.cos(box.yaws), np.sin(box.yaws)
    turned = np.stack([cos * own[:, 0] - sin * own[:, 2], own[:, 1], sin * own[:, 0] + cos * own[:, 2]], axis=1)
    return np.concatenate([turned + box.centres, box.corners()[0]])


@pytest.mark.parametrize("degrees", [0, 12, 30, 45, -70, 100])
def test_the_box_of_points_in_a_turned_box_is_that_box(degrees: float) -> None:
    box = Boxes.of([[1, 2, -3]], [[2.0, 1.0, 0.7]], [np.radians(degrees)])
    found = turned_box(inside(box))
    assert iou(found, box)[0, 0] == pytest.approx(1, abs=1e-6)
    assert abs(found.yaws[0]) <= np.pi / 4 + 1e-9


def test_what_is_hardly_turned_round_or_flat_has_a_box_too() -> None:
    angle = np.linspace(0, 2 * np.pi, 60)
    ring = np.stack([np.cos(angle), angle, np.sin(angle)], axis=1)
    assert turned_box(ring).yaws[0] == 0
    line = np.stack([np.linspace(0, 1, 9)] * 3, axis=1)
    assert sorted(turned_box(line).sizes[0].round(6).tolist()) == [0, 1, round(2**0.5, 6)]
    assert turned_box(np.ones((4, 3))).sizes.tolist() == [[0, 0, 0]]


def test_turned_boxes_fit_whole_things_of_rooms_better() -> None:
    room = procedural_room(7, 3)
    assert room.whole is not None
    level, turned = (propose(room.points, SuperpointsRecipe(yaw=yaw)) for yaw in (False, True))
    assert len(level.boxes) == len(turned.boxes) and np.array_equal(level.objectness, turned.objectness)
    assert not level.boxes.yaws.any() and (turned.boxes.yaws != 0).mean() > 0.05
    askew = np.abs(np.sin(2 * room.whole.yaws)) > 0.3
    assert askew.sum() >= 2
    before, after = (iou(found.boxes, room.whole[askew]).max(0).mean() for found in (level, turned))
    assert after > before + 0.02


def test_a_room_stands_on_its_floor_and_a_wall_has_none() -> None:
    points = procedural_room(0, 2).points
    height = floor_height(points)
    assert height is not None and abs(height) < 0.05
    with pytest.raises(BadInput, match="the wall has no floor"):
        require_floor(points[np.abs(points[:, 1] - 1) < 0.9] * [1, 1, 0.001], "the wall")


def test_rooms_that_lie_are_told_from_rooms_that_stand() -> None:
    for index in range(4):
        points = procedural_room(5, index).points
        assert not seems_to_lie(points)
        assert seems_to_lie(points[:, [0, 2, 1]]) == "z"
        assert seems_to_lie(points[:, [1, 0, 2]]) == "x"
