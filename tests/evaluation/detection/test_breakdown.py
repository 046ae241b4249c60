"""What is the matter with detections, and what AP would be without it, where the answer is plain to see."""

import numpy as np
import pytest

from opendlign_core.boxes import Boxes
from opendlign_core.evaluation.detection.breakdown import KINDS, break_down, right_things, tell
from opendlign_core.evaluation.detection.detections import Detections, Objects
from opendlign_core.evaluation.detection.metrics import rankings, score_detections

CHAIR, TABLE, LAMP = 0, 1, 2


def room() -> tuple[Detections, Objects]:
    """A chair found twice, a table called a chair, a lamp with a box half beside it, and a box around nothing."""
    there = Objects(Boxes.of([[0, 0, 0], [4, 0, 0], [8, 0, 0]], np.ones((3, 3))), np.array([CHAIR, TABLE, LAMP]))
    centres = [[0.0, 0, 0], [0.1, 0, 0], [4.0, 0, 0], [8.7, 0, 0], [20.0, 0, 0]]
    classes = np.array([CHAIR, CHAIR, CHAIR, LAMP, LAMP])
    scores = np.array([0.5, 0.9, 0.8, 0.7, 0.95])
    return Detections(Boxes.of(centres, np.ones((5, 3))), classes, scores, np.arange(5)), there


def test_every_detection_has_one_kind_and_the_surest_of_a_thing_is_the_right_one() -> None:
    told = tell(*room(), 0.25)
    assert [KINDS[kind] for kind in told.kinds] == ["duplicate", "right", "wrong name", "bad box", "background"]
    assert told.objects.tolist() == [0, 0, 1, 2, -1]
    assert right_things(*room(), 0.25).tolist() == [True, False, False]


def test_mending_one_kind_of_error_gives_the_average_precision_without_it() -> None:
    found = break_down([room()], 0.25)
    assert found.detections == dict.fromkeys(KINDS, 1)
    assert (found.missed, found.unseen) == (2, 1)
    assert found.average_precision == pytest.approx(1 / 3), "of chairs; tables and lamps have nothing right"
    assert found.mended == {
        "wrong name": pytest.approx(2 / 3),  # the table is right too
        "bad box": pytest.approx((1 + 0.5) / 3),  # the lamp is right, below the box around nothing
        "duplicate": pytest.approx(1 / 3),  # it stood below the right one
        "background": pytest.approx(1 / 3),  # what is left for lamps has a bad box
        "missed": pytest.approx(0.5),  # of chairs, and of lamps, which have none now
    }


def test_what_mends_nothing_changes_nothing() -> None:
    found, there = room()
    perfect = Detections(there.boxes, there.classes, np.ones(3), np.arange(3))
    errors = break_down([(perfect, there)], 0.25)
    assert errors.average_precision == 1
    assert set(errors.mended.values()) == {1.0}
    empty = Objects(there.boxes[:0], there.classes[:0])
    assert break_down([(found, empty)], 0.25).detections["background"] == 5
    assert break_down([(found[np.array([], int)], there)], 0.25).unseen == 3


def test_a_mended_name_of_a_thing_that_is_found_is_no_second_find() -> None:
    found, there = room()
    both = Detections(found.boxes[:3], np.array([CHAIR, TABLE, TABLE]), found.scores[:3], np.arange(3))
    mended = break_down([(both, there)], 0.25).mended["wrong name"]
    assert mended == pytest.approx(2 / 3), "the second box on the chair is left out, not counted as wrong"


def test_resampled_scenes_score_as_if_they_were_there_so_many_times() -> None:
    rng = np.random.default_rng(3)
    scenes = []
    for _ in range(4):
        there = Objects(Boxes.of(rng.uniform(0, 6, (6, 3)), np.ones((6, 3))), rng.integers(0, 2, 6))
        near = there.boxes.centres[rng.integers(0, 6, 12)] + rng.normal(0, 0.3, (12, 3))
        boxes = Boxes.of(near, np.ones((12, 3)))
        scenes.append((Detections(boxes, rng.integers(0, 2, 12), rng.random(12), np.arange(12)), there))
    copies = np.array([[1, 1, 1, 1], [3, 0, 1, 0], [0, 2, 0, 2]])
    for number, ranking in rankings(scenes, 0.25).items():
        for draw, value in zip(copies, ranking.average_precisions(copies), strict=True):
            again = [scene for scene, times in zip(scenes, draw, strict=True) for _ in range(times)]
            expected = score_detections(again, 0.25).classes[number].average_precision
            assert value == pytest.approx(expected, abs=0.02), "copies of a detection share its score, in any order"
            assert 0 < value < 1
