"""What stays of classified boxes, and how it counts, where the answer is plain to see."""

import numpy as np
import pytest

from opendlign_core.boxes import Boxes
from opendlign_core.errors import BadInput
from opendlign_core.evaluation.detection.choices import SelectionSpec
from opendlign_core.evaluation.detection.detections import Classified, Detections, Objects
from opendlign_core.evaluation.detection.metrics import score_detections
from opendlign_core.evaluation.detection.selection import select

CHAIR, TABLE = 0, 1


def room() -> tuple[Classified, np.ndarray]:
    """Two boxes on one chair, one on a table, one around nothing; fifty points on each thing."""
    boxes = Boxes.of(np.array([[0, 0, 0], [0.1, 0, 0], [5, 0, 0], [9, 0, 0]]), np.ones((4, 3)))
    probabilities = np.array([[0.9, 0.1], [0.6, 0.4], [0.2, 0.8], [0.5, 0.5]])
    points = np.random.default_rng(0).uniform(-0.4, 0.4, (100, 3))
    points[50:, 0] += 5
    return Classified(boxes, probabilities, np.array([0.7, 0.8, 0.9, 1.0])), points


def test_by_default_empty_boxes_and_doubles_go_and_each_box_is_given_for_each_class() -> None:
    found, points = room()
    detections = select(found, points, SelectionSpec())
    assert detections.origins.tolist() == [1, 2, 1, 2]
    assert detections.classes.tolist() == [CHAIR, CHAIR, TABLE, TABLE]
    np.testing.assert_allclose(detections.scores, [0.6 * 0.8, 0.2 * 0.9, 0.4 * 0.8, 0.8 * 0.9])


@pytest.mark.parametrize(
    ("changed", "origins", "scores"),
    [
        ({"rule": "best-product"}, [1, 2], [0.6 * 0.8, 0.8 * 0.9]),
        ({"rule": "best-class"}, [1, 2], [0.6, 0.8]),
        ({"rule": "objectness"}, [1, 2], [0.8, 0.9]),
        ({"rule": "objectness", "least_points": 0}, [1, 2, 3], [0.8, 0.9, 1.0]),
        ({"rule": "objectness", "suppression": "none"}, [0, 1, 2], [0.7, 0.8, 0.9]),
        ({"rule": "objectness", "objectness": 0.8}, [2], [0.9]),
        ({"rule": "objectness", "overlap": 0.9}, [0, 1, 2], [0.7, 0.8, 0.9]),
    ],
)
def test_every_switch_changes_what_it_says(changed: dict, origins: list[int], scores: list[float]) -> None:  # type: ignore[type-arg]
    detections = select(*room(), SelectionSpec.model_validate(changed))
    assert detections.origins.tolist() == origins
    np.testing.assert_allclose(detections.scores, scores)


def test_a_scene_where_every_box_is_empty_keeps_the_surest() -> None:
    found, points = room()
    detections = select(found, points + 100, SelectionSpec(rule="objectness"))
    assert detections.origins.tolist() == [3]


def test_a_scene_without_boxes_has_no_detections() -> None:
    none = Classified(Boxes.of(np.zeros((0, 3)), np.zeros((0, 3))), np.zeros((0, 2)), np.zeros(0))
    for rule in ("every-class", "objectness"):
        assert len(select(none, np.zeros((9, 3)), SelectionSpec.model_validate({"rule": rule})).scores) == 0


def test_what_does_not_belong_together_is_refused() -> None:
    boxes = Boxes.of([[0, 0, 0]], [[1, 1, 1]])
    with pytest.raises(BadInput, match="1 boxes come with 2 rows of probabilities"):
        Classified(boxes, np.ones((2, 3)), np.ones(1))
    with pytest.raises(BadInput, match="not finite"):
        Classified(boxes, np.full((1, 3), np.nan), np.ones(1))


def test_an_object_counts_once_and_absent_classes_count_as_nothing() -> None:
    box = Boxes.of([[0, 0, 0]] * 3, [[1, 1, 1]] * 3)
    found = Detections(box, np.array([CHAIR, CHAIR, TABLE]), np.array([0.9, 0.8, 0.7]), np.arange(3))
    score = score_detections([(found, Objects(box[:1], np.array([CHAIR])))], 0.25)
    assert score.classes[CHAIR].precisions.tolist() == [1, 0.5]
    assert score.classes[CHAIR].average_precision == 1
    assert (score.mean_average_precision, score.mean_recall) == (0.5, 0.5)


def test_without_scenes_there_is_nothing_to_average() -> None:
    assert score_detections([], 0.25).mean_average_precision == 0
