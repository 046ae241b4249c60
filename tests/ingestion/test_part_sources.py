"""Part numbers of files: ShapeNetPart's packs, PLY properties, arrays beside the points, and the names they get."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from opendlign_core.errors import BadInput
from opendlign_core.ingestion import (
    DirectoryFiles,
    IngestedObject,
    IngestExecution,
    IngestRecipe,
    Mesh,
    ObjectEntry,
    RejectedObject,
    SourceSpec,
    ingest_shapes,
    list_entries,
    read_shape,
)

CATEGORIES = ["chair", "lamp"]  # numbers 4 and 8
CHAIR = ("back", "seat pad", "leg", "armrest")


def outcomes(source: SourceSpec, points: int, *, keep: bool = True) -> list[IngestedObject | RejectedObject]:
    files = DirectoryFiles(source.url)
    recipe = IngestRecipe(source=source, points=points, reduction="first", keep_parts=keep)
    return list(ingest_shapes(list_entries(source, files), recipe, IngestExecution(workers=1), files))


def taken(outcome: IngestedObject | RejectedObject) -> IngestedObject:
    assert isinstance(outcome, IngestedObject), outcome
    return outcome


def refused(outcome: IngestedObject | RejectedObject) -> str:
    assert isinstance(outcome, RejectedObject), outcome
    return outcome.reason


def write_shapenetpart(path: Path, labels: Sequence[int], pid: np.ndarray[Any, Any], points: int = 12) -> np.ndarray:
    path.parent.mkdir(parents=True, exist_ok=True)
    clouds = np.random.default_rng(7).normal(size=(len(labels), points, 3)).astype(np.float32)
    with h5py.File(path, "w") as pack:
        pack["data"], pack["label"], pack["pid"] = clouds, np.array(labels, np.uint8)[:, None], pid
    return clouds


def test_shapenetpart_numbers_become_places_in_the_category(tmp_path: Path) -> None:
    pid = np.stack([np.arange(12) % 4 + 12, np.arange(12) % 4 + 24]).astype(np.uint8)
    clouds = write_shapenetpart(tmp_path / "hdf5_data/ply_data_test0.h5", [4, 8], pid)
    chair, lamp = map(taken, outcomes(SourceSpec(adapter="shapenetpart", url=str(tmp_path)), 8))
    assert (chair.entry.label, lamp.entry.label) == ("chair", "lamp")
    assert chair.part_names == CHAIR and len(lamp.part_names) == 4
    for found, cloud in ((chair, clouds[0]), (lamp, clouds[1])):
        assert found.parts is not None
        np.testing.assert_array_equal(found.points, cloud[:8])
        np.testing.assert_array_equal(found.parts, np.arange(8) % 4)


def test_a_fault_of_shapenetpart_costs_its_own_row(tmp_path: Path) -> None:
    pid = np.full((3, 12), 12, np.uint8)
    pid[1, 5] = 16  # the first part of earphones
    write_shapenetpart(tmp_path / "ply_data_test0.h5", [4, 4, 17], pid)
    source = SourceSpec(adapter="shapenetpart", url=str(tmp_path))
    good, foreign, unknown = outcomes(source, 12)
    assert taken(good).part_names == CHAIR
    assert "part number 16" in refused(foreign) and "12 to 15" in refused(foreign)
    assert "category 17" in refused(unknown) and "16 categories" in refused(unknown)
    write_shapenetpart(tmp_path / "ply_data_test0.h5", [4], np.full((1, 11), 12, np.uint8))
    (short,) = outcomes(source, 12)
    assert "(11,) for 12 points" in refused(short)
    (unkept,) = outcomes(source, 12, keep=False)
    assert taken(unkept).parts is None


def test_a_subset_of_shapenetpart_leaves_the_test_split_whole(tmp_path: Path) -> None:
    for split, count in (("train", 40), ("test", 20)):
        labels = [4] * count + [8] * 3
        write_shapenetpart(tmp_path / f"ply_data_{split}0.h5", labels, np.zeros((count + 3, 12), np.uint8))
    source = SourceSpec(adapter="shapenetpart", url=str(tmp_path), options={"subset": "16"})
    entries = list(list_entries(source, DirectoryFiles(tmp_path)))
    counts = {
        (split, label): sum((entry.split, entry.label) == (split, label) for entry in entries)
        for split in ("train", "test")
        for label in CATEGORIES
    }
    assert counts == {("train", "chair"): 16, ("train", "lamp"): 3, ("test", "chair"): 20, ("test", "lamp"): 3}
    assert entries == list(list_entries(source, DirectoryFiles(tmp_path)))
    chosen = [entry.member for entry in entries if (entry.split, entry.label) == ("train", "chair")]
    assert chosen != list(range(16))
    with pytest.raises(BadInput, match="at least 1"):
        list(list_entries(source.model_copy(update={"options": (("subset", "0"),)}), DirectoryFiles(tmp_path)))


PLY = """ply
format ascii 1.0
element vertex 5
property float x
property float y
property float z
{vertex}element face {faces}
property list uchar int vertex_indices
{face}end_header
"""
CORNERS = ["0 0 0", "1 0 0", "1 1 0", "0 1 0", "2 2 0"]


@pytest.mark.parametrize("name", ["part", "part_id", "label"])
def test_ply_numbers_polygons(tmp_path: Path, name: str) -> None:
    lines = "\n".join([*CORNERS, "4 0 1 2 3 1", "2 0 1 5", "3 2 3 4 0", ""])
    (tmp_path / "a.ply").write_text(PLY.format(faces=3, vertex="", face=f"property int {name}\n") + lines)
    shape = read_shape(tmp_path / "a.ply")
    assert isinstance(shape, Mesh) and shape.parts is not None
    np.testing.assert_array_equal(shape.parts, [1, 1, 0])


def test_a_triangle_is_of_the_part_of_two_of_its_vertices(tmp_path: Path) -> None:
    numbered = [f"{corner} {part}" for corner, part in zip(CORNERS, (2, 0, 0, 1, 1), strict=True)]
    lines = "\n".join([*numbered, "3 0 1 2", "3 2 3 4", ""])
    (tmp_path / "a.ply").write_text(PLY.format(faces=2, vertex="property uchar label\n", face="") + lines)
    shape = read_shape(tmp_path / "a.ply")
    assert shape.parts is not None
    np.testing.assert_array_equal(shape.parts, [0, 1])


def folder(tmp_path: Path, **options: str) -> SourceSpec:
    return SourceSpec(adapter="folder", url=str(tmp_path), options=options)


POINTS = np.random.default_rng(0).normal(size=(6, 3)).astype(np.float32)
NUMBERS = np.array([0, 1, 1, -1, 0, 1])


def write_npz(tmp_path: Path, **arrays: Any) -> None:
    (tmp_path / "step").mkdir(exist_ok=True)
    np.savez(tmp_path / "step/a.npz", **arrays)


def test_arrays_number_points_and_name_parts(tmp_path: Path) -> None:
    write_npz(tmp_path, points=POINTS, parts=NUMBERS, part_names=np.array(["seat", "leg"]))
    (found,) = map(taken, outcomes(folder(tmp_path), 6))
    assert found.parts is not None and found.part_names == ("seat", "leg")
    np.testing.assert_array_equal(found.parts, NUMBERS)
    (renamed,) = map(taken, outcomes(folder(tmp_path, part_names="top, foot"), 6))
    assert renamed.part_names == ("top", "foot")


def test_arrays_number_triangles(tmp_path: Path) -> None:
    faces = np.array([[0, 1, 2], [3, 4, 5]])
    write_npz(tmp_path, vertices=POINTS, faces=faces, face_parts=np.array([1, 1]))
    (found,) = map(taken, outcomes(folder(tmp_path, part_names="seat,leg"), 50))
    assert found.parts is not None and set(found.parts) == {1}


@pytest.mark.parametrize(
    ("parts", "options", "reason"),
    [
        (NUMBERS[:5], {"part_names": "seat,leg"}, "part numbers of shape (5,) for 6 points"),
        (NUMBERS, {"part_names": "seat"}, "the part number 1"),
        (NUMBERS - 1, {"part_names": "seat,leg"}, "the part number -2"),
        (NUMBERS + 0.5, {"part_names": "seat,leg"}, "no whole numbers"),
        (NUMBERS, {}, "option part_names"),
    ],
)
def test_numbers_without_points_or_names_cost_the_object(
    tmp_path: Path, parts: np.ndarray[Any, Any], options: dict[str, str], reason: str
) -> None:
    write_npz(tmp_path, points=POINTS, parts=parts)
    assert reason in refused(outcomes(folder(tmp_path, **options), 6)[0])
    assert taken(outcomes(folder(tmp_path, **options), 6, keep=False)[0]).parts is None


def test_unkept_parts_leave_the_digest_alone(tmp_path: Path) -> None:
    write_npz(tmp_path, points=POINTS)
    (plain,) = map(taken, outcomes(folder(tmp_path), 6))
    write_npz(tmp_path, points=POINTS, parts=NUMBERS, part_names=np.array(["seat", "leg"]))
    (unkept,), (kept,) = (map(taken, outcomes(folder(tmp_path), 6, keep=keep)) for keep in (False, True))
    assert unkept.digest == plain.digest != kept.digest


@pytest.mark.parametrize("names", ["seat,,leg", "leg,leg", ","])
def test_part_names_must_differ(tmp_path: Path, names: str) -> None:
    write_npz(tmp_path, points=POINTS)
    with pytest.raises(BadInput, match="different names"):
        list(list_entries(folder(tmp_path, part_names=names), DirectoryFiles(tmp_path)))


def test_a_list_names_its_parts(tmp_path: Path) -> None:
    np.savez(tmp_path / "pack.npz", points=np.stack([POINTS, POINTS]), parts=np.stack([NUMBERS, 1 - NUMBERS]),
             labels=np.array(["step", "step"]))  # fmt: skip
    source = SourceSpec(adapter="list", url=str(tmp_path), options={"part_names": "seat,leg,arm"})
    first, second = map(taken, outcomes(source, 6))
    assert first.parts is not None and second.parts is not None
    np.testing.assert_array_equal(second.parts, 1 - NUMBERS)


def test_entries_stay_as_they_were() -> None:
    """What an entry says is part of an output's identity."""
    assert "parts" not in ObjectEntry.model_fields and "part_names" not in ObjectEntry.model_fields
