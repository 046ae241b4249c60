"""The benchmark on shapes of two clear parts, from maps to rows, report and refusals."""

import hashlib
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from opendlign_core.errors import BadInput
from opendlign_core.evaluation import EvalExecution, EvalRecipe, ReportData, evaluate, render_report, results_text
from opendlign_core.evaluation.findings import MeasuredObjects
from opendlign_core.evaluation.results import EvaluationResults
from opendlign_core.evaluation.results_file import read_results_text
from opendlign_core.evaluation.segmentation.benchmark import SEGMENTATION
from opendlign_core.evaluation.segmentation.counting import SegmentationResult
from tests.evaluation.segmentation.shapes import lollipop, lollipops, shop
from tests.evaluation.sources import ListSource
from tests.evaluation.tiny import seeded_model

TEXT = ("a {}.", "a depth map of a {}.")


def recipe(options: dict[str, Any] | None = None, **changes: Any) -> EvalRecipe:
    values: dict[str, Any] = {
        "datasets": [{"name": "shop"}],
        "tasks": ["segmentation"],
        "methods": [{"name": "parts", "branches": "base", "text": TEXT}],
        "bootstrap": {"samples": 50},
        "search": {"fixed_views": 8, "levels": (0.25, 1.0), "validation_share": 0.5},
        "options": {"segmentation": {"cropped": False, **(options or {})}},
        **changes,
    }
    return EvalRecipe.model_validate(values)


def test_every_shape_has_its_iou_for_every_answer_and_baseline() -> None:
    results, objects = evaluate(
        seeded_model(), recipe({"answers": ["corrected", "smoothed"]}), shop(), EvalExecution()
    )
    measured = {part.method: part for part in objects if isinstance(part, MeasuredObjects)}
    assert set(measured) == {
        "parts, corrected", "parts, smoothed", "best constant", "random parts", "perfect words", "perfect patches",
        "perfect pixels",
    }  # fmt: skip
    assert all(len(part.object_ids) == 4 for part in measured.values())
    row = rows(results)["smoothed"]
    assert float(measured["parts, smoothed"].values.mean()) == pytest.approx(row.instance.value)


def judged(source: ListSource, asked: EvalRecipe, *libraries: Path) -> EvaluationResults:
    execution = EvalExecution(libraries=tuple(map(str, libraries)))
    return evaluate(seeded_model(), asked, source, execution)[0]


def rows(results: EvaluationResults) -> dict[str, SegmentationResult]:
    return {row.answer: row for row in results.of(SEGMENTATION)}


def test_answers_stand_between_what_needs_no_model_and_what_nothing_could_better() -> None:
    found = rows(judged(shop(), recipe({"answers": ["corrected", "faithful", "crops", "smoothed", "superpoints"]})))
    assert list(found)[:5] == ["corrected", "faithful", "crops", "smoothed", "superpoints"]
    assert found["perfect pixels"].instance.value > 0.97, "a ball on a stick hides little of itself"
    assert found["perfect pixels"].instance.value >= found["perfect patches"].instance.value
    assert found["perfect words"].instance.value > found["random parts"].instance.value
    assert found["best constant"].instance.value == pytest.approx(0.25), (
        "half of the points, and the other part missed"
    )
    above = found["corrected"].above["best constant"].value
    assert above == pytest.approx(found["corrected"].instance.value - 0.25)


def test_one_wording_of_the_shapes_is_as_good_as_another_for_the_bounds() -> None:
    owned, alone = (rows(judged(shop(), recipe({"words": words}))) for words in ("owned", "alone"))
    assert owned["perfect pixels"] == alone["perfect pixels"]
    assert owned["corrected"] != alone["corrected"]


def test_results_come_back_from_their_file_and_are_told_to_people() -> None:
    results = judged(shop(), recipe({"shown": 1}))
    assert read_results_text(results_text(results)) == results
    (first, second) = SEGMENTATION.headlines(results)
    assert (first.method, second.method) == ("parts", "parts, faithful")
    page = render_report(ReportData("parts", results))
    above = rows(results)["corrected"].above["best constant"]
    assert (
        f"{100 * abs(above.value):.1f} points {'more' if above.value >= 0 else 'less'} than best constant (95 % paired"
        in page
    )
    assert "Behind it: points above best constant, with the paired interval." in page
    assert "best: lollipop" in page and "worst: lollipop" in page and page.count("data:image/webp") == 3


def test_a_recipe_may_name_the_parts_and_keeps_that_through_its_json() -> None:
    asked = recipe({"parts": {"lollipop": ["candy", "handle", "wrapper"]}})
    assert EvalRecipe.model_validate(asked.model_dump(mode="json")) == asked
    (category,) = rows(judged(shop(), asked))["corrected"].categories
    assert list(category.parts) == ["candy", "handle", "wrapper"]


def test_points_without_a_part_are_not_counted() -> None:
    source, cut = shop(test=1, train=0), shop(test=1, train=0)
    (sample,) = source.parted["test"]
    few = sample.parts.copy()
    few[:100] = -1
    cut.parted = {"test": [replace(sample, parts=few)]}
    plain = recipe(datasets=[{"name": "shop", "train_split": None}])
    whole, part = (rows(judged(one, plain))["perfect pixels"] for one in (source, cut))
    assert whole.objects == part.objects == 1
    assert part.instance.value > 0.97
    assert rows(judged(cut, plain))["random parts"].instance != rows(judged(source, plain))["random parts"].instance


def test_without_a_train_split_the_rows_that_learn_are_left_out_with_a_note() -> None:
    results = judged(shop(), recipe(datasets=[{"name": "shop", "train_split": None}]))
    assert "perfect words" not in rows(results) and "best constant" not in rows(results)
    assert "without a train split" in " ".join(results.notes)


def test_labels_of_the_data_set_choose_categories() -> None:
    source = shop()
    source.parted = {**source.parted, "test": [*lollipops(2, 0), *lollipops(3, 50, "mace")]}
    found = rows(judged(source, recipe(datasets=[{"name": "shop", "labels": ["lollipop"]}])))["corrected"]
    assert (found.objects, found.left_out, [one.name for one in found.categories]) == (2, 3, ["lollipop"])


def library(folder: Path, **more: Any) -> tuple[Path, str]:
    path = folder / "library.json"
    sentences = {"lollipop": {"ball": ["a round thing", "sugar"], "stick": ["a thin thing", "wood"]}, **more}
    path.write_text(json.dumps(sentences))
    return path, hashlib.sha256(path.read_bytes()).hexdigest()


def searching(on: str, digest: str | None) -> EvalRecipe:
    method = {"name": "parts", "branches": "base", "text": TEXT, "aggregation": "pointclip-v2", "search": on}
    return recipe(methods=[method], datasets=[{"name": "shop", "sentences_sha256": digest}])


def test_a_search_on_the_train_split_is_kept_only_where_it_helps_held_out_shapes(tmp_path: Path) -> None:
    path, digest = library(tmp_path)
    found = rows(judged(shop(), searching("train-split", digest), path))["corrected"]
    assert found.search is not None and not found.searched_on_test
    record = found.search["categories"]["lollipop"]
    assert record["objects"] == record["held_out"] == 2
    assert record["kept"] == (record["miou_after"] > record["miou_before"])


def test_a_search_looks_at_shapes_of_few_and_of_unlike_numbers_of_points(tmp_path: Path) -> None:
    path, digest = library(tmp_path)
    unlike = [lollipop(f"shop/{count}", count, points=count) for count in (60, 100, 400, 90)]
    source = ListSource([], parted={"test": lollipops(1, 0), "train": unlike})
    found = rows(judged(source, searching("train-split", digest), path))["corrected"]
    assert found.search is not None
    assert found.search["categories"]["lollipop"]["objects"] == 2


def test_pictures_cost_no_second_look_at_the_shapes() -> None:
    source = shop()
    assert len(rows(judged(source, recipe({"shown": 1})))["corrected"].shown) == 3
    assert [split for _, split, _ in source.reads].count("test") == 1


def test_a_search_on_test_labels_never_does_worse_and_is_marked(tmp_path: Path) -> None:
    path, digest = library(tmp_path)
    results = judged(shop(), searching("test-labels", digest), path)
    found = rows(results)["corrected"]
    assert found.search is not None and found.searched_on_test
    record = found.search["categories"]["lollipop"]
    assert record["miou_after"] >= record["miou_before"]
    assert "searched on test labels" in render_report(ReportData("parts", results))
    assert not rows(results)["best constant"].searched_on_test


def test_what_cannot_be_judged_is_refused_in_a_sentence(tmp_path: Path) -> None:
    path, digest = library(tmp_path)
    named = recipe({"shipped": True}, datasets=[{"name": "shop", "sentences_sha256": digest}])
    mace = ListSource([], parted={"test": lollipops(1, 0, "mace"), "train": []})
    lone = ListSource([], parted={"test": [replace(lollipop("a/b", 0), part_names=("all",))]})
    bare = ListSource([], parted={"test": [replace(lollipop("a/b", 0), part_names=())]})
    beyond = ListSource([], parted={"test": [replace(lollipop("a/b", 0), parts=np.full(400, 2, np.int32))]})
    sample = lollipop("a/b", 0)
    places = replace(sample.places, seen={"corrected": sample.places.seen["corrected"]})
    unseen = ListSource([], parted={"test": [replace(sample, places=places)]})
    for source, asked, words in (
        (ListSource([]), recipe(), "no shapes to judge"),
        (lone, recipe(), "name at least two.*options.segmentation.parts"),
        (bare, recipe(), r"its parts: none\): name at least two"),
        (beyond, recipe(), "a point belongs to part 2, but a lollipop has 2 parts"),
        (unseen, recipe(), "project with places="),
        (shop(), recipe({"shipped": True}), "not part of this package"),
        (shop(), named, "shipped no sentences for 'lollipop'"),
    ):
        with pytest.raises(BadInput, match=words):
            judged(source, asked, path)
    with pytest.raises(BadInput, match="has no sentences for the category 'mace'"):
        judged(mace, searching("test-labels", digest), path)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"answers": ["best"]}, "unknown answer 'best'"),
        ({"answers": [{"name": "x", "mode": "faithful", "window": 2}]}, "takes no choices"),
        ({"answers": [{"name": "x", "crops": True}]}, "set finer to 2"),
        ({"answers": ["value", "value"]}, "share a name"),
        ({"parts": {"chair": ["seat"]}}, r"its parts: seat\): name at least two"),
        ({"parts": {"chair": ["seat", "seat"]}}, "seat is named twice"),
    ],
)
def test_options_that_make_no_sense_are_refused(options: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        recipe(options)
