"""ImageNet3D's folders into crops: what is broken costs itself, what is there is kept, and a killed run continues."""

import os
import pickle
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from opendlign_core.errors import BadInput
from opendlign_core.ingestion.errors import UnreadableShape
from opendlign_core.ingestion.files import DirectoryFiles
from opendlign_core.ingestion.posed.annotations import Annotation, LeftOut, annotation_of, read_annotations, read_plain
from opendlign_core.ingestion.posed.crop import plan_crop
from opendlign_core.ingestion.posed.folders import PhotoFolder
from opendlign_core.ingestion.posed.preprocess import Tally, preprocess
from opendlign_core.ingestion.posed.recipe import CropRecipe
from tests.ingestion.posed.folders import annotated, annotation_bytes, photo_bytes, put, write_folder
from tests.servers import ROOT

SMALL = CropRecipe(height=64, width=80)


def tallied(root: Path, out: Path, recipe: CropRecipe = SMALL, split: str = "train") -> Tally:
    photos = PhotoFolder.of(DirectoryFiles(root)).photos["mug", split]
    return list(preprocess(root, out, [("mug", split, photos)], recipe, 1))[-1][2]


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*.*")}


BROKEN: dict[str, tuple[Mapping[str, Any], str]] = {
    "no angle": ({"azimuth": None}, "lacks 'azimuth'"),
    "not finite": ({"theta": float("nan")}, "has 'theta' that is not finite"),
    "words": ({"elevation": "high"}, "has 'elevation' that is no number"),
    "no origin": ({"px": None, "principal": None}, "says neither `px`, `py` nor `principal`"),
    "no extent": ({"bbox": [5, 5, 5, 9]}, "has a box without extent"),
    "short box": ({"bbox": [5, 5, 5]}, "has 'bbox' of 3 numbers instead of 4"),
    "viewport": ({"viewport": 0}, "has a pose whose viewport is wrong"),
    "other size": ({"width": 121}, "was annotated on 121 x 90 pixels, but its photo has 120 x 90"),
    "far origin": ({"px": 9e5}, "has its origin at 900000, 41.25, too far outside of the photo"),
    "tiny": ({"distance": 1e-3}, "would be scaled to 0 x 0 pixels"),
    "huge": ({"distance": 1e4}, "would be scaled to 300000 x 225000 pixels"),
}


def test_a_broken_object_costs_itself_alone(tmp_path: Path) -> None:
    rows = [annotated(), *(annotated(**changes) for changes, _ in BROKEN.values()), annotated()]
    tally = tallied(write_folder(tmp_path / "raw", {"n1_1": rows}), tmp_path / "out")
    assert tally.names == ["n1_1_00", f"n1_1_{len(rows) - 1:02d}"]
    assert tally.unwanted == 0
    for (name, reason), (_, expected) in zip(tally.broken, BROKEN.values(), strict=True):
        assert name.startswith("n1_1_")
        assert expected in reason


def test_what_annotators_want_left_out_is_no_fault() -> None:
    def left_out(**changes: Any) -> str:
        found = annotation_of(annotated(**changes), 0)
        assert not isinstance(found, LeftOut) or not found.broken
        return found.reason if isinstance(found, LeftOut) else ""

    assert not left_out()
    assert "ignore" in left_out(ignore=1, distance=None)
    assert "distance is 0" in left_out(distance=0.0)
    assert "distance is -1" in left_out(distance=-1.0, bbox=None)
    assert not left_out(object_status="status_bad")  # where there is `ignore`, it decides
    assert not left_out(ignore=None)
    assert left_out(ignore=None, object_status="status_bad") == "has status_bad"
    assert "neither" in left_out(ignore=None, object_status=None)


def test_an_origin_that_is_said_under_one_name_alone_is_found() -> None:
    both = [annotation_of(annotated(**gone), 0) for gone in ({"principal": None}, {"px": None, "py": None}, {})]
    assert all(isinstance(one, Annotation) and (one.pose.px, one.pose.py) == (62.5, 41.25) for one in both)


class Bomb:
    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return os.system, ("touch burst",)


def test_a_pickle_with_foreign_classes_is_refused_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UnreadableShape, match=r"names posix\.system"):
        read_annotations(annotation_bytes([annotated(bbox=Bomb())]))
    assert not (tmp_path / "burst").exists()
    for data, reason in (
        (b"", "no .npz archive"),
        (pickle.dumps([annotated()]), "no .npz archive"),
        (annotation_bytes([]), "holds no object"),
        (annotation_bytes([annotated()])[:-40], "not a valid annotation"),
    ):
        with pytest.raises(UnreadableShape, match=reason):
            read_annotations(data)


def test_files_that_are_not_there_or_broken_cost_their_photo(tmp_path: Path) -> None:
    root = write_folder(tmp_path / "raw", {name: [annotated()] for name in ("a", "b", "c", "d", "e")})
    (root / "images/mug/a.JPEG").unlink()
    (root / "annotations/mug/b.npz").unlink()
    put(root, "images/mug/c.JPEG", photo_bytes()[:600])
    put(root, "images/mug/d.JPEG", b"no picture")
    put(root, "lists/mug_imagenet_train.txt", b"\xef\xbb\xbfa\r\n\r\nb\r\nc\r\nd\r\n  e \r\ne\r\n")
    tally = tallied(root, tmp_path / "out")
    assert tally.names == ["e_00"]
    reasons = dict(tally.broken)
    assert reasons["a"] == "has no images/mug/a.JPEG"
    assert reasons["b"] == "has no annotations/mug/b.npz"
    assert "not a valid photo" in reasons["c"]
    assert "not a valid photo" in reasons["d"]


def test_what_is_there_is_kept_and_what_changed_is_made_again(tmp_path: Path) -> None:
    root = write_folder(tmp_path / "raw", {"a": [annotated(), annotated(px=20.0)], "b": [annotated()]})
    out, fresh = tmp_path / "out", tmp_path / "fresh"
    tallied(root, out)
    first = {path: path.stat().st_mtime_ns for path in out.rglob("[ab]_0*.*")}
    (out / "images/mug_train/b_00.JPEG").unlink()
    tallied(root, out)
    changed = [path.name for path, time in first.items() if path.stat().st_mtime_ns != time]
    assert sorted(changed) == ["b_00.JPEG", "b_00.npz"]
    other = CropRecipe(height=64, width=80, distance=5.0, arithmetic="faithful")
    tallied(root, out, other)
    tallied(root, fresh, other)
    assert contents(out) == contents(fresh)


@pytest.mark.parametrize("size", [(64, 80), (65, 51)])
@pytest.mark.parametrize("centre", [True, False])
def test_corrected_crops_keep_box_and_origin_where_the_photo_has_them(size: tuple[int, int], centre: bool) -> None:
    """Pixels that mark the box and the origin are found where the crop's own numbers say."""
    recipe = CropRecipe(height=size[0], width=size[1], centre=centre, distance=3.0)
    row = annotated(px=47.0, py=33.0, bbox=[20.0, 15.0, 80.0, 61.0], distance=4.0)
    found = annotation_of(row, 0)
    assert isinstance(found, Annotation)
    photo = np.zeros((90, 120, 3), np.uint8)
    photo[15:61, 20:80] = 255
    crop = plan_crop(found, 90, 120, recipe)
    from opendlign_core.ingestion.posed.published import cropped

    pixels = cropped(Image.fromarray(photo), crop, recipe)[..., 0] > 127
    assert pixels.shape == size
    rows, columns = np.flatnonzero(pixels.any(1)), np.flatnonzero(pixels.any(0))
    left, top, right, bottom = crop.box
    limits = [max(left, 0), max(top, 0), min(right, size[1]), min(bottom, size[0])]
    np.testing.assert_allclose([columns[0], rows[0], columns[-1] + 1, rows[-1] + 1], limits, atol=0.75)
    if centre:
        assert (crop.pose.px, crop.pose.py) == pytest.approx((size[1] / 2, size[0] / 2))
    points = np.array([[0.1, 0.2, 0.3], [-0.2, 0.1, -0.1]])
    scaled = found.pose.project(points) * crop.scale + crop.offset[::-1]
    np.testing.assert_allclose(crop.exact_pose.project(points), scaled, atol=1e-9)


def test_categories_and_splits_that_are_not_there_are_named(tmp_path: Path) -> None:
    folder = PhotoFolder.of(DirectoryFiles(write_folder(tmp_path, {"a": [annotated()]})))
    with pytest.raises(BadInput, match="no category jug; there are 1, such as mug"):
        list(folder.chosen(["jug"], ["train"]))
    with pytest.raises(BadInput, match=r"lists/mug_imagenet_val\.txt is not there"):
        list(folder.chosen([], ["train", "val"]))
    assert folder.cads == {"mug": {1: "CAD/mug/01.off"}}


def test_the_side_by_side_layout_is_read_as_well(tmp_path: Path) -> None:
    put(tmp_path, "imagenet3d/mug/n1_1.JPEG", photo_bytes())
    put(tmp_path, "imagenet3d/mug/n1_1.npz", annotation_bytes([annotated()]))
    folder = PhotoFolder.of(DirectoryFiles(tmp_path), "val")
    assert [photo.name for photo in folder.photos["mug", "val"]] == ["n1_1"]
    groups = [("mug", "val", folder.photos["mug", "val"])]
    assert list(preprocess(tmp_path, tmp_path / "out", groups, SMALL, 1))[-1][2].names == ["n1_1_00"]
    values = read_plain((tmp_path / "out/annotations/mug_val/n1_1_00.npz").read_bytes())
    assert (values["class"], values["cad_index"], values["principal"].tolist()) == ("mug", 1, [40.0, 32.0])


@pytest.mark.timeout(240)
def test_a_killed_run_continues_and_ends_with_the_same_files(tmp_path: Path) -> None:
    raw = write_folder(tmp_path / "raw", {f"n1_{number}": [annotated()] * 4 for number in range(48)})
    out, whole = tmp_path / "out", tmp_path / "whole"

    def started(folder: Path) -> "subprocess.Popen[bytes]":
        command = [sys.executable, "-m", "opendlign", "data", "preprocess-imagenet3d", str(raw), str(folder)]
        options = ["--splits", "train", "--workers", "1", "--image-height", "240", "--image-width", "320"]
        return subprocess.Popen([*command, *options], cwd=ROOT, stdout=subprocess.DEVNULL)

    doomed = started(out)
    while len(list(out.rglob("*.npz"))) < 10:
        assert doomed.poll() is None
        time.sleep(0.02)
    doomed.send_signal(signal.SIGKILL)
    doomed.wait()
    assert not list(out.rglob("mesh01.txt"))
    time.sleep(0.5)  # its worker notices within that
    left = {path: path.stat().st_mtime_ns for path in out.rglob("*.npz")}
    assert 10 <= len(left) < 48 * 4
    assert started(out).wait() == started(whole).wait() == 0
    assert contents(out) == contents(whole)
    assert all(path.stat().st_mtime_ns == time for path, time in left.items())
