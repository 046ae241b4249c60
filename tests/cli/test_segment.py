"""`opendlign segment`: shapes of any kind in colours of their parts, and one sentence where that cannot be."""

import csv
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import trimesh
from PIL import Image

from opendlign.main import main
from opendlign_core.ingestion import Mesh, PointCloud, procedural_cloud, read_shape
from opendlign_core.ingestion.procedural import procedural_mesh
from tests.servers import ROOT

CHAIR = ("--category", "chair", "--parts", "back,seat,leg")


def told(capsys: pytest.CaptureFixture[str], *words: str, code: int = 0) -> str:
    """What a command prints, its error included."""
    with pytest.raises(SystemExit) as ended:
        main(("segment", *words))
    printed = capsys.readouterr()
    assert ended.value.code == code, printed
    assert len(printed.err.splitlines()) <= 1
    return " ".join((printed.out + printed.err).split())


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setenv("OPENDLIGN_STORE", str(tmp_path / "store"))
    return tmp_path


def chair(path: Path) -> Mesh:
    """A generated chair as a file, and the same with its true parts."""
    mesh = procedural_mesh(2, 0, ("chair",))
    trimesh.Trimesh(mesh.vertices, mesh.faces, process=False).export(path)
    return mesh


def test_a_mesh_becomes_a_coloured_mesh_a_model_in_pieces_and_a_picture(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    mesh = chair(place / "chair.glb")
    printed = told(capsys, "chair.glb", *CHAIR, "--out", "out")
    assert f"chair.glb: {len(mesh.faces):,} triangles, 2,048 points asked" in printed
    found = read_shape(place / "out" / "chair.ply", parts=True)
    assert isinstance(found, Mesh) and found.parts is not None and mesh.parts is not None
    assert np.array_equal(found.faces, mesh.faces)
    areas = trimesh.Trimesh(mesh.vertices, mesh.faces, process=False).area_faces
    assert areas[found.parts == mesh.parts].sum() > 0.6 * areas.sum()
    pieces = trimesh.load(place / "out" / "chair.glb", process=False).geometry
    assert set(pieces) == {"back", "seat", "leg"}
    assert sum(piece.area for piece in pieces.values()) == pytest.approx(areas.sum(), rel=1e-4)
    with Image.open(place / "out" / "chair.png") as picture:
        assert picture.size[0] == 1040
    rows = list(csv.DictReader((place / "out" / "parts.csv").read_text().splitlines()))
    assert [row["part"] for row in rows] == ["back", "seat", "leg"]
    assert sum(float(row["share"]) for row in rows) == pytest.approx(1, abs=1e-3)


def test_a_cloud_of_any_size_gets_every_point_back_in_its_own_frame(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cloud = procedural_cloud(2, 0, 9000, ("chair",))
    lying = cloud.points[:, [0, 2, 1]] * np.array([1, -1, 1], np.float32)  # z up
    np.save(place / "chair.npy", lying)
    told(capsys, "chair.npy", *CHAIR, "--up", "z", "--points", "1500")
    found = read_shape(place / "parts" / "chair.ply", parts=True)
    assert isinstance(found, PointCloud) and found.parts is not None and cloud.parts is not None
    assert np.array_equal(found.points, lying)
    assert (found.parts == cloud.parts).mean() > 0.6
    assert not (place / "parts" / "chair.glb").exists()


def test_the_same_file_gives_the_same_parts_and_the_category_may_be_left_out(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    chair(place / "chair.off")
    for out in ("a", "b"):
        told(capsys, "chair.off", "--parts", "back,seat,leg", "--out", out)
    assert (place / "a" / "chair.ply").read_bytes() == (place / "b" / "chair.ply").read_bytes()
    assert "never read" not in told(capsys, "chair.off", "--category", "chair", "--out", "known")
    assert "back" in (place / "known" / "parts.csv").read_text()


def test_outputs_never_share_a_name_and_parts_do_not_depend_on_where_a_file_lies(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    names = ("a/chair.off", "b/Chair.off", "chair-2.off")
    for name in names:
        (place / name).parent.mkdir(exist_ok=True)
        chair(place / name)
    told(capsys, *names, "--parts", "st.back,seat/cushion,leg", "--out", "out")
    found = sorted((place / "out").glob("*.ply"))
    assert len(found) == 3 and len({path.read_bytes() for path in found}) == 1


def test_words_that_the_clip_never_read_are_named(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    chair(place / "chair.off")
    printed = told(capsys, "chair.off", "--parts", "seat,quux", "--category", "chair")
    assert "never read quux: what it says of them is a guess" in printed


def test_good_files_are_answered_and_bad_ones_named(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    chair(place / "chair.off")
    (place / "other").mkdir()
    chair(place / "other" / "chair.off")
    (place / "bad.off").write_text("OFF\n0 0 0\n")
    printed = told(capsys, "chair.off", "bad.off", "other/chair.off", *CHAIR, code=2)
    assert "left out: bad.off" in printed
    assert sorted(path.name for path in (place / "parts").glob("*.ply")) == ["chair-2.ply", "chair.ply"]


THREE = np.eye(3, dtype=np.float32)
BAD = {
    "one part only": (("shape.npy", "--parts", "seat"), "name at least two"),
    "a part twice": (("shape.npy", "--parts", "seat,leg,Seat"), "Seat is named twice"),
    "no parts": (("shape.npy",), "name the parts, as in --parts seat,back,leg"),
    "an unknown category without parts": (("shape.npy", "--category", "sofabed"), "no parts of 'sofabed' are known"),
    "an absent list of parts": (("shape.npy", "--parts", "parts.txt"), "no file of parts parts.txt"),
    "no file": (CHAIR, "name at least one file"),
    "an absent file": (("nowhere.glb", *CHAIR), "no file nowhere.glb"),
    "an empty mesh": (("empty.off", *CHAIR), "empty.off has no vertices"),
    "three points": (("three.npy", *CHAIR), "three.npy has 3 points; parts can be told apart from 32 on"),
    "points in one place": (("same.npy", *CHAIR), "same.npy has points that all coincide"),
    "a preset without parts": (("shape.npy", *CHAIR, "--preset", "mini"), "the preset mini names no parts"),
    "an unknown model": (("shape.npy", *CHAIR, "--model", "abc"), "0 trained models"),
    "too few points asked": (("shape.npy", *CHAIR, "--points", "3"), "--points 3: between 32 and 100,000"),
    "a folder that is a file": (("shape.npy", *CHAIR, "--out", "three.npy"), "--out three.npy: that is a file"),
    "its own input": (("own.ply", *CHAIR, "--out", "."), "own.ply would be overwritten by what is made of it"),
    "a list that is no text": (("shape.npy", "--parts", "three.npy"), "three.npy is no text in UTF-8"),
}


@pytest.mark.parametrize("case", BAD, ids=lambda case: case.replace(" ", "-"))
def test_what_cannot_be_asked_is_one_sentence_and_writes_nothing(
    case: str, place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    np.save(place / "shape.npy", np.random.default_rng(0).normal(size=(200, 3)).astype(np.float32))
    np.save(place / "three.npy", THREE)
    np.save(place / "same.npy", np.ones((100, 3), np.float32))
    (place / "empty.off").write_text("OFF\n0 0 0\n")
    chair(place / "own.ply")
    words, sentence = BAD[case]
    before = sorted(place.rglob("*"))
    printed = told(capsys, *words, code=2)
    assert printed.startswith("error: ") and sentence in printed
    assert sorted(place.rglob("*")) == before


PEAK = """
import re, sys
from pathlib import Path
from opendlign.main import main
try:
    main(sys.argv[1:])
except SystemExit as ended:
    print("ended", ended.code, re.search(r"VmHWM:\\s+(\\d+) kB", Path("/proc/self/status").read_text())[1])
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="this system does not tell a process's peak")
def test_five_million_points_take_bounded_memory_and_all_come_back(place: Path) -> None:
    cloud = procedural_cloud(2, 0, 5000, ("chair",)).points
    shift = np.random.default_rng(0).normal(scale=0.003, size=(1000, 1, 3)).astype(np.float32)
    np.save(place / "many.npy", (cloud[None] + shift).reshape(-1, 3))
    words = [sys.executable, "-c", PEAK, "segment", "many.npy", *CHAIR, "--out", "out"]
    alone = {**os.environ, "PYTHONPATH": str(ROOT)}
    # Of the process itself: what the system counts for a child begins with what its parent held.
    run = subprocess.run(words, cwd=place, env=alone, capture_output=True, text=True, check=True)
    _, code, peak = run.stdout.splitlines()[-1].split()
    assert code == "0" and "5,000,000 points, 2,048 points asked" in run.stdout
    assert int(peak) < 2 << 20  # KiB; some 0.6 GiB are libraries
    assert (place / "out" / "many.ply").stat().st_size > 5_000_000 * 19
