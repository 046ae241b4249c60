"""Boxes and their overlap, held against what can be counted by hand or with points."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from opendlign_core.boxes import Boxes
from opendlign_core.errors import BadInput
from opendlign_core.overlap import hull_iou, iou, suppress


def random_boxes(count: int, seed: int) -> Boxes:
    rng = np.random.default_rng(seed)
    return Boxes.of(
        rng.uniform(-0.6, 0.6, (count, 3)), rng.uniform(0.3, 1.5, (count, 3)), rng.uniform(-np.pi, np.pi, count)
    )


def test_overlap_is_the_share_of_points_in_both() -> None:
    ours, theirs = random_boxes(20, seed=0), random_boxes(20, seed=1)
    points = np.random.default_rng(2).uniform(-1.7, 1.7, (200_000, 3))
    left, right = ours.contain(points).astype(np.float32), theirs.contain(points).astype(np.float32)
    both = left @ right.T
    counted = both / (left.sum(1)[:, None] + right.sum(1) - both)
    np.testing.assert_allclose(iou(ours, theirs), counted, atol=0.03)


@given(st.integers(0, 10_000), st.floats(-np.pi, np.pi))
def test_overlap_knows_no_direction_and_no_order(seed: int, turn: float) -> None:
    ours, theirs = random_boxes(4, seed), random_boxes(5, seed + 1)
    plain = iou(ours, theirs)
    np.testing.assert_allclose(plain, iou(theirs, ours).T, atol=1e-12)
    np.testing.assert_allclose(plain, iou(turned(ours, turn), turned(theirs, turn)), atol=1e-9)
    np.testing.assert_allclose(iou(ours, ours).diagonal(), 1, atol=1e-9)


def turned(boxes: Boxes, angle: float) -> Boxes:
    x, y, z = boxes.centres.T
    moved = np.stack([np.cos(angle) * x - np.sin(angle) * z, y, np.sin(angle) * x + np.cos(angle) * z], axis=1)
    return Boxes.of(moved, boxes.sizes, boxes.yaws + angle)


def test_a_turned_box_loses_its_hull_s_corners() -> None:
    square, turned_one = Boxes.of([[0, 0, 0]], [[2, 2, 2]]), Boxes.of([[0, 0, 0]], [[2, 2, 2]], [np.pi / 4])
    assert hull_iou(square.hulls(), turned_one.hulls())[0, 0] == pytest.approx(0.5)
    assert iou(square, turned_one)[0, 0] == pytest.approx(2**-0.5)
    assert turned_one.contain(np.array([[1.4, 0, 0], [1.1, 0, 1.1]])).tolist() == [[True, False]]


def test_yaw_turns_from_x_towards_z() -> None:
    beam = Boxes.of([[0, 0, 0]], [[4, 1, 0.2]], [np.pi / 4])
    assert beam.contain(np.array([[1.0, 0, 1.0], [1.0, 0, -1.0]])).tolist() == [[True, False]]


def test_boxes_between_corners_hold_their_sides() -> None:
    box = Boxes.between([[0, 0, 0]], [[1, 2, 3]])
    assert box.contain(np.array([[0, 0, 0], [1, 2, 3], [1, 2, 3.001]])).tolist() == [[True, True, False]]
    assert box.volumes.tolist() == [6]


def test_flat_boxes_share_nothing() -> None:
    flat = Boxes.of([[0, 0, 0]] * 2, [[1, 0, 1], [0, 0, 0]])
    assert not iou(flat, flat).any()
    assert suppress(flat.hulls(), np.ones(2), most=0.25).tolist() == [1, 0]


def test_no_boxes_are_no_trouble() -> None:
    none, one = Boxes.of(np.zeros((0, 3)), np.zeros((0, 3))), Boxes.of([[0, 0, 0]], [[1, 1, 1]], [0.3])
    assert iou(none, one).shape == (0, 1)
    assert suppress(none.hulls(), np.zeros(0), most=0.25).tolist() == []
    assert none.contain(np.zeros((7, 3))).shape == (0, 7)


@pytest.mark.parametrize(
    ("centres", "sizes", "yaws", "told"),
    [
        ([[0, 0, 0], [np.nan, 0, 0]], [[1, 1, 1]] * 2, None, "the centre of box 1 is not finite"),
        ([[0, 0, 0]], [[1, np.inf, 1]], None, "the size of box 0 is not finite"),
        ([[0, 0, 0]], [[1, 1, 1]], [np.nan], "the yaw of box 0 is not finite"),
        ([[0, 0, 0]], [[1, -1, 1]], None, "box 0 has a negative size"),
        ([[0, 0, 0]], [[1, 1, 1]] * 2, None, "1 centres need as many sizes"),
    ],
)
def test_boxes_that_cannot_be_are_refused(centres: object, sizes: object, yaws: object, told: str) -> None:
    with pytest.raises(BadInput, match=told):
        Boxes.of(centres, sizes, yaws)  # type: ignore[arg-type]
