"""The published PointCLIP V2 projections, against files made with the reference implementation."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from opendlign_core.clip import resize_aligned
from opendlign_core.clip.cropping import crop_pixels, crop_to_encoder
from opendlign_core.projection import RECIPES, project
from opendlign_core.projection.grid import Cells, cells_of
from opendlign_core.projection.points import project_points
from opendlign_core.projection.views import rotation_stages

Golden = Callable[[str], list[Path]]
Arrays = Mapping[str, Any]


def _load(golden_files: Golden, pattern: str) -> list[Arrays]:
    return [dict(np.load(path)) for path in golden_files(pattern)]


def _moved(cells: Cells, data: Arrays) -> Any:
    return (
        (cells.row.numpy() != data["cell_row"])
        | (cells.column.numpy() != data["cell_col"])
        | (cells.layer.numpy() != data["cell_depth"])
    )


def test_rotations_have_the_reference_bits(golden_files: Golden) -> None:
    for name, pattern in (("pointclip-v2", "cls"), ("pointclip-v2-seg", "seg")):
        for data in _load(golden_files, f"pointclip_v2/*_projection_{pattern}_?.npz"):
            for number, stage in enumerate(rotation_stages(RECIPES[name]), start=1):
                np.testing.assert_allclose(stage.numpy().transpose(0, 2, 1), data[f"rot{number}"], atol=1e-7)


def test_classification_cells_and_images(golden_files: Golden) -> None:
    for data in _load(golden_files, "pointclip_v2/*_projection_cls_?.npz"):
        points = torch.from_numpy(data["points"])
        cells = cells_of(points, RECIPES["pointclip-v2"])
        assert not (_moved(cells, data) & ~data["near_tie"]).any()
        np.testing.assert_allclose(cells.depth.numpy()[:2], data["cell_value"], atol=1e-5)
        images = project(points, "pointclip-v2").numpy()
        off = np.abs(images - data["image"])
        assert (off > 1e-5).mean() <= 1e-3
        assert off.max() < 0.05
        unmoved = ~_moved(cells, data).any(-1)
        assert off[unmoved].max() <= 1e-5
        resized = resize_aligned(torch.from_numpy(images)).numpy()
        for (cloud, view), expected in zip(data["image224_sel"], data["image224"], strict=True):
            if unmoved[cloud, view]:
                np.testing.assert_allclose(resized[cloud, view], expected, atol=5e-5)


def test_rounding_hostile_clouds(golden_files: Golden) -> None:
    for data in _load(golden_files, "pointclip_v2/*_projection_cls_edge_?.npz"):
        cells = cells_of(torch.from_numpy(data["points"]), RECIPES["pointclip-v2"])
        assert _moved(cells, data).mean() < 0.1
        images = project(data["points"], "pointclip-v2").numpy()[:, data["views"]]
        assert (np.abs(images - data["image"]) > 5e-5).mean() < 0.005


def test_segmentation_cells_images_and_points(golden_files: Golden) -> None:
    for data in _load(golden_files, "pointclip_v2/*_projection_seg_?.npz"):
        found = project_points(data["points"], lookup="faithful")
        moved = _moved(found.cells, data)
        assert not (moved & ~data["near_tie"]).any()
        still = ~moved.any(-1)
        depth, cropped = found.depth.numpy(), crop_to_encoder(found.depth).numpy()
        for selected, stored, made in (("image_sel", "image", depth), ("image224_sel", "image224", cropped)):
            for (cloud, view), expected in zip(data[selected], data[stored], strict=True):
                if still[cloud, view]:
                    np.testing.assert_allclose(made[cloud, view], expected.astype(np.float32), atol=5e-4)
        seen, doubtful = (np.unpackbits(data[key], axis=-1).astype(bool) for key in ("is_seen", "is_seen_ambiguous"))
        assert not ((found.seen.numpy() != seen) & ~doubtful)[still].any()
        assert (crop_pixels(found.pixel).numpy() == data["point_loc224"])[~data["near_tie"]].all()


def test_only_the_corrected_lookup_finds_the_points_on_the_object(golden_files: Golden) -> None:
    data = _load(golden_files, "pointclip_v2/*_projection_seg_?.npz")[0]
    chair = list(data["names"]).index(next(name for name in data["names"] if "chair" in name))
    cloud = torch.from_numpy(data["points"][chair : chair + 1])

    def share_on_background(lookup: Any) -> float:
        found = project_points(cloud, lookup=lookup)
        place = found.pixel[..., 0] * 224 + found.pixel[..., 1]
        return float((found.depth.flatten(2).gather(2, place) == 1).float().mean())

    assert share_on_background("corrected") == 0
    assert share_on_background("faithful") > 0.2
