"""Preprocessing, projection and drawing of ImageNet3D against files of the reference."""

import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from opendlign_core.camera import Pose
from opendlign_core.ingestion.posed.annotations import Annotation, LeftOut, annotation_of
from opendlign_core.ingestion.posed.crop import Crop, CropRecipe, plan_crop
from opendlign_core.ingestion.posed.pixels import resized_without_opencv
from opendlign_core.ingestion.posed.published import crop_name, cropped, published_values

Golden = Callable[[str], list[Path]]
Arrays = Mapping[str, Any]


def arrays(golden_files: Golden, pattern: str) -> list[Arrays]:
    return [dict(np.load(path)) for path in golden_files(f"imagenet3d/{pattern}")]


def recipe_of(arguments: Mapping[str, Any]) -> CropRecipe:
    return CropRecipe(
        height=arguments["image_height"],
        width=arguments["image_width"],
        centre=arguments["center_and_resize"],
        distance=arguments["target_distance"],
        arithmetic="faithful",
    )


def modes(data: Arrays) -> Iterator[tuple[str, Mapping[str, Any]]]:
    expected = json.loads(str(data["expected_json"]))
    yield from ((name, mode) for name, mode in expected.items() if isinstance(mode, dict) and "args" in mode)


def crops(data: Arrays, recipe: CropRecipe) -> Iterator[tuple[str, Annotation, Crop, Image.Image]]:
    for sample, rows in json.loads(str(data["annotations_json"])).items():
        photo = Image.fromarray(data[f"image_{sample}"])
        for number, row in enumerate(rows):
            found = annotation_of(row, number)
            if isinstance(found, LeftOut):
                assert not found.broken, found.reason
                continue
            yield crop_name(sample, number), found, plan_crop(found, photo.height, photo.width, recipe), photo


def agrees(name: str, found: Any, expected: Any, kind: str) -> None:
    assert f"{np.asarray(found).dtype}{np.asarray(found).shape}" == kind, name
    if isinstance(expected, str):
        assert found == expected
    else:
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-9, err_msg=name)


def test_faithful_preprocessing_writes_the_reference_s_values_of_the_reference_s_types(golden_files: Golden) -> None:
    for data in arrays(golden_files, "imagenet3d_preprocess_?.npz"):
        for mode, expected in modes(data):
            samples = dict(expected["samples"])
            for name, annotation, crop, _ in crops(data, recipe_of(expected["args"])):
                values = published_values(name, samples[name]["class"], annotation, crop)
                wanted = samples.pop(name)
                assert set(values) == set(wanted["dtypes"]), mode
                assert [*crop.size, 3] == wanted["shape"], (mode, name)
                for key, value in values.items():
                    agrees(f"{mode} {name} {key}", value, wanted[key], wanted["dtypes"][key])
            assert not samples, mode


def test_faithful_pixels_are_the_reference_s(golden_files: Golden) -> None:
    pytest.importorskip("cv2")
    for data in arrays(golden_files, "imagenet3d_preprocess_?.npz"):
        for mode, expected in modes(data):
            recipe = recipe_of(expected["args"])
            for name, _, crop, photo in crops(data, recipe):
                assert np.array_equal(cropped(photo, crop, recipe), data[f"out_{mode}_{name}"]), (mode, name)


def test_without_opencv_pixels_are_a_grey_level_off_at_most(
    golden_files: Golden, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("opendlign_core.ingestion.posed.pixels._resized", resized_without_opencv)
    off = total = 0
    for data in arrays(golden_files, "imagenet3d_preprocess_?.npz"):
        for mode, expected in modes(data):
            recipe = recipe_of(expected["args"])
            for name, _, crop, photo in crops(data, recipe):
                wanted = data[f"out_{mode}_{name}"].astype(int)
                apart = np.abs(cropped(photo, crop, recipe) - wanted)
                assert apart.max() <= 1
                off, total = off + int(np.count_nonzero(apart)), total + apart.size
    assert off < 1e-3 * total


def test_points_are_seen_where_the_reference_sees_them(golden_files: Golden) -> None:
    for data in arrays(golden_files, "imagenet3d_projection_?.npz"):
        for row, expected in zip(data["poses"], data["points2d"], strict=True):
            pose = Pose(**dict(zip(data["pose_fields"].tolist(), row.tolist(), strict=True)))
            found = pose.project(data["points"])
            np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-9 * max(1.0, float(np.abs(expected).max())))
