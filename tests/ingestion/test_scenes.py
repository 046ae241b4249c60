"""Sources of scenes: what each reader makes of small scans, and that a broken scan costs itself in one sentence."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from opendlign_core.ingestion import (
    DirectoryFiles,
    IngestedScene,
    IngestExecution,
    IngestRecipe,
    RejectedObject,
    SceneReading,
    SourceSpec,
    UnreadableShape,
    ingest_entries,
    list_entries,
)
from opendlign_core.ingestion.scenes.parse import parse_scene
from opendlign_core.pictures import write_ply
from opendlign_core.samples import Scene

SCAN = "scene0001_00"
TABLE = "raw_category\tnyu40id\r\noffice chair\t5\r\nlamp\t35\r\ntable\t7\r\n"
TURN = "0 -1 0 2 1 0 0 0 0 0 1 -0.5 0 0 0 1"
"""A quarter turn about z, and a step."""
Change = Callable[[Path], None]


def outcomes(
    adapter: str, folder: Path, reading: SceneReading | None = None, **options: str
) -> dict[str, Scene | str]:
    """Scenes by id, and the reasons of scans that are rejected; read in this process, which takes less time."""
    source, files = SourceSpec(adapter=adapter, url=str(folder), options=options), DirectoryFiles(folder)
    recipe = IngestRecipe(source=source, scene=reading or SceneReading())
    found: dict[str, Scene | str] = {}
    for entry in list_entries(source, files):
        try:
            found[entry.object_id] = parse_scene(entry, {key: files.local(key) for key in entry.files}, recipe)
        except (FileNotFoundError, UnreadableShape) as error:
            found[entry.object_id] = str(error)
    return found


def cubes() -> NDArray[np.float32]:  # [300, 3]
    """A chair, a lamp and a table: 100 points each, far apart, z up."""
    rng = np.random.default_rng(0)
    return np.concatenate([rng.uniform(0, 1, (100, 3)) + np.array([3 * thing, 0, 0]) for thing in range(3)]).astype(
        np.float32
    )


def write_scannet(folder: Path) -> None:
    scan = folder / "scans" / SCAN
    scan.mkdir(parents=True)
    (folder / "scannetv2-labels.combined.tsv").write_bytes(TABLE.encode())
    write_ply(scan / f"{SCAN}_vh_clean_2.ply", cubes(), np.full((300, 3), 7, np.uint8), np.zeros(300, np.int32))
    (scan / f"{SCAN}.txt").write_text(f"axisAlignment = {TURN} \nsceneType = Office\n")
    groups = [
        {"objectId": 0, "label": "office chair", "segments": [10]},
        {"objectId": 1, "label": "lamp", "segments": [11]},
        {"objectId": 2, "label": "table", "segments": [12]},
    ]
    write_json(scan / f"{SCAN}.aggregation.json", {"segGroups": groups})
    segments = np.repeat([10, 11, 12], 100).tolist()
    write_json(scan / f"{SCAN}_vh_clean_2.0.010000.segs.json", {"segIndices": segments})


def write_json(path: Path, value: Any) -> None:
    path.write_text(json.dumps(value), encoding="utf-8")


def test_a_raw_scan_is_turned_along_its_walls_and_upright(tmp_path: Path) -> None:
    write_scannet(tmp_path)
    scene = outcomes("scannet", tmp_path)[f"scannet/{SCAN}"]
    assert isinstance(scene, Scene) and scene.instances is not None and scene.semantics is not None
    assert scene.meta.things == ("chair", "table")
    assert np.unique(scene.semantics).tolist() == [5, 7, 35]
    assert [(scene.instances == number).sum() for number in range(3)] == [100, 100, 100]
    x, y, z = cubes().T
    np.testing.assert_allclose(scene.points, np.stack([2 - y, z - 0.5, -x], axis=1), atol=1e-6)
    np.testing.assert_allclose(scene.boxes.centres[1], scene.points[200:].min(0) / 2 + scene.points[200:].max(0) / 2)
    every = outcomes("scannet", tmp_path, things="all")[f"scannet/{SCAN}"]
    assert isinstance(every, Scene) and every.meta.things == ("office chair", "lamp", "table")


def test_a_scan_of_the_test_split_has_no_things(tmp_path: Path) -> None:
    write_scannet(tmp_path)
    (tmp_path / "scannetv2_test.txt").write_text(f"{SCAN}\n")
    next(tmp_path.rglob("*.aggregation.json")).unlink()
    scene = outcomes("scannet", tmp_path)[f"scannet/{SCAN}"]
    assert isinstance(scene, Scene) and (scene.meta.split, scene.meta.things, len(scene.boxes)) == ("test", (), 0)


def gone(pattern: str) -> Change:
    return lambda folder: next(folder.rglob(pattern)).unlink()


def written(pattern: str, text: str) -> Change:
    def write(folder: Path) -> None:
        next(folder.rglob(pattern)).write_text(text)

    return write


def aggregated(**group: Any) -> Change:
    return written("*.aggregation.json", json.dumps({"segGroups": [{"objectId": 0, **group}]}))


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (gone("*.ply"), f"'scans/{SCAN}/{SCAN}_vh_clean_2.ply' does not exist in the source"),
        (gone("*.aggregation.json"), f"'scans/{SCAN}/{SCAN}.aggregation.json' does not exist in the source"),
        (gone(f"{SCAN}.txt"), f"'scans/{SCAN}/{SCAN}.txt' does not exist in the source"),
        (written(f"{SCAN}.txt", "sceneType = Office\n"), f"has no line axisAlignment in {SCAN}.txt"),
        (written(f"{SCAN}.txt", "axisAlignment = 1 2 3\n"), "has an alignment that is no matrix of 4 by 4 numbers"),
        (written(f"{SCAN}.txt", "axisAlignment = one\n"), f"is not a valid {SCAN}.txt file (ValueError: could not"),
        (written("*.segs.json", '{"segIndices": [1, 2]}'), "has the thing 'office chair' of the segment [10], which"),
        (written("*.segs.json", "[]"), f"is not a valid {SCAN}_vh_clean_2.0.010000.segs.json file (TypeError"),
        (written("*.segs.json", "{"), f"is not a valid {SCAN}_vh_clean_2.0.010000.segs.json file (JSONDecodeError"),
        (aggregated(label="throne", segments=[10]), "has a thing labelled 'throne', which the list of labels lacks"),
        (aggregated(label="table", segments=[99]), "has the thing 'table' of the segment [99], which no"),
        (written("*.ply", ""), "is empty"),
    ],
)
def test_a_raw_scan_that_lacks_something_is_a_row(tmp_path: Path, change: Change, reason: str) -> None:
    write_scannet(tmp_path)
    change(tmp_path)
    found = outcomes("scannet", tmp_path)[f"scannet/{SCAN}"]
    assert isinstance(found, str) and found.startswith(reason), found


def write_prepared(folder: Path, boxes: NDArray[Any] | None = None, points: NDArray[Any] | None = None) -> None:
    points = cubes() if points is None else points
    low, high = cubes()[:100].min(0), cubes()[:100].max(0)
    own = np.array([[*(low + high) / 2, *(high - low), 5.0]])
    arrays: dict[str, NDArray[Any]] = {
        "vert": np.column_stack([points, np.full((len(points), 3), 9)]).astype(np.float32)
    }
    arrays |= {"ins_label": np.repeat(np.array([4, 0, 2], np.uint32), 100)[: len(points)]}
    arrays |= {"sem_label": np.repeat(np.array([5, 0, 7], np.uint32), 100)[: len(points)]}
    arrays |= {"bbox": own if boxes is None else boxes}
    for name, array in arrays.items():
        np.save(folder / f"{SCAN}_{name}.npy", array)


def test_points_of_a_prepared_scan_find_their_box_by_its_extents(tmp_path: Path) -> None:
    low, high = cubes()[:100].min(0), cubes()[:100].max(0)
    boxes = np.array([[*(low + high) / 2, *(high - low), 5], [30, 0, 0, 1, 1, 1, 7]])
    write_prepared(tmp_path, boxes)
    scene = outcomes("scannet-votenet", tmp_path)[f"scannet-votenet/{SCAN}"]
    assert isinstance(scene, Scene) and scene.instances is not None
    assert scene.meta.things == ("chair", "table")
    # Whatever fills the second box was lost when the scan was thinned.
    assert [(scene.instances == number).sum() for number in range(3)] == [200, 100, 0]
    assert (scene.instances[:100] == 1).all()


def test_mmdetection3d_s_vertices_are_moved_along_the_walls_first(tmp_path: Path) -> None:
    write_prepared(tmp_path)
    bare = outcomes("scannet-votenet", tmp_path)[f"scannet-votenet/{SCAN}"]
    (tmp_path / f"{SCAN}_bbox.npy").rename(tmp_path / f"{SCAN}_aligned_bbox.npy")
    np.save(tmp_path / f"{SCAN}_axis_align_matrix.npy", np.array(TURN.split(), float).reshape(4, 4))
    scene = outcomes("scannet-votenet", tmp_path)[f"scannet-votenet/{SCAN}"]
    assert isinstance(scene, Scene) and isinstance(bare, Scene)
    x, y, z = bare.points.T
    np.testing.assert_allclose(scene.points, np.stack([2 + z, y - 0.5, -x], axis=1), atol=1e-5)
    np.testing.assert_array_equal(scene.boxes.centres, bare.boxes.centres)


@pytest.mark.parametrize(
    ("boxes", "points", "reason"),
    [
        (np.full((1, 7), np.nan), None, "has a box that is not finite"),
        (np.array([[0, 0, 0, -1, 1, 1, 5.0]]), None, "has a box of negative size"),
        (np.zeros((2, 6)), None, "has boxes of shape [2, 6], not [K, 7]"),
        (None, np.full((300, 3), np.nan), "has points that are NaN or infinite"),
        (np.zeros((0, 7)), np.zeros((0, 3)), "has no points"),
    ],
)
def test_a_prepared_scan_of_wrong_numbers_is_a_row(
    tmp_path: Path, boxes: NDArray[Any] | None, points: NDArray[Any] | None, reason: str
) -> None:
    write_prepared(tmp_path, np.zeros((0, 7)) if boxes is None else boxes, points)
    assert outcomes("scannet-votenet", tmp_path) == {f"scannet-votenet/{SCAN}": reason}


LINE = "night_stand 0 0 1 1 1.0 2.0 0.5 0.2 0.4 0.6 0.0 -1.0"


def write_sunrgbd(folder: Path, lines: str) -> None:
    from scipy.io import savemat

    for name in ("depth", "label_v1"):
        (folder / name).mkdir()
    savemat(folder / "depth" / "000007.mat", {"instance": np.column_stack([cubes(), np.full((300, 3), 0.5)])})
    (folder / "label_v1" / "000007.txt").write_text(lines)
    (folder / "val_data_idx.txt").write_text("7\n")


def test_the_two_forms_of_sun_rgbd_say_the_same(tmp_path: Path) -> None:
    raw, prepared = tmp_path / "raw", tmp_path / "prepared"
    raw.mkdir()
    (prepared / "pc_val").mkdir(parents=True)
    write_sunrgbd(raw, f"{LINE}\nmonitor{LINE[11:]}\n")
    np.save(prepared / "pc_val" / "000007_bbox.npy", np.array([[1, 2, 0.5, 0.4, 0.2, 0.6, np.pi / 2, 7]]))
    table = np.column_stack([cubes(), np.full((300, 3), 0.5)]).astype(np.float32)
    np.savez(prepared / "pc_val" / "000007_pc.npz", pc=table)
    for folder in (raw, prepared):
        scene = outcomes("sunrgbd", folder)["sunrgbd/000007"]
        assert isinstance(scene, Scene)
        assert (scene.meta.things, scene.meta.split) == (("night stand",), "val")
        np.testing.assert_allclose(scene.boxes.centres, [[1, 0.5, -2]])
        np.testing.assert_allclose(scene.boxes.sizes, [[0.8, 1.2, 0.4]])
        np.testing.assert_allclose(scene.boxes.yaws, [np.pi / 2])
        assert scene.colors is not None and set(np.unique(scene.colors)) == {128}
    every = outcomes("sunrgbd", raw, things="all")["sunrgbd/000007"]
    assert isinstance(every, Scene) and every.meta.things == ("night stand", "monitor")


def test_a_broken_line_of_labels_costs_its_view(tmp_path: Path) -> None:
    write_sunrgbd(tmp_path, f"{LINE}\nchair 1 2 3\n")
    reason = "has a line of 4 words in 000007.txt, where 13 are due"
    assert outcomes("sunrgbd", tmp_path) == {"sunrgbd/000007": reason}


def test_scans_of_one_s_own_are_clouds_or_meshes_without_things(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    write_ply(tmp_path / "hall.ply", cubes(), np.full((300, 3), 7, np.uint8), np.zeros(300, np.int32))
    (tmp_path / "sheet.off").write_text("OFF\n4 2 0\n0 0 0\n4 0 0\n4 0 3\n0 0 3\n3 0 1 2\n3 0 2 3\n")
    np.save(tmp_path / "attic.npy", cubes())
    (tmp_path / "notes.md").write_text("not a scan")
    (tmp_path / "boxes.csv").write_text("x,y,z,dx,dy,dz\n")
    (tmp_path / "broken.ply").write_text("ply\n")
    found = outcomes("scans", tmp_path, SceneReading(most_points=200, reduction="random"))
    hall, sheet = found["scans/hall"], found["scans/sheet"]
    assert isinstance(hall, Scene) and isinstance(sheet, Scene)
    assert (len(hall.points), hall.meta.points, hall.meta.cubes, hall.meta.things) == (200, 300, 0.0, ())
    assert (len(sheet.points), sheet.meta.split, sheet.meta.unit) == (200, "test", "m")
    assert isinstance(found["scans/broken"], str) and "has no end_header line" in found["scans/broken"]
    assert set(found) == {"scans/attic", "scans/hall", "scans/sheet", "scans/broken"}
    assert isinstance(found["scans/attic"], Scene) and found["scans/attic"].meta.points == 300
    assert "1 .csv at" in caplog.text and ".md" not in caplog.text


def test_parser_processes_send_the_same_scenes_and_reasons(tmp_path: Path) -> None:
    write_prepared(tmp_path)
    np.save(tmp_path / "scene0002_00_vert.npy", np.zeros((5, 6), np.float32))
    source, files = SourceSpec(adapter="scannet-votenet", url=str(tmp_path)), DirectoryFiles(tmp_path)
    recipe, one = IngestRecipe(source=source), IngestExecution(workers=1)
    scene, rejected = ingest_entries(list_entries(source, files), recipe, one, files)
    assert isinstance(scene, IngestedScene) and isinstance(rejected, RejectedObject)
    here = outcomes("scannet-votenet", tmp_path)
    expected = here[f"scannet-votenet/{SCAN}"]
    assert isinstance(expected, Scene) and scene.scene.fields() == expected.fields()
    assert (
        rejected.reason
        == here["scannet-votenet/scene0002_00"]
        == ("'scene0002_00_ins_label.npy' does not exist in the source")
    )
