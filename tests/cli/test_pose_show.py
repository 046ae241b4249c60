"""`opendlign pose show`: CADs over photos, and what it says to input that it cannot use."""

import math
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from opendlign.main import main
from opendlign.posed import z_up
from opendlign_core.camera import Pose
from opendlign_core.projection.posed_pictures import INK, Cad, shaded_overlay
from tests.ingestion.posed.folders import annotated, write_folder

FACES = np.array([[0, 1, 2], [0, 2, 3]])


def run(*words: str) -> int:
    with pytest.raises(SystemExit) as ended:
        main(["pose", "show", *words])
    return int(str(ended.value.code))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_folder(tmp_path_factory.mktemp("imagenet3d"), {"n1_1": [annotated(), annotated(distance=0.0)]})


def files(folder: Path) -> tuple[str, ...]:
    return str(folder / "images/mug/n1_1.JPEG"), "--cad", str(folder / "CAD/mug/01.off")


def test_a_cad_is_drawn_at_angles_in_degrees_as_at_an_annotated_pose_in_radians(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    both, mine = tmp_path / "annotated.png", tmp_path / "mine.png"
    assert run(*files(folder), "--annotation", str(folder / "annotations/mug/n1_1.npz"), "--out", str(both)) == 0
    assert "azimuth 28.6, elevation 14.3, theta -5.7 degrees, distance 5" in capsys.readouterr().out
    angles = [("azimuth", 0.5), ("elevation", 0.25), ("theta", -0.1)]
    given = [word for name, angle in angles for word in (f"--{name}", repr(math.degrees(angle)))]
    place = ["--distance", "5", "--px", "62.5", "--py", "41.25", "--style", "shaded"]
    assert run(*files(folder), *given, *place, "--out", str(mine)) == 0
    np.testing.assert_array_equal(np.asarray(Image.open(both))[:, :120], np.asarray(Image.open(mine)))


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ((), "say the pose either by --azimuth"),
        (("--azimuth", "1", "--distance", "0"), "must be above 0"),
        (("--azimuth", "nan"), "finite"),
        (("--annotation", "ANNOTATION", "--thing", "1"), "object 1 has no valid pose (its distance is 0)"),
        (("--annotation", "ANNOTATION", "--thing", "7"), "has 2 objects; --thing takes 0 to 1"),
        (("--annotation", "PHOTO"), "is no .npz archive"),
        (("--azimuth", "1", "--cad", "PHOTO"), "n1_1.JPEG"),
    ],
)
def test_what_cannot_be_drawn_is_told_in_a_sentence(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], words: tuple[str, ...], sentence: str
) -> None:
    named = {"ANNOTATION": str(folder / "annotations/mug/n1_1.npz"), "PHOTO": str(folder / "images/mug/n1_1.JPEG")}
    out = tmp_path / "pose.png"
    given = files(folder)[: 1 if "--cad" in words else 3]
    assert run(*given, *(named.get(word, word) for word in words), "--out", str(out)) == 2
    assert sentence in capsys.readouterr().err
    assert not out.exists()


def test_nearer_surfaces_hide_what_lies_behind_them() -> None:
    """A small square behind a large one leaves no ink, and before it some."""
    large = np.array([[-1.0, 0, -1], [1, 0, -1], [1, 0, 1], [-1, 0, 1]])
    image = np.full((80, 80, 3), 255, np.uint8)
    pose = Pose(azimuth=0, elevation=0, theta=0, distance=5, px=40, py=40, viewport=150)

    def inked(y: float) -> int:
        cad = Cad(np.concatenate([large, large * 0.3 + [0, y, 0]]), np.concatenate([FACES, FACES + 4]))
        drawn = shaded_overlay(image, cad, pose)[25:55, 25:38]
        return int((drawn == INK).all(-1).sum())

    assert inked(-0.5) > 20
    assert inked(0.5) == 0


def test_the_axes_of_files_become_right_back_and_up() -> None:
    """Of a mesh with y up its front, +z, comes to -y; every way is a rotation."""
    axes = np.eye(3, dtype=np.float32)
    assert z_up(axes, "z").tolist() == axes.tolist()
    assert z_up(axes, "y").tolist() == [[1, 0, 0], [0, 0, 1], [0, -1, 0]]
    for up in ("x", "y", "z", "-x", "-y", "-z"):
        turned = z_up(axes, up)
        assert np.linalg.det(turned) == pytest.approx(1)
        assert turned["xyz".index(up[-1])].tolist() == [0, 0, -1 if up.startswith("-") else 1]
