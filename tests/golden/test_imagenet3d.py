"""Preprocessing, projection and drawing of ImageNet3D against files of the reference."""

import io
import json
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from scipy.ndimage import binary_dilation

from opendlign_core.camera import Pose
from opendlign_core.ingestion.cloud import Mesh
from opendlign_core.ingestion.files import DirectoryFiles
from opendlign_core.ingestion.posed.annotations import Annotation, LeftOut, annotation_of, crop_name
from opendlign_core.ingestion.posed.crop import Crop, plan_crop
from opendlign_core.ingestion.posed.folders import PhotoFolder
from opendlign_core.ingestion.posed.pixels import resized_without_opencv
from opendlign_core.ingestion.posed.preprocess import preprocess
from opendlign_core.ingestion.posed.published import cropped, published_values
from opendlign_core.ingestion.posed.recipe import CropRecipe
from opendlign_core.ingestion.readers import read_shape
from opendlign_core.pictures.wireframe import BAD, GOOD, UInt8, boxed, wireframe
from tests.ingestion.posed.folders import annotation_bytes, put

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


def test_the_written_files_are_the_reference_s(golden_files: Golden, tmp_path: Path) -> None:
    pytest.importorskip("cv2")
    for place, data in enumerate(arrays(golden_files, "imagenet3d_preprocess_?.npz")):
        expected = json.loads(str(data["expected_json"]))
        root = written(data, tmp_path / str(place), next(iter(expected_classes(expected))))
        folder = PhotoFolder.of(DirectoryFiles(root))
        groups = [(*place, photos) for place, photos in folder.photos.items()]
        for mode, wanted in modes(data):
            out = tmp_path / f"{place}-{mode}"
            tallies = {split: tally for _, split, tally in preprocess(root, out, groups, recipe_of(wanted["args"]), 1)}
            assert sorted(wanted["tree"]) == sorted(str(path.relative_to(out)) for path in out.rglob("*.*"))
            for split, tally in tallies.items():
                stats = expected[f"{mode}_stats_{split}"]
                assert (tally.total, len(tally.names), tally.unwanted) == tuple(stats.values())
                listed = (out / "lists" / f"{folder.categories[0]}_{split}" / "mesh01.txt").read_text()
                assert listed == "\n".join(expected[f"{mode}_list_{split}"])
            name, sample = next(iter(wanted["samples"].items()))
            with np.load(out / "annotations" / f"{sample['class']}_{sample['split']}" / f"{name}.npz") as stored:
                assert {key: f"{stored[key].dtype}{stored[key].shape}" for key in stored} == sample["dtypes"]


def expected_classes(expected: Mapping[str, Any]) -> set[str]:
    modes = (mode for mode in expected.values() if isinstance(mode, dict) and "samples" in mode)
    return {sample["class"] for mode in modes for sample in mode["samples"].values()}


def written(data: Arrays, root: Path, category: str) -> Path:
    """The reference's inputs as a published folder, with lossless photos."""
    for sample, rows in json.loads(str(data["annotations_json"])).items():
        image = io.BytesIO()
        Image.fromarray(data[f"image_{sample}"]).save(image, "PNG")
        put(root, f"images/{category}/{sample}.png", image.getvalue())
        arrays = [{key: np.array(row[key]) if isinstance(row[key], list) else row[key] for key in row} for row in rows]
        put(root, f"annotations/{category}/{sample}.npz", annotation_bytes(arrays))
    for split, names in json.loads(str(data["lists_json"])).items():
        put(root, f"lists/{category}_imagenet_{split}.txt", "\n".join(names).encode())
    return root


def drawn(data: Arrays, tmp_path: Path) -> UInt8:  # [2, H, W, 3]
    path = tmp_path / "cad.off"
    path.write_text(str(data["off_text"]))
    mesh = read_shape(path)
    assert isinstance(mesh, Mesh)
    np.testing.assert_array_equal(mesh.vertices, data["off_vertices"])
    np.testing.assert_array_equal(mesh.faces, data["off_faces"])
    framed = boxed(data["overlay_base"], tuple(data["overlay_bbox"].tolist()))
    poses = [
        Pose(**dict(zip(data["pose_fields"].tolist(), row.tolist(), strict=True))) for row in data["overlay_poses"]
    ]
    colours = [GOOD if good else BAD for good in data["overlay_good"]]
    pictures = [
        wireframe(framed, mesh.vertices, mesh.faces, pose, colour) for pose, colour in zip(poses, colours, strict=True)
    ]
    return np.stack(pictures)


def test_boxes_and_wireframes_are_the_reference_s_pixels(golden_files: Golden, tmp_path: Path) -> None:
    pytest.importorskip("cv2")
    for data in arrays(golden_files, "imagenet3d_projection_?.npz"):
        np.testing.assert_array_equal(drawn(data, tmp_path), data["overlay"])


def test_without_opencv_lines_pass_within_a_pixel(
    golden_files: Golden, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "cv2", None)
    around = np.ones((1, 3, 3), bool)
    for data in arrays(golden_files, "imagenet3d_projection_?.npz"):
        ours, theirs = ((one != data["overlay_base"]).any(-1) for one in (drawn(data, tmp_path), data["overlay"]))
        assert (ours & ~binary_dilation(theirs, around)).sum() <= 1e-3 * ours.sum()
        assert (theirs & ~binary_dilation(ours, around)).sum() <= 1e-3 * theirs.sum()
