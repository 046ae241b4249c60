"""`opendlign detect`: things of a scan by name, from its own surfaces, from boxes, from 3DETR."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from opendlign.main import main
from opendlign_core.ingestion import PointCloud, read_shape
from opendlign_core.ingestion.procedural.rooms.room import procedural_room
from opendlign_core.pictures import write_ply
from opendlign_core.proposal.box_files import read_boxes
from opendlign_core.proposal.detr.network import Detr3d
from opendlign_core.proposal.detr.shape import DetrShape

pytestmark = [pytest.mark.server, pytest.mark.timeout(600), pytest.mark.xdist_group("flows")]

NAMES = ("chair", "desk", "lamp")
ROOM = procedural_room(0, 2)


@pytest.fixture
def room(tmp_path: Path) -> Path:
    assert ROOM.colors is not None
    write_ply(tmp_path / "room.ply", ROOM.points, ROOM.colors)
    return tmp_path / "room.ply"


@pytest.fixture
def asked(finished_store: Path, tiny_preset: str) -> tuple[str, ...]:
    return ("--labels", ",".join(NAMES), "--preset", tiny_preset, "--store", str(finished_store))


def told(capsys: pytest.CaptureFixture[str], *words: str, code: int = 0) -> str:
    with pytest.raises(SystemExit) as ended:
        main(("detect", *words))
    printed = capsys.readouterr()
    assert ended.value.code == code, printed.err
    return " ".join((printed.out + printed.err).split())


def test_a_room_becomes_boxes_a_coloured_cloud_and_a_plan(
    room: Path, asked: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    out = room.parent / "out"
    printed = told(capsys, str(room), *asked, "--out", str(out), "--top", "7")
    rows = json.loads((out / "boxes.json").read_text())
    assert f"{len(rows)} things in" in printed
    scores = [row["score"] for row in rows]
    assert scores == sorted(scores, reverse=True) and 0 < scores[-1] <= scores[0] <= 1
    assert {row["label"] for row in rows} <= set(NAMES)
    coloured = read_shape(out / "scene.ply", parts=True)
    assert isinstance(coloured, PointCloud) and coloured.parts is not None
    assert len(coloured.points) == len(ROOM.points)
    best = read_boxes(out / "boxes.json").boxes[:7]
    inside = best.contain(ROOM.points).any(0)
    assert inside.any() and (inside != (coloured.parts >= 0)).mean() < 0.01  # the file's boxes are rounded
    with Image.open(out / "plan.png") as picture:
        assert max(picture.size) >= 890


def test_boxes_of_another_program_are_named(
    room: Path, asked: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [
        {"centre": centre, "size": size}
        for centre, size in zip(ROOM.boxes.centres.tolist(), ROOM.boxes.sizes.tolist(), strict=True)
    ]
    boxes, out = room.parent / "boxes.json", room.parent / "out"
    boxes.write_text(json.dumps([*rows, {"centre": [90, 0, 0], "size": [1, 1, 1]}]))
    printed = told(capsys, str(room), *asked, "--proposals", "boxes", "--boxes", str(boxes), "--out", str(out))
    assert f"in {len(rows) + 1} boxes (" in printed and "hold too few points" in printed
    found = read_boxes(out / "boxes.json").boxes
    assert 1 <= len(found) <= len(rows)
    assert all(np.abs(ROOM.boxes.centres - centre).max(1).min() < 1e-3 for centre in found.centres)


def test_boxes_stand_up_with_their_scan_and_what_was_found_can_be_given_back(
    room: Path, asked: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    lying = room.parent / "lying.npy"
    np.save(lying, ROOM.points[:, [0, 2, 1]] * np.array([1, -1, 1], np.float32))
    centres = ROOM.boxes.centres[:, [0, 2, 1]] * [1, -1, 1]
    rows = [
        {"centre": centre, "size": size, "objectness": 0.5}
        for centre, size in zip(centres.tolist(), ROOM.boxes.sizes[:, [0, 2, 1]].tolist(), strict=True)
    ]
    (room.parent / "z.json").write_text(json.dumps(rows))
    command = (str(lying), *asked, "--up", "z", "--proposals", "boxes", "--background", "wall,floor")
    told(capsys, *command, "--boxes", str(room.parent / "z.json"), "--out", str(room.parent / "first"))
    first = read_boxes(room.parent / "first" / "boxes.json")
    assert all(np.abs(ROOM.boxes.centres - centre).max(1).min() < 1e-3 for centre in first.boxes.centres)
    assert set(first.objectness) == {0.5}, "how sure the proposer was is kept"
    written = str(room.parent / "first" / "boxes.json")
    told(capsys, *command, "--boxes", written, "--out", str(room.parent / "again"))
    again = read_boxes(room.parent / "again" / "boxes.json")
    np.testing.assert_allclose(again.boxes.centres, first.boxes.centres)


def test_3detr_proposes_from_a_checkpoint(
    room: Path, asked: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    torch.manual_seed(0)
    checkpoint, out = room.parent / "untrained.pth", room.parent / "out"
    torch.save({"model": Detr3d(DetrShape()).state_dict(), "epoch": 0}, checkpoint)
    printed = told(
        capsys, str(room), *asked, "--proposals", "3detr", "--checkpoint", str(checkpoint), "--out", str(out)
    )
    assert "things in 256 boxes" in printed
    assert len(read_boxes(out / "boxes.json").boxes) >= 1


def test_a_lying_scan_is_stood_up(room: Path, asked: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    lying = ROOM.points[:, [0, 2, 1]] * np.array([1, -1, 1], np.float32)
    np.save(room.parent / "lying.npy", lying)
    for scan, up in ((room, "y"), (room.parent / "lying.npy", "z")):
        told(capsys, str(scan), *asked, "--out", str(room.parent / up), "--up", up)
    assert (room.parent / "y" / "boxes.json").read_text() == (room.parent / "z" / "boxes.json").read_text()
    warned = told(capsys, str(room.parent / "lying.npy"), *asked, "--out", str(room.parent / "so"))
    assert "seems to lie on its side: --up names the axis" in warned


def test_what_cannot_be_is_one_sentence_and_writes_nothing(
    room: Path, asked: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    far, tiny, out = room.parent / "far.csv", room.parent / "tiny.npy", room.parent / "out"
    far.write_text("x,y,z,dx,dy,dz\n90,0,0,1,1,1\n")
    np.save(tiny, ROOM.points / 1000)
    for words, sentence in (
        ((str(room), "--proposals", "3detr"), "--checkpoint and --proposals 3detr belong together"),
        ((str(room), "--boxes", str(far)), "--boxes and --proposals boxes belong together"),
        ((str(room), "--proposals", "3detr", "--checkpoint", str(far)), "cannot be read as a PyTorch checkpoint"),
        ((str(room), "--proposals", "boxes", "--boxes", str(far)), "no proposed box holds enough points"),
        ((str(tiny),), "a scan of a room in metres"),
        ((str(room.parent / "absent.ply"),), "absent.ply"),
    ):
        assert sentence in told(capsys, *words, *asked, "--out", str(out), code=2)
    assert not out.exists()
