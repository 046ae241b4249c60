"""Every real shape at hand, through the parser processes: counts, boxes, and reasons for those known to be bad."""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest

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
    read_shape,
)
from opendlign_core.ingestion.readers import SUFFIXES

# What is wrong with the files that must be refused, by the end of their key.
KNOWN_BAD = {
    "OBJ/number_formats.obj": "3.1+e2",
    "OBJ/testline.obj": "lines or curves without faces",
    "OFF/invalid.off": "face of 2 corners",
    "PLY/issue623.ply": "too few values",
    "trimesh/empty.obj": "no vertices",
    "trimesh/empty.ply": "no points",
    "trimesh/empty.stl": "no triangles",
    "trimesh/empty_nodes.glb": "no triangles or points",
    "pyntcloud/diamond.json": "not a valid JSON",
}
FOLDERS = {
    "meshes_formats": SUFFIXES,
    "animals": {".glb", ".obj", ".npz"},
    "capod15": {".obj"},
    "psb": {".off"},
    "shapenet10_semantic_robustness": {".obj"},
    "lidar_objects_lsood": {".csv"},
    "modelnet10_1024": {".json"},
}


def known_reason(key: str) -> str | None:
    return next((reason for end, reason in KNOWN_BAD.items() if key.endswith(end)), None)


@pytest.mark.parametrize("folder", FOLDERS)
def test_a_folder_of_real_files(data_dir: Path, folder: str) -> None:
    files = DirectoryFiles(data_dir)
    keys = [key for key in files.list(f"{folder}/") if Path(key).suffix.lower() in FOLDERS[folder]]
    if not keys:
        pytest.skip(f"no files of {folder}")
    entries = [ObjectEntry(object_id=f"real/{key}", source="real", split="test", uri=key) for key in keys]
    recipe = IngestRecipe(source=SourceSpec(adapter="folder"), points=512)
    outcomes = ingest_shapes(entries, recipe, IngestExecution(workers=2), files)
    for outcome in outcomes:
        expected = known_reason(outcome.entry.uri)
        if isinstance(outcome, RejectedObject):
            assert expected is not None, f"{outcome.entry.uri} was refused: {outcome.reason}"
            assert expected in outcome.reason
            continue
        assert expected is None, f"{outcome.entry.uri} was read, but is known to be bad"
        assert outcome.points.shape == (512, 3)
        assert np.isfinite(outcome.points).all()
        assert 0 < np.ptp(outcome.points, axis=0).max() < 1e6


PACKS = {"bench_points/psb161.npz": 1223, "bimnet10/bimnet10_test.h5": 51, "ycb_h5_pointclip/ycb_objects_train.h5": 60}


@pytest.mark.parametrize("key", PACKS)
def test_packs_of_real_clouds(data_dir: Path, key: str) -> None:
    files = DirectoryFiles(data_dir)
    if not (data_dir / key).exists():
        pytest.skip(f"no {key}")
    rows = range(0, PACKS[key], max(PACKS[key] // 60, 1))
    entries = [
        ObjectEntry(object_id=f"pack/{row}", source="pack", split="test", uri=key, member=row)
        for row in [*rows, PACKS[key]]
    ]
    recipe = IngestRecipe(source=SourceSpec(adapter="folder"), points=2048)
    *inside, beyond = ingest_shapes(entries, recipe, IngestExecution(workers=2), files)
    assert all(isinstance(outcome, IngestedObject) and not outcome.padded for outcome in inside)
    assert isinstance(beyond, RejectedObject)
    assert f"no row {PACKS[key]}" in beyond.reason


@pytest.mark.parametrize(
    ("key", "points", "faces"),
    [
        ("common3d/cow.obj", 2903, 5804),
        ("common3d/teapot.obj", 3644, 6320),
        ("trimesh/Duck.glb", 2399, 4212),
        ("trimesh/duck.zae", 2108, 4212),
        ("trimesh/featuretype.STL", 10428, 3476),
        ("trimesh/pyramids.3mf", 1665, 3276),
        ("trimesh/fuze_ascii.ply", 502, 1000),
        ("assimp/OFF/Wuson.off", 3205, 3732),
        ("pyntcloud/simple.laz", 1065, 0),
        ("pcl_pcd/examples/pcldata/tutorials/correspondence_grouping/milk.pcd", 12575, 0),
        ("point_e/example_data/pc_corgi.npz", 4096, 0),
    ],
)
def test_counts_of_well_known_files(data_dir: Path, key: str, points: int, faces: int) -> None:
    path = data_dir / "meshes_formats" / key
    if not path.exists():
        pytest.skip(f"no {key}")
    shape = read_shape(path)
    if isinstance(shape, Mesh):
        assert (len(shape.vertices), len(shape.faces)) == (points, faces)
    else:
        assert (len(shape.points), 0) == (points, faces)


def test_a_compressed_animal_is_what_its_own_decoder_gave(data_dir: Path) -> None:
    folder = data_dir / "animals" / "quaternius_glb"
    if not (folder / "Wolf.glb").exists():
        pytest.skip("no Wolf.glb")
    shape = read_shape(folder / "Wolf.glb")
    assert isinstance(shape, Mesh)
    with np.load(folder / "Wolf_decoded.npz") as decoded:
        np.testing.assert_array_equal(shape.faces, decoded["faces"])
        np.testing.assert_allclose(shape.vertices, decoded["rest_vertices"], atol=1e-5)


def test_the_same_shape_in_many_formats_has_one_box(data_dir: Path) -> None:
    folder = data_dir / "meshes_formats" / "pyntcloud"
    if not folder.is_dir():
        pytest.skip("no pyntcloud files")
    found: Counter[str] = Counter()
    for path in sorted(folder.glob("diamond*")):
        if path.suffix.lower() in SUFFIXES - {".json"}:
            shape = read_shape(path)
            points = shape.vertices if isinstance(shape, Mesh) else shape.points
            np.testing.assert_allclose(np.ptp(points, axis=0), 1.0, atol=1e-6, err_msg=path.name)
            found[path.suffix] += 1
    assert len(found) >= 9


def test_an_oracle_agrees_on_real_meshes(data_dir: Path) -> None:
    import trimesh

    compared = 0
    for path in sorted((data_dir / "meshes_formats").rglob("*"))[:400]:
        if path.suffix.lower() not in (".obj", ".off", ".stl", ".ply", ".glb"):
            continue
        if known_reason(path.as_posix()) or path.stat().st_size > 25_000 or "with_bool" in path.name:
            continue
        ours = read_shape(path)
        theirs = trimesh.load(path, process=False, skip_materials=True)
        if not isinstance(ours, Mesh):
            continue
        geometry = theirs.to_geometry() if isinstance(theirs, trimesh.Scene) else theirs
        used = ours.vertices[np.unique(ours.faces)]
        scale = float(np.ptp(used, axis=0).max())
        np.testing.assert_allclose([used.min(0), used.max(0)], geometry.bounds, atol=1e-4 * scale, err_msg=path.name)
        assert len(ours.faces) == len(geometry.faces), path.name
        compared += 1
    assert compared > 40
