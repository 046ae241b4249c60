"""Whole shapes: all that a file has, in its own frame, parsed in a process of its own."""

from pathlib import Path

import numpy as np
import pytest

from opendlign_core.ingestion import (
    IngestExecution,
    IngestRecipe,
    Mesh,
    PointCloud,
    SourceSpec,
    UnreadableShape,
    as_ingested,
    ingest_entries,
    procedural_cloud,
    read_whole,
)
from opendlign_core.ingestion.entry import ObjectEntry
from opendlign_core.ingestion.procedural import procedural_mesh
from opendlign_core.pictures import write_ply

RECIPE = IngestRecipe(source=SourceSpec(adapter="folder", url=".", up_axis="z"), points=256)
EXECUTION = IngestExecution(workers=1)


def test_every_point_and_triangle_comes_back_in_the_frame_of_the_file(tmp_path: Path) -> None:
    mesh, cloud = procedural_mesh(1, 0), procedural_cloud(1, 0, 3000)
    grey = np.full((3000, 3), 90, np.uint8)
    write_ply(tmp_path / "mesh.ply", mesh.vertices, np.full((len(mesh.faces), 3), 90, np.uint8), None, mesh.faces)
    write_ply(tmp_path / "cloud.ply", cloud.points, grey)
    found = read_whole(tmp_path / "mesh.ply", RECIPE, EXECUTION)
    assert isinstance(found, Mesh)
    assert np.array_equal(found.vertices, mesh.vertices) and np.array_equal(found.faces, mesh.faces)
    points = read_whole(tmp_path / "cloud.ply", RECIPE, EXECUTION)
    assert isinstance(points, PointCloud) and np.array_equal(points.points, cloud.points)


def test_a_whole_shape_becomes_the_cloud_that_ingestion_makes_of_its_file(tmp_path: Path) -> None:
    mesh = procedural_mesh(1, 0)
    path = tmp_path / "mesh.ply"
    write_ply(path, mesh.vertices, np.full((len(mesh.faces), 3), 90, np.uint8), None, mesh.faces)
    mine = as_ingested(path, read_whole(path, RECIPE, EXECUTION), RECIPE)

    class Here:
        def list(self, prefix: str = "") -> list[str]:
            return []

        def read(self, key: str) -> bytes:
            return Path(key).read_bytes()

        def local(self, key: str) -> Path:
            return Path(key)

    entry = ObjectEntry(object_id="file/shape", source="file", split="", uri=str(path), up_axis="z")
    (theirs,) = ingest_entries([entry], RECIPE, EXECUTION, Here())  # type: ignore[arg-type]
    assert np.array_equal(mine.points, theirs.points)  # type: ignore[union-attr]
    moved = path.rename(tmp_path / "elsewhere.ply")
    assert np.array_equal(as_ingested(moved, read_whole(moved, RECIPE, EXECUTION), RECIPE).points, mine.points)
    assert mine.up_axis == "z"


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [("empty.ply", "", "is empty"), ("no.off", "OFF\n0 0 0\n", "no vertices"), ("a.doc", "x", "no reader takes")],
)
def test_what_is_no_shape_is_refused_by_name(tmp_path: Path, name: str, content: str, reason: str) -> None:
    (tmp_path / name).write_text(content)
    with pytest.raises(UnreadableShape, match=f"{name}.*{reason}"):
        read_whole(tmp_path / name, RECIPE, EXECUTION)
