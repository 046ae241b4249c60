"""`opendlign pose find`: poses of things in photos from the command line, and what it says to input it cannot use."""

import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from opendlign.main import main
from opendlign_core.camera import Pose
from opendlign_core.pose import pose_error
from opendlign_core.projection.layers import seen_depth
from tests.evaluation.pose.test_comparing import SEAT, boxes

TRUE = Pose(azimuth=2.6, elevation=0.4, theta=0.1, distance=5, px=110, py=80, viewport=600)
SIZE = (160, 200)


def run(*words: str) -> int:
    with pytest.raises(SystemExit) as ended:
        main(["pose", "find", *words])
    return int(str(ended.value.code))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A photo, a mask of the thing in it, and two CADs, of which one is the thing's."""
    folder = tmp_path_factory.mktemp("photo")
    inside = seen_depth(*SEAT, [TRUE], SIZE)[0].isfinite().numpy()
    noise = np.random.default_rng(0).normal(0, 25, (*SIZE, 3))
    photo = np.where(inside[..., None], [170, 80, 50], [70, 110, 140]) + noise
    Image.fromarray(photo.clip(0, 255).astype(np.uint8)).save(folder / "photo.png")
    Image.fromarray(inside.astype(np.uint8) * 255).save(folder / "mask.png")
    (folder / "cads").mkdir()
    panel = boxes(((-0.5, 0.5), (-0.05, 0.05), (-0.1, 0.1)))
    for name, (vertices, faces) in {"seat": SEAT, "panel": panel}.items():
        lines = ["OFF", f"{len(vertices)} {len(faces)} 0", *(" ".join(map(str, row)) for row in vertices)]
        lines += [f"3 {a} {b} {c}" for a, b, c in faces]
        (folder / "cads" / f"{name}.off").write_text("\n".join([*lines, ""]))
    return folder


def box_of(folder: Path) -> list[str]:
    rows, columns = np.nonzero(np.asarray(Image.open(folder / "mask.png")))
    return [str(edge) for edge in (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)]


def error_told(line: str) -> float:
    angles = re.search(r"azimuth ([-\d.]+), elevation ([-\d.]+), theta ([-\d.]+) degrees", line)
    assert angles
    found = np.radians([float(angle) for angle in angles.groups()])
    return float(np.degrees(pose_error(found, np.array([TRUE.azimuth, TRUE.elevation, TRUE.theta]))))


def test_a_boxed_thing_is_posed_and_drawn(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "found.png"
    words = [str(folder / "photo.png"), "--cad", str(folder / "cads/seat.off"), "--box", *box_of(folder)]
    assert run(*words, "--out", str(out)) == 0
    assert error_told(capsys.readouterr().out) < 12
    drawn = np.asarray(Image.open(out)).astype(int)
    photo = np.asarray(Image.open(folder / "photo.png")).astype(int)
    inside = np.asarray(Image.open(folder / "mask.png")) > 0
    changed = np.abs(drawn - photo).sum(-1) > 30
    assert changed[inside].mean() > 0.8


def test_of_a_folder_the_cad_that_fits_a_mask_best_is_taken(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = [str(folder / "photo.png"), "--cad", str(folder / "cads"), "--mask", str(folder / "mask.png")]
    assert run(*words, "--out", str(tmp_path / "found.png")) == 0
    told = capsys.readouterr().out
    assert told.startswith("seat.off:")
    assert error_told(told) < 8


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("--box", "300", "10", "400", "50"), "left, top, right and bottom of a place in a photo of 200 x 160 pixels"),
        (("--mask", "cads/seat.off"), "seat.off"),
        (("--mask", "dark.png"), "is dark everywhere"),
        (("--mask", "small.png"), "has 5 x 5 pixels, but"),
    ],
)
def test_what_cannot_be_posed_is_told_in_a_sentence(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], words: tuple[str, ...], sentence: str
) -> None:
    Image.new("L", (200, 160)).save(folder / "dark.png")
    Image.new("L", (5, 5), 255).save(folder / "small.png")
    named = [str(folder / word) if word.endswith(("png", "off")) else word for word in words]
    out = tmp_path / "found.png"
    assert run(str(folder / "photo.png"), "--cad", str(folder / "cads/seat.off"), *named, "--out", str(out)) == 2
    assert sentence in " ".join(capsys.readouterr().err.split())
    assert not out.exists()
