"""`opendlign detect` without a trained model: things of scans by the frozen CLIP, or one sentence."""

import json
from pathlib import Path

import numpy as np
import pytest
import trimesh
from PIL import Image

from opendlign.main import main
from opendlign_core.ingestion.procedural.rooms.room import procedural_room
from opendlign_core.pictures import write_ply
from opendlign_core.proposal.box_files import read_boxes

ROOM = procedural_room(0, 2)
LABELS = ("--labels", "bed,stool,bucket,lamp")


def told(capsys: pytest.CaptureFixture[str], *words: str, code: int = 0) -> str:
    """What a command prints, its error included."""
    with pytest.raises(SystemExit) as ended:
        main(("detect", *words))
    printed = capsys.readouterr()
    assert ended.value.code == code, printed
    assert len(printed.err.splitlines()) <= 1
    return " ".join((printed.out + printed.err).split())


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setenv("OPENDLIGN_STORE", str(tmp_path / "store"))
    write_boxes(tmp_path / "true.csv", [*ROOM.boxes.centres.T, *ROOM.boxes.sizes.T])
    np.save(tmp_path / "room.npy", ROOM.points)
    return tmp_path


def write_boxes(path: Path, columns: list[np.ndarray]) -> None:
    np.savetxt(path, np.stack(columns, axis=1), delimiter=",", header="x,y,z,dx,dy,dz", comments="")


def boxes(name: str) -> tuple[str, ...]:
    return ("--proposals", "boxes", "--boxes", name)


def test_the_frozen_clip_names_things_and_draws_them(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    printed = told(capsys, "room.npy", *LABELS, *boxes("true.csv"), "--top", "4")
    assert "the frozen" in printed and "because no trained one is there" in printed
    rows = json.loads((place / "things" / "boxes.json").read_text())
    assert {row["label"] for row in rows} <= {"bed", "stool", "bucket", "lamp"}
    scene = trimesh.load(place / "things" / "scene.glb", process=False)
    frames = {name: piece for name, piece in scene.geometry.items() if name != "scan"}
    best = read_boxes(place / "things" / "boxes.json").boxes[:4]
    assert len(frames) == 4 and len(scene.geometry["scan"].vertices) == len(ROOM.points)
    for piece, row, box in zip(frames.values(), rows, best.sizes, strict=False):
        np.testing.assert_allclose(piece.extents, box, atol=0.02)
        assert isinstance(piece, trimesh.Trimesh) and row["size"] == pytest.approx(box.tolist())
    for name in ("plan.png", "view.png"):
        with Image.open(place / "things" / name) as picture:
            assert max(picture.size) >= 890


def test_words_for_the_background_take_from_every_score(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for out, more in (("plain", ()), ("less", ("--background", "wall,floor,curtain"))):
        told(capsys, "room.npy", *LABELS, *boxes("true.csv"), "--out", out, *more)
    plain, less = (json.loads((place / out / "boxes.json").read_text()) for out in ("plain", "less"))
    scores = {tuple(row["centre"]): (row["label"], row["score"]) for row in plain}
    assert {row["label"] for row in less} <= {"bed", "stool", "bucket", "lamp"}
    both = [(scores[tuple(row["centre"])][1], row["score"]) for row in less if tuple(row["centre"]) in scores]
    assert both and all(after <= before + 1e-4 for before, after in both) and any(a < b for b, a in both)


def test_boxes_of_surfaces_are_turned_where_asked(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for out, more in (("level", ()), ("turned", ("--yaw",))):
        told(capsys, "room.npy", *LABELS, "--out", out, *more)
    level, turned = (read_boxes(place / out / "boxes.json").boxes for out in ("level", "turned"))
    assert not level.yaws.any() and (turned.yaws != 0).any()


def test_a_scan_of_too_many_points_is_thinned_and_says_so(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    noise = np.random.default_rng(0).normal(scale=0.004, size=(7, *ROOM.points.shape)).astype(np.float32)
    np.save(place / "many.npy", (ROOM.points + noise).reshape(-1, 3))
    printed = told(capsys, "many.npy", *LABELS, *boxes("true.csv"))
    assert f"many.npy has {7 * len(ROOM.points):,} points; " in printed and "are used, one of each" in printed
    assert len(trimesh.load(place / "things" / "scene.ply").vertices) <= 200_000


def test_words_that_the_clip_never_read_are_named(capsys: pytest.CaptureFixture[str]) -> None:
    printed = told(capsys, "room.npy", "--labels", "bed,quux", *boxes("true.csv"))
    assert "never read quux: what it says of them is a guess" in printed


BAD = {
    "no scan": (("nowhere.ply",), "no file nowhere.ply"),
    "no points": (("empty.npy",), "empty.npy"),
    "no floor": (("lying.npy",), "lying.npy has no floor"),
    "not in metres": (("tiny.npy",), "tiny.npy has no floor"),
    "a point that is not finite": (("nan.npy",), "nan.npy"),
    "names that nobody knows": (("room.npy", "--labels", "quux,frob"), "never read quux, frob"),
    "one name": (("room.npy", "--labels", "bed"), "name at least two"),
    "a name twice": (("room.npy", "--labels", "bed,lamp,Bed"), "bed"),
    "a name that is background": (("room.npy", "--background", "lamp,wall"), "lamp is one of the labels too"),
    "boxes outside": (("room.npy", *boxes("far.csv")), "no proposed box holds enough points to be named"),
    "boxes that are not finite": (("room.npy", *boxes("nan.csv")), "the centre of box 0 is not finite"),
    "boxes without a size": (("room.npy", *boxes("flat.csv")), "box 0 has a side of 0"),
    "negative boxes": (("room.npy", *boxes("negative.csv")), "box 0 has a negative size"),
    "no boxes": (("room.npy", *boxes("none.csv")), "none.csv holds no boxes"),
    "boxes of another kind": (("room.npy", *boxes("room.npy")), "boxes are read from .csv, .json, .npz"),
    "absent boxes": (("room.npy", *boxes("absent.csv")), "no file absent.csv"),
    "boxes that nobody reads": (("room.npy", "--boxes", "true.csv"), "--boxes and --proposals boxes belong together"),
    "no checkpoint": (("room.npy", "--proposals", "3detr"), "--checkpoint and --proposals 3detr belong together"),
    "a wrong checkpoint": (("room.npy", "--proposals", "3detr", "--checkpoint", "true.csv"), "true.csv"),
    "turned boxes of another program": (
        ("room.npy", "--yaw", *boxes("true.csv")),
        "--yaw turns boxes of surfaces",
    ),
    "an unknown model": (("room.npy", "--model", "abc"), "0 trained models"),
    "a folder that is a file": (("room.npy", "--out", "true.csv"), "--out true.csv: that is a file"),
    "its own input": (("scene.ply", "--out", "."), "scene.ply would be overwritten by what is made of it"),
}


@pytest.mark.parametrize("case", BAD, ids=lambda case: case.replace(" ", "-"))
def test_what_cannot_be_is_one_sentence_and_writes_nothing(
    case: str, place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    np.save(place / "empty.npy", ROOM.points[:0])
    wall = ROOM.points[np.abs(ROOM.points[:, 1] - 1.2) < 0.6] * np.array([1, 1, 0.001], np.float32)
    np.save(place / "lying.npy", wall)
    np.save(place / "tiny.npy", ROOM.points / 1000)
    np.save(place / "nan.npy", np.full((500, 3), np.nan, np.float32))
    one = [np.array([value]) for value in (0.0, 0.5, 0.0, 1.0, 1.0, 1.0)]
    for name, column, value in (("far", 0, 90), ("nan", 0, np.nan), ("flat", 4, 0.0), ("negative", 3, -1.0)):
        write_boxes(place / f"{name}.csv", [*one[:column], np.array([value]), *one[column + 1 :]])
    (place / "none.csv").write_text("x,y,z,dx,dy,dz\n")
    write_ply(place / "scene.ply", ROOM.points, np.zeros((len(ROOM.points), 3), np.uint8))
    words, sentence = BAD[case]
    before = sorted(place.rglob("*"))
    labels = () if "--labels" in words else LABELS
    printed = told(capsys, *words, *labels, code=2)
    assert "error: " in printed and sentence in printed
    assert sorted(place.rglob("*")) == before
