"""Part segmentation with toy features, and its metric, against files made with the reference implementation."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from opendlign_core.clip import unit
from opendlign_core.clip.cropping import crop_pixels, crop_to_encoder
from opendlign_core.evaluation.segmentation.answers import reference_parts
from opendlign_core.evaluation.segmentation.head import (
    REFERENCE_WINDOW,
    PointPlaces,
    faithful_scores,
    patch_scores,
    point_scores,
)
from opendlign_core.evaluation.segmentation.metrics import accuracy, part_ious, shape_iou
from opendlign_core.projection.points import project_points

Golden = Callable[[str], list[Path]]
Arrays = Mapping[str, Any]
CHAIR_PARTS, PATCH, WIDTH = 4, 16, 512


def pairs(golden_files: Golden) -> list[tuple[Arrays, Arrays]]:
    """The clouds of a seed with what the reference made of them."""
    found = golden_files("pointclip_v2/*_seg_e2e_?.npz")
    clouds = [path.with_name(path.name.replace("seg_e2e", "projection_seg")) for path in found]
    return [(dict(np.load(one)), dict(np.load(other))) for one, other in zip(clouds, found, strict=True)]


def toy_tokens(images: Tensor) -> Tensor:  # [V, 224, 224] -> [V, 14, 14, 512]
    views, side = len(images), images.shape[-1] // PATCH
    patches = images.view(views, side, PATCH, side, PATCH).transpose(2, 3).flatten(3)
    row, column = np.arange(PATCH**2)[:, None] + 1, np.arange(WIDTH)[None] + 1
    mixing = torch.from_numpy(np.sin(0.7 * row * column).astype(np.float32))
    return unit((1 - patches + 0.01) @ mixing)


def toy_text() -> Tensor:
    part, channel = np.arange(CHAIR_PARTS)[:, None], np.arange(WIDTH)[None]
    return unit(torch.from_numpy(np.cos(0.31 * (part + 1) * (channel + 1) + 0.5 * part).astype(np.float32)))


def reference_places(cloud: Any) -> tuple[Tensor, PointPlaces]:
    """Images for the encoder, and true pixels with the reference's visibility, which all runs of the files used."""
    found = project_points(cloud[None], lookup="faithful")
    return crop_to_encoder(found.depth)[0], PointPlaces(crop_pixels(found.pixel[0].flip(-1)), found.seen[0], 224)


def agree(found: Any, run: str, expected: Arrays, cloud: int) -> None:
    sure = expected[f"margin_{run}"][cloud].astype(np.float32) > 0.02
    wrong = found[sure] != expected[f"pred_{run}"][cloud][sure]
    assert wrong.mean() <= 1e-3, f"{run}, cloud {cloud}: {wrong.sum()} of {len(wrong)} points"


def test_points_get_the_reference_s_scores_and_parts(golden_files: Golden) -> None:
    text = toy_text()
    for clouds, expected in pairs(golden_files):
        fixed = torch.from_numpy(expected["view_weights_fixed"])
        for cloud, points in enumerate(clouds["points"]):
            images, places = reference_places(points)
            tokens = toy_tokens(images)
            scrambled = faithful_scores(tokens, text, places)
            patches = patch_scores(tokens, text, half=True)
            unscrambled = point_scores(patches, places.mirrored(), window=REFERENCE_WINDOW)
            corrected = point_scores(patches, places, fixed, REFERENCE_WINDOW)
            for run, scores in (("reference", scrambled), ("unscrambled", unscrambled), ("fixed", corrected)):
                agree(reference_parts(scores), run, expected, cloud)
            if cloud == 3:
                off = [
                    np.abs(scores.numpy() - expected[f"logits_{run}_cloud3"]).max(1)
                    for run, scores in (("reference", scrambled), ("unscrambled", unscrambled))
                ]
                unmoved = ~clouds["near_tie"][3].any(0)
                assert all(error[unmoved].max() < 0.03 for error in off)


def test_accuracy_and_mean_iou_follow_from_the_stored_parts(golden_files: Golden) -> None:
    for _, expected in pairs(golden_files):
        truth = expected["labels"].astype(np.int64)
        for run in ("reference", "unscrambled", "fixed"):
            answers = list(zip(expected[f"pred_{run}"].astype(np.int64), truth, strict=True))
            found = (
                np.mean([accuracy(*answer) for answer in answers]),
                np.mean([shape_iou(*answer, 4) for answer in answers]),
            )
            assert [100 * value for value in found] == pytest.approx(
                [float(expected[f"acc_{run}"]), float(expected[f"miou_{run}"])], abs=1e-3
            )


PARTS = {"chair": 4, "lamp": 4, "bag": 2}
FIRST = (0, 4, 6, 8, 12, 16, 19, 22, 24, 28, 30, 36, 38, 41, 44, 47, 50)
"""First global part id of every category, and one past the last."""


def test_shape_ious_are_the_reference_s(golden_files: Golden) -> None:
    for path in golden_files("pointclip_v2/*_iou_?.npz"):
        data = dict(np.load(path))
        for case in (name.removesuffix("_gt") for name in data if name.endswith("_gt") and name != "all_gt"):
            parts = PARTS[case.split("_")[0]]
            answers = zip(data[f"{case}_pred"].astype(np.int64), data[f"{case}_gt"].astype(np.int64), strict=True)
            found = [shape_iou(predicted, truth, parts) for predicted, truth in answers]
            np.testing.assert_allclose(found, data[f"{case}_iou"], atol=1e-12)
            assert 100 * np.mean(found) == pytest.approx(float(data[f"{case}_miou100"]), abs=1e-10)
        for truth, predicted, label, expected in zip(
            data["all_gt"], data["all_pred"], data["all_label"], data["all_iou"], strict=True
        ):
            own = slice(FIRST[label], FIRST[label + 1])
            found = part_ious(predicted.astype(np.int64), truth.astype(np.int64), FIRST[-1])[own].mean()
            assert found == pytest.approx(float(expected), abs=1e-12)
