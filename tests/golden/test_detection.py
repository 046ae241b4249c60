"""Boxes, their overlap, what is kept of them and how they are counted, against files of the reference."""

import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from opendlign_core.boxes import Boxes, Hulls
from opendlign_core.evaluation.detection.choices import SelectionSpec
from opendlign_core.evaluation.detection.detections import Classified, Detections, Objects
from opendlign_core.evaluation.detection.metrics import ClassCurve, DetectionScore, Scene, score_detections
from opendlign_core.evaluation.detection.selection import select
from opendlign_core.overlap import iou, suppress

Golden = Callable[[str], list[Path]]
Arrays = Mapping[str, Any]
CAMERA = np.array([1, -1, -1])
UNSTABLE = {"score_ties_rounded"}
"""Cases that the reference's own unstable sort decides."""


def arrays(golden_files: Golden, pattern: str) -> list[Arrays]:
    return [dict(np.load(path)) for path in golden_files(f"detection/{pattern}")]


def flattened(boxes: Boxes) -> Boxes:
    """The same footprints at one height, so that their overlap is that of footprints."""
    return Boxes.of(boxes.centres * [1, 0, 1], np.where([False, True, False], 1.0, boxes.sizes), boxes.yaws)


def test_corners_come_back_from_boxes_and_overlaps_are_the_reference_s(golden_files: Golden) -> None:
    for data in arrays(golden_files, "iou_?.npz"):
        ours, theirs = (Boxes.of_camera_corners(data[name]) for name in ("corners1", "corners2"))
        np.testing.assert_allclose(ours.corners() * CAMERA, data["corners1"], atol=1e-6)
        np.testing.assert_allclose(iou(ours, theirs).diagonal(), data["iou3d"], atol=1e-6)
        np.testing.assert_allclose(iou(flattened(ours), flattened(theirs)).diagonal(), data["iou2d"], atol=1e-6)


def test_suppression_picks_the_reference_s_boxes_in_its_order(golden_files: Golden) -> None:
    for data in arrays(golden_files, "nms_?.npz"):
        picks = [name for name in data if "_iou_" in name or "_old_" in name]
        assert len(picks) >= 54
        for name in picks:
            boxes, measure, most, *kind = name.split("_")
            axes = slice(2 if kind[0] == "2d" else 3)
            hulls = Hulls(data[f"{boxes}_lo"][:, axes], data[f"{boxes}_hi"][:, axes])
            classes = data[f"{boxes}_class"] if "cls" in kind else None
            kept = suppress(
                hulls, data[f"{boxes}_score"], int(most) / 100, classes, "lower" if measure == "old" else "union"
            )
            assert kept.tolist() == data[name].tolist(), name


def spec_of(settings: Mapping[str, Any]) -> SelectionSpec:
    """The reference's switches in our words."""
    suppression = "class-aware" if settings.get("cls_nms", True) else "class-agnostic"
    suppression = suppression if settings.get("use_3d_nms", True) else "birds-eye"
    single = "best-class" if settings.get("use_cls_confidence_only") else "objectness"
    return SelectionSpec.model_validate(
        {
            "least_points": 5 if settings.get("remove_empty_box", True) else 0,
            "suppression": "none" if settings.get("no_nms") else suppression,
            "measure": "lower" if settings.get("use_old_type_nms") else "union",
            "overlap": settings.get("nms_iou", 0.25),
            "objectness": settings.get("conf_thresh", 0.05),
            "rule": "every-class" if settings.get("per_class_proposal", True) else single,
        }
    )


def points_of(data: Arrays, scene: int) -> Any:
    """The scene's points, y up: the files hold them z up."""
    x, y, z = data["points"][scene].T
    return np.stack([x, z, -y], axis=1)


def selected(data: Arrays, name: str, spec: SelectionSpec) -> list[Detections]:
    probabilities = data["zs_cls_prob" if name.startswith("zs_") else "cls_prob"]
    return [
        select(
            Classified(Boxes.of_camera_corners(corners), probabilities[scene], data["objectness"][scene]),
            points_of(data, scene),
            spec,
        )
        for scene, corners in enumerate(data["corners"])
    ]


def test_boxes_hold_the_reference_s_points(golden_files: Golden) -> None:
    for data in arrays(golden_files, "postprocess_?.npz"):
        for scene, corners in enumerate(data["corners"]):
            inside = Boxes.of_camera_corners(corners).contain(points_of(data, scene))
            expected = np.unpackbits(data["points_in_box"][scene], axis=-1)[:, : inside.shape[1]]
            assert np.array_equal(inside, expected.astype(bool))


def test_every_variant_of_post_processing_gives_the_reference_s_detections_and_scores(golden_files: Golden) -> None:
    for data in arrays(golden_files, "postprocess_?.npz"):
        variants = json.loads(str(data["variants_json"]))
        assert {"default", "birdseye", "old_type", "class_score", "zs_product"} <= set(variants)
        for name, settings in variants.items():
            found = selected(data, name, spec_of(settings))
            agree_on_detections(found, data, name)
            scenes = [(one, truth_of(data, scene)) for scene, one in enumerate(found)]
            if bool(data.get(f"eval_{name}_order_independent", True)):
                agree_on_scores(scenes, data, f"eval_{name}")


def agree_on_detections(found: list[Detections], data: Arrays, name: str) -> None:
    for scene, one in enumerate(found):
        own = data[f"{name}_scene"] == scene
        assert one.classes.tolist() == data[f"{name}_class"][own].tolist(), name
        assert one.origins.tolist() == data[f"{name}_box"][own].tolist(), name
        np.testing.assert_allclose(one.scores, data[f"{name}_score"][own], atol=1e-6, err_msg=name)


def truth_of(data: Arrays, scene: int) -> Objects:
    there = data["gt_present"][scene].astype(bool)
    boxes = Boxes.of_camera_corners(data["gt_corners"][scene][there])
    return Objects(boxes, data["gt_class"][scene][there].astype(np.int64))


def agree_on_scores(scenes: list[Scene], data: Arrays, prefix: str) -> None:
    for percent in (25, 50):
        score = score_detections(scenes, percent / 100)
        assert list(score.classes) == sorted(data[f"{prefix}_classes"].tolist()), prefix
        for values, found in (
            ("ap", [curve.average_precision for curve in score.classes.values()]),
            ("recall", [curve.recall for curve in score.classes.values()]),
            ("ar", score.mean_recall),
        ):
            np.testing.assert_allclose(found, data[f"{prefix}_{percent}_{values}"], atol=1e-9, err_msg=prefix)
        assert score.mean_average_precision == pytest.approx(float(data[f"{prefix}_{percent}_map"]), abs=1e-6)


def cases(golden_files: Golden) -> Iterator[tuple[str, Arrays, list[Scene]]]:
    for data in arrays(golden_files, "ap_?.npz"):
        for name in map(str, data["names"]):
            yield name, data, [scene_of(data, name, scene) for scene in range(int(data[f"{name}_scans"]))]


def scene_of(data: Arrays, name: str, scene: int) -> Scene:
    detected, there = (np.flatnonzero(data[f"{name}_{kind}_scan"] == scene) for kind in ("pred", "gt"))
    found = Detections(
        Boxes.of_camera_corners(data[f"{name}_pred_corners"][detected]),
        data[f"{name}_pred_class"][detected].astype(np.int64),
        data[f"{name}_pred_score"][detected],
        detected,
    )
    truth = Boxes.of_camera_corners(data[f"{name}_gt_corners"][there])
    return found, Objects(truth, data[f"{name}_gt_class"][there].astype(np.int64))


def test_average_precision_and_recall_are_the_reference_s_in_every_case(golden_files: Golden) -> None:
    seen = set()
    for name, data, scenes in cases(golden_files):
        seen.add(name)
        if name not in UNSTABLE:
            agree_on_scores(scenes, data, name)
            agree_on_a_curve(scenes, data, name)
    assert {"random_rotated", "on_threshold", "best_match_taken", "no_predictions", "score_ties_matter"} <= seen


def agree_on_a_curve(scenes: list[Scene], data: Arrays, name: str) -> None:
    if f"{name}_25_curve_class" not in data:
        return
    curve: ClassCurve = score_of(scenes).classes[int(data[f"{name}_25_curve_class"])]
    np.testing.assert_allclose(curve.recalls, data[f"{name}_25_curve_recall"], atol=1e-9, err_msg=name)
    np.testing.assert_allclose(curve.precisions, data[f"{name}_25_curve_precision"], atol=1e-9, err_msg=name)


def score_of(scenes: list[Scene]) -> DetectionScore:
    return score_detections(scenes, 0.25)
