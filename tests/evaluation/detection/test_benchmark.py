"""The benchmark on small flats, from boxes to rows, report and refusals."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from opendlign_core.boxes import Boxes
from opendlign_core.errors import BadInput
from opendlign_core.evaluation import EvalRecipe, ReportData, evaluate, render_report, results_text
from opendlign_core.evaluation.detection.benchmark import DETECTION
from opendlign_core.evaluation.detection.choices import DetectionOptions, NamingSpec
from opendlign_core.evaluation.detection.counting import DetectionResult
from opendlign_core.evaluation.detection.naming import named
from opendlign_core.evaluation.detection.session import CLASS_HEAD
from opendlign_core.evaluation.findings import MeasuredObjects
from opendlign_core.evaluation.results import EvaluationResults
from opendlign_core.evaluation.results_file import read_results_text
from opendlign_core.evaluation.specs import MethodSpec
from tests.evaluation.detection.flats import THINGS, Flats, flat, flats, true_boxes
from tests.evaluation.sources import TEXT, ListSource
from tests.evaluation.tiny import seeded_model

TUNED = {"name": "tuned", "branches": "depth", "text": TEXT}
FROZEN = {"name": "frozen", "branches": "base", "text": TEXT}


def recipe(options: dict[str, Any] | None = None, **changes: Any) -> EvalRecipe:
    values: dict[str, Any] = {
        "datasets": [{"name": "flats"}],
        "tasks": ["detection"],
        "methods": [TUNED, FROZEN],
        "bootstrap": {"samples": 50},
        "options": {"detection": options or {}},
        **changes,
    }
    return EvalRecipe.model_validate(values)


def pair(**changes: Any) -> list[Any]:
    return [flat(1, **changes), flat(2, **changes)]


def judged(source: ListSource, asked: EvalRecipe) -> tuple[EvaluationResults, dict[str, MeasuredObjects]]:
    results, objects = evaluate(seeded_model(), asked, source)
    return results, {part.method: part for part in objects if isinstance(part, MeasuredObjects)}


def rows(source: ListSource, asked: EvalRecipe) -> dict[str, DetectionResult]:
    return {row.named: row for row in judged(source, asked)[0].of(DETECTION)}


@pytest.fixture(scope="module")
def everything() -> tuple[EvaluationResults, dict[str, MeasuredObjects]]:
    boxes, true = pair(beside=0.2, doubled=True), [true_boxes(scene) for scene in pair()]
    source = flats(detector=[boxes, pair(beside=0.5), pair(beside=0.7)], ground_truth=[true])
    return judged(source, recipe({"shown": 1, "printed": ["chair"]}))


def test_there_is_a_row_for_each_method_in_the_boxes_of_each_proposer(everything: Any) -> None:
    found = {row.named: row for row in everything[0].of(DETECTION)}
    kinds = ("detector", "ground-truth")
    assert set(found) == {f"{who}, {kind}" for who in ("tuned", "frozen") for kind in kinds} | {
        f"{CLASS_HEAD}, detector"
    }
    assert {(row.scenes, row.objects) for row in found.values()} == {(2, 6)}
    assert found["tuned, detector"].overlaps[25].above is not None
    assert found["frozen, detector"].overlaps[25].above is None
    same = (
        found["tuned, detector"].overlaps[25].precision.value,
        found["frozen, detector"].overlaps[25].precision.value,
    )
    assert found["tuned, detector"].overlaps[25].above.value == pytest.approx(same[0] - same[1])


def test_what_the_proposer_knows_itself_scores_as_its_boxes_deserve(everything: Any) -> None:
    """Beside by 0.2 of a metre boxes overlap by 0.67, by 0.5 by 0.33, by 0.7 by 0.18."""
    head = next(row for row in everything[0].of(DETECTION) if row.method == CLASS_HEAD)
    assert head.overlaps[25].draws == pytest.approx((1, 1, 0))
    assert head.overlaps[50].draws == pytest.approx((1, 0, 0))
    assert head.overlaps[25].precision.value == pytest.approx(2 / 3)
    assert head.overlaps[25].spread == pytest.approx(np.std([1, 1, 0], ddof=1))
    assert head.overlaps[25].printed == pytest.approx(2 / 3)
    assert head.errors.detections["right"] == 6
    assert head.errors.detections["background"] == 2, "the box around the wall of either flat"
    assert [one.name for one in head.classes] == sorted(THINGS)


def test_every_thing_is_a_row_of_the_table_of_objects(everything: Any) -> None:
    head = everything[1][f"{CLASS_HEAD}, detector"]
    assert head.object_ids == tuple(f"flats/{flat}/{thing}" for flat in (1, 2) for thing in range(3))
    assert head.labels == (*THINGS, *THINGS)
    assert head.values.tolist() == [1.0] * 6


def test_results_come_back_and_the_page_shows_them(everything: Any) -> None:
    results = everything[0]
    assert read_results_text(results_text(results)) == results.model_copy(update={"seconds": results.seconds})
    page = render_report(ReportData("flats", results))
    for words in (
        "Things in scenes",
        "± 57.7 over 3 draws",
        "without wrong name",
        "of 3 things found by name",
        'id="detection-classes"',
    ):
        assert words in page
    assert "Published, boxes of 3DETR-m" not in page
    told = [(one.method, one.remark) for one in DETECTION.headlines(results)]
    assert ("tuned", "boxes of detector, 2 scenes, 6 things") in told
    assert ("tuned, ground-truth", "boxes of ground-truth, 2 scenes, 6 things") in told


def test_published_rows_stand_beside_those_on_scannet() -> None:
    asked = recipe({"shown": 0}, datasets=[{"name": "ScanNet V2"}])
    results, _ = judged(flats(detector=[pair()]), asked)
    page = render_report(ReportData("scannet", results))
    assert "Published, boxes of 3DETR-m" in page
    assert "50.7" in page
    assert "86.3 / 73.9" in page, "chairs by OpenDlign"


def test_true_boxes_all_stay_though_things_stand_in_each_other() -> None:
    scene = flat(1)
    near = replace(scene, truth=Boxes.of([[0, 0.5, 0]] * 3, np.ones((3, 3))), points=scene.points + 50)
    found = rows(flats(ground_truth=[[true_boxes(near)]], detector=[[true_boxes(near)]]), recipe())
    assert sum(found["tuned, ground-truth"].errors.detections.values()) == 3
    assert sum(found["tuned, detector"].errors.detections.values()) == 1


def test_boxes_that_could_not_be_drawn_are_left_out_and_things_of_other_names_counted() -> None:
    source: Flats = flats(detector=[pair()])
    (draw,) = source.kinds["detector"]
    kept = replace(draw, test=[one for one in draw.test if not one.object_id.endswith("/0")])
    asked = recipe(datasets=[{"name": "flats", "labels": ["chair", "seat"], "aliases": {"table": "seat"}}])
    row = rows(replace(source, kinds={"detector": [kept]}), asked)["tuned, detector"]
    assert (row.proposals, row.objects, row.left_out) == (3, 4, 2)


def test_one_temperature_is_flat_and_the_background_takes_its_share() -> None:
    cosines = np.array([[[0.30, 0.25, 0.20]], [[0.20, 0.21, 0.30]]])
    method = MethodSpec(name="plain")
    flattest = named(cosines, 3, NamingSpec(temperature=1), method).probabilities
    assert flattest.max() / flattest.min() < 1.12, (
        "OpenDlign's own score of classes can tell hardly any box from another"
    )
    told = named(cosines, 2, NamingSpec(background=("wall",), objectness="both"), method)
    np.testing.assert_allclose(told.probabilities.sum(1), 1)
    assert told.foreground[0] > 0.99
    assert told.foreground[1] < 0.01
    spec = NamingSpec(background=("wall",), objectness="both")
    np.testing.assert_allclose(told.objectness(np.array([0.5, 0.5]), spec), 0.5 * told.foreground)


def test_views_of_pointclip_v2_are_weighed() -> None:
    cosines = np.array([[[0.3, 0.1], [0.1, 0.3]]])
    weighed = {"aggregation": "pointclip-v2", "view_weights": (1.0, 0.25)}
    found = named(cosines, 2, NamingSpec(), MethodSpec.model_validate({"name": "weighed", **weighed}))
    assert found.probabilities[0, 0] > 0.99


@pytest.mark.parametrize(
    ("source", "changes", "words"),
    [
        (flats(), {}, "flats: nothing proposes boxes in its scenes"),
        (flats(detector=[pair()]), {"datasets": [{"name": "flats", "labels": ["boat"]}]}, "no thing in its 2 scenes"),
        (flats(detector=[pair()]), {"options": {"printed": ["boat"]}}, "'boat' is no class of flats"),
    ],
)
def test_what_cannot_be_judged_is_refused_in_a_sentence(source: Flats, changes: dict[str, Any], words: str) -> None:
    with pytest.raises(BadInput, match=words):
        judged(source, recipe(**changes))


def test_objectness_of_names_needs_words_for_the_background() -> None:
    with pytest.raises(ValueError, match="name words for it"):
        DetectionOptions.model_validate({"naming": {"objectness": "names"}})
