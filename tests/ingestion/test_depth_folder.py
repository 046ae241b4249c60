from pathlib import Path

import numpy as np
import pytest

from opendlign_core.errors import BadInput
from opendlign_core.ingestion import FolderObject, UnreadableShape, read_folder_object, write_folder_object
from opendlign_core.ingestion.depth_folder import depth_files
from tests.synthesis.scenes import scene

DEPTH = np.stack([scene(number, 32) for number in range(3)])
IMAGES = np.random.default_rng(0).integers(0, 256, (3, 32, 32, 3), dtype=np.uint8)


def read_all(folder: Path) -> list[FolderObject]:
    return [read_folder_object(path) for path in depth_files(folder)]


def test_what_is_exported_is_read_back(tmp_path: Path) -> None:
    write_folder_object(tmp_path, "b2", DEPTH, list(IMAGES))
    write_folder_object(tmp_path, "a1", DEPTH[::-1], label="office chair")
    first, second = read_all(tmp_path)
    assert (first.name, first.label, first.images) == ("a1", "office chair", None)
    assert (second.name, second.label) == ("b2", None)
    assert np.array_equal(second.depth, DEPTH)
    assert second.images is not None
    assert np.array_equal(second.images, IMAGES)


def test_the_layout_is_the_published_one(tmp_path: Path) -> None:
    write_folder_object(tmp_path, "x", DEPTH, list(IMAGES))
    write_folder_object(tmp_path, "y", DEPTH, label="night stand")
    stored = np.load(tmp_path / "depth_map" / "x_dm.npy")
    assert (stored.shape, stored.dtype) == ((3, 32, 32, 3), np.float32)
    assert sorted(path.name for path in (tmp_path / "depth_align_img" / "x").iterdir()) == ["0.png", "1.png", "2.png"]
    assert (tmp_path / "depth_map" / "y+night_stand_dm.npy").is_file()


def test_double_precision_maps_are_read(tmp_path: Path) -> None:
    (tmp_path / "depth_map").mkdir()
    np.save(tmp_path / "depth_map" / "x_dm.npy", DEPTH.astype(np.float64)[..., None].repeat(3, 3))
    assert read_all(tmp_path)[0].depth.dtype == np.float32


@pytest.mark.parametrize("name", ["../x", ".hidden", "a+b", "a/b", ""])
def test_names_that_would_not_come_back_are_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(BadInput, match="name"):
        write_folder_object(tmp_path, name, DEPTH)


def test_what_cannot_be_written_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="1 images but 3 depth maps"):
        write_folder_object(tmp_path, "x", DEPTH, list(IMAGES[:1]))
    with pytest.raises(BadInput, match="label"):
        write_folder_object(tmp_path, "x", DEPTH, label="a/b")


def test_what_does_not_fit_is_told(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="layout that OpenDlign publishes"):
        read_all(tmp_path)
    write_folder_object(tmp_path, "x", DEPTH, list(IMAGES))
    (tmp_path / "depth_align_img" / "x" / "1.png").unlink()
    with pytest.raises(UnreadableShape, match="no image for view 1 of 3"):
        read_all(tmp_path)
    for depth, reason in (
        (np.full((2, 4, 4, 3), 7.0), r"do not lie in \[0, 1\]"),
        (np.zeros((4, 4)), r"float64 \(4, 4\) where depth maps"),
        (np.zeros((0, 4, 4, 3)), "where depth maps"),
    ):
        np.save(tmp_path / "depth_map" / "x_dm.npy", depth)
        with pytest.raises(UnreadableShape, match=reason):
            read_all(tmp_path)


def test_pickled_arrays_are_not_loaded(tmp_path: Path) -> None:
    (tmp_path / "depth_map").mkdir()
    np.save(tmp_path / "depth_map" / "x_dm.npy", np.array([{}], dtype=object), allow_pickle=True)
    with pytest.raises(UnreadableShape, match="pickled"):
        read_all(tmp_path)
