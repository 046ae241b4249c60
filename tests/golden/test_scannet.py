"""ScanNet's raw scans and prepared folders as scenes, against what the reference made of them."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from opendlign_core.boxes import Boxes
from opendlign_core.ingestion import (
    DirectoryFiles,
    IngestedScene,
    IngestExecution,
    IngestRecipe,
    RejectedObject,
    SourceSpec,
    ingest_entries,
    list_entries,
)
from opendlign_core.ingestion.labels.scenes import SCANNET_NYU40
from opendlign_core.samples import Scene

Golden = Callable[[str], list[Path]]
Z_UP = [0, 2, 1]


def ingested(adapter: str, folder: Path, **options: str) -> dict[str, Scene | str]:
    """Scenes by the names of their scans, and the reasons of those that are rejected."""
    source, files = SourceSpec(adapter=adapter, url=str(folder), options=options), DirectoryFiles(folder)
    recipe = IngestRecipe(source=source)
    found: dict[str, Scene | str] = {}
    for outcome in ingest_entries(list_entries(source, files), recipe, IngestExecution(workers=1), files):
        name = outcome.entry.object_id.partition("/")[2]
        assert isinstance(outcome, IngestedScene | RejectedObject)
        found[name] = outcome.scene if isinstance(outcome, IngestedScene) else outcome.reason
    return found


def as_stored(points: NDArray[np.floating]) -> NDArray[np.floating]:  # [N, 3], z up -> y up
    return points[:, Z_UP] * [1, 1, -1]


@pytest.fixture(scope="module", params=["scannet", "scannet-votenet"])
def made(request: pytest.FixtureRequest, golden_files: Golden) -> list[tuple[Path, dict[str, Scene | str]]]:
    return [(folder, ingested(request.param, folder)) for folder in golden_files("detection/scannet_mini_?")]


def test_points_labels_and_boxes_are_the_reference_s(made: list[tuple[Path, dict[str, Scene | str]]]) -> None:
    for folder, scenes in made:
        prepared = sorted((folder / "scannet_train_detection_data").glob("*_vert.npy"))
        assert prepared
        for path in prepared:
            scan = path.name.removesuffix("_vert.npy")
            vertices, instances, semantics, boxes = (
                np.load(path.with_name(f"{scan}_{kind}.npy")) for kind in ("vert", "ins_label", "sem_label", "bbox")
            )
            scene = scenes[scan]
            assert isinstance(scene, Scene) and scene.instances is not None
            np.testing.assert_allclose(scene.points, as_stored(vertices[:, :3]), atol=1e-6)
            np.testing.assert_array_equal(scene.colors, vertices[:, 3:])
            np.testing.assert_array_equal(scene.semantics, semantics)
            np.testing.assert_allclose(scene.boxes.centres, as_stored(boxes[:, :3]), atol=1e-6)
            np.testing.assert_allclose(scene.boxes.sizes, boxes[:, 3:6][:, Z_UP], atol=1e-6)
            assert list(scene.meta.things) == [SCANNET_NYU40[int(one)] for one in boxes[:, 6]]
            theirs = sorted({int(instances[scene.instances == row + 1][0]) for row in range(len(boxes))})
            assert len(theirs) == len(boxes)
            for row, instance in enumerate(theirs):
                np.testing.assert_array_equal(scene.instances == row + 1, instances == instance)


def test_every_thing_can_be_kept_by_its_own_label(golden_files: Golden) -> None:
    for folder, items in zip(
        golden_files("detection/scannet_mini_?"), golden_files("detection/scannet_items_?.npz"), strict=True
    ):
        scenes, expected = ingested("scannet", folder, things="all"), np.load(items)
        for scan in [name.removesuffix("_all_boxes") for name in expected.files if name.endswith("_all_boxes")]:
            scene, boxes = scenes[scan], expected[f"{scan}_all_boxes"]
            assert isinstance(scene, Scene)
            boxes = boxes[boxes[:, 3:6].any(1)]
            np.testing.assert_allclose(scene.boxes.centres, as_stored(boxes[:, :3]), atol=1e-6)


def test_what_detectors_are_trained_on_follows_from_a_scene(golden_files: Golden) -> None:
    """The items of 3DETR's data set: extents of the drawn points, and boxes with the numbers of their classes."""
    numbers = list(SCANNET_NYU40.values())
    for folder, items in zip(
        golden_files("detection/scannet_mini_?"), golden_files("detection/scannet_items_?.npz"), strict=True
    ):
        scenes, expected = ingested("scannet-votenet", folder), np.load(items)
        drawn = [name.removesuffix("_choices") for name in expected.files if name.endswith("_choices")]
        assert drawn
        for item in drawn:
            scene, there = scenes[item.rpartition("_")[0]], expected[f"{item}_gt_box_present"] == 1
            assert isinstance(scene, Scene)
            low, high = (expected[f"{item}_point_cloud_dims_{side}"] for side in ("min", "max"))
            chosen = scene.points[expected[f"{item}_choices"]]
            np.testing.assert_allclose(chosen.min(0), [low[0], low[2], -high[1]], atol=1e-6)
            np.testing.assert_allclose(chosen.max(0), [high[0], high[2], -low[1]], atol=1e-6)
            theirs = Boxes.of_camera_corners(expected[f"{item}_gt_box_corners"][there])
            np.testing.assert_allclose(scene.boxes.corners(), theirs.corners(), atol=1e-6)
            classes = expected[f"{item}_gt_box_sem_cls_label"][there]
            assert [numbers.index(thing) for thing in scene.meta.things] == classes.tolist()


def test_splits_are_those_of_the_lists_and_a_scan_without_alignment_is_a_row(golden_files: Golden) -> None:
    for folder in golden_files("detection/scannet_mini_?"):
        scenes = ingested("scannet", folder)
        listed = {
            split: (folder / "meta_data" / f"scannetv2_{split}.txt").read_text().split() for split in ("train", "val")
        }
        rejected = {scan: found for scan, found in scenes.items() if isinstance(found, str)}
        assert rejected and all("has no line axisAlignment in" in reason for reason in rejected.values())
        for scan, scene in scenes.items():
            if isinstance(scene, Scene) and scan in {*listed["train"], *listed["val"]}:
                assert scan in listed[scene.meta.split]


def test_a_real_flat_is_read_as_mmdetection3d_keeps_it(data_dir: Path) -> None:
    folder = data_dir / "scenes_mmdet3d" / "tests" / "data" / "scannet"
    if not folder.is_dir():
        pytest.skip(f"no scenes at {folder}")
    (scene,) = ingested("scannet-votenet", folder).values()
    assert isinstance(scene, Scene) and scene.instances is not None
    assert (len(scene.points), len(scene.boxes)) == (81369, 27)
    for thing in range(27):
        own = scene.points[scene.instances == thing + 1]
        np.testing.assert_allclose(np.ptp(own, axis=0), scene.boxes.sizes[thing], atol=1e-4)


def test_boxes_of_a_real_view_of_sun_rgbd_hold_what_they_name(data_dir: Path) -> None:
    folder = data_dir / "scenes_mmdet3d" / "tests" / "data" / "sunrgbd"
    if not folder.is_dir():
        pytest.skip(f"no scenes at {folder}")
    (scene,) = ingested("sunrgbd", folder).values()
    assert isinstance(scene, Scene)
    assert scene.meta.things == ("bed", "night stand", "dresser")
    low, high = scene.boxes[:1].hulls()
    x, y, z = scene.points.T
    wall = (y > high[0, 1] + 0.2) & (z < scene.boxes.centres[0, 2]) & (x > low[0, 0]) & (x < high[0, 0])
    slope = np.polyfit(x[wall], z[wall], 1)[0]
    # The bed's head is along the wall behind it; a yaw of the other sign would lean the other way.
    assert slope > 0.05
    assert abs(np.arctan(slope) - (scene.boxes.yaws[0] - np.pi / 2)) < 0.05
