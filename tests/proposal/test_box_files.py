"""Boxes of other programs, and the points inside them."""

import json
from pathlib import Path

import numpy as np
import pytest

from opendlign_core.boxes import Boxes
from opendlign_core.errors import BadInput
from opendlign_core.proposal.box_files import read_boxes
from opendlign_core.proposal.crops import FEWEST, PADDING, crops


def test_all_formats_tell_the_same_boxes(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("label,x,y,z,dx,dy,dz,yaw,objectness\nchair,1,2,3,4,5,6,0.5,0.25\n")
    rows = [{"label": "chair", "centre": [1, 2, 3], "size": [4, 5, 6], "yaw": 0.5, "objectness": 0.25}]
    (tmp_path / "a.json").write_text(json.dumps(rows))
    np.savez(tmp_path / "a.npz", centres=[[1, 2, 3]], sizes=[[4, 5, 6]], yaws=[0.5], objectness=[0.25])
    for suffix in ("csv", "json", "npz"):
        found = read_boxes(tmp_path / f"a.{suffix}")
        assert (found.boxes.centres.tolist(), found.boxes.sizes.tolist()) == ([[1, 2, 3]], [[4, 5, 6]])
        assert (found.boxes.yaws.tolist(), found.objectness.tolist()) == ([0.5], [0.25])


def test_what_is_not_said_is_straight_and_sure(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("x,y,z,dx,dy,dz\n1,2,3,4,5,6\n0,0,0,1,1,1\n")
    found = read_boxes(tmp_path / "a.csv")
    assert (found.boxes.yaws.tolist(), found.objectness.tolist()) == ([0, 0], [1, 1])


def test_boxes_are_brought_to_y_up_unless_they_say_that_they_are(tmp_path: Path) -> None:
    row = {"centre": [1, 2, 3], "size": [4, 5, 6]}
    (tmp_path / "a.json").write_text(json.dumps([row]))
    (tmp_path / "said.json").write_text(json.dumps([row | {"up": "y"}]))
    turned, said = (read_boxes(tmp_path / name, "z").boxes for name in ("a.json", "said.json"))
    assert (turned.centres.tolist(), turned.sizes.tolist()) == ([[1, 3, -2]], [[4, 6, 5]])
    assert (said.centres.tolist(), said.sizes.tolist()) == ([[1, 2, 3]], [[4, 5, 6]])


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        ("a.txt", "", "boxes are read from .csv, .json, .npz"),
        ("a.csv", "x,y,z\n1,2,3\n", "its first line lacks 'dx'"),
        ("a.csv", "x,y,z,dx,dy,dz\n", "holds no boxes"),
        ("a.csv", "x,y,z,dx,dy,dz\n1,2,3,4,5,nan\n", "the size of box 0 is not finite"),
        ("a.csv", "x,y,z,dx,dy,dz\n1,2,3,4,5,six\n", "dz of box 0 is no number: 'six'"),
        ("a.json", "{", "cannot be read as boxes"),
        ("a.json", '[{"centre": [0, 0, 0]}]', "box 0 lacks 'size'"),
        ("a.json", '{"boxes": []}', "it holds no list of boxes"),
        ("a.json", "[1, 2]", "it holds no list of boxes"),
        (
            "a.json",
            '[{"centre": [0, 0, 0], "size": [1, 1, 1]}, {"centre": [0, 0, 0], "size": [1, 1, 1], "up": "y"}]',
            "do not all say the same axis",
        ),
        ("a.json", '[{"centre": [0, 0, 0], "size": [1, 1, 1], "up": "x"}]', "with y or z up, not x"),
        ("a.csv", "x,y,z,dx,dy,dz\n1,2,3\n", "dx of box 0 is no number: ''"),
        ("a.csv", "x;y;z;dx;dy;dz\n1;2;3;4;5;6\n", "columns stand between commas"),
        ("a.npz", "no archive", "cannot be read as boxes"),
    ],
)
def test_files_that_hold_no_boxes_are_refused(tmp_path: Path, name: str, text: str, told: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(BadInput, match=told):
        read_boxes(tmp_path / name)


def test_a_crop_has_the_points_of_its_box_and_as_many_as_asked() -> None:
    points = np.random.default_rng(0).uniform(0, 2, (4000, 3)).astype(np.float32)
    box = Boxes.between([[0, 0, 0]], [[1, 1, 1]])
    (few,), (many,) = crops(points, box, 100), crops(points, box, 1000)
    assert few is not None and many is not None
    assert (few.shape, many.shape) == ((100, 3), (1000, 3))
    assert many.max() <= 1 + PADDING
    inside = points[box.contain(points)[0]]
    assert {tuple(row) for row in inside.tolist()} <= {tuple(row) for row in many.tolist()}
    assert len(np.unique(few, axis=0)) == 100


def test_a_box_with_hardly_any_points_has_no_crop() -> None:
    box = Boxes.of([[0, 0, 0]], [[1, 1, 1]])
    assert crops(np.zeros((FEWEST - 1, 3), np.float32), box, 64) == [None]
    assert crops(np.zeros((FEWEST, 3), np.float32), box, 64)[0] is not None
