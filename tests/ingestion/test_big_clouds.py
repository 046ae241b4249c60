"""Clouds too large to hold or to look at whole: texts in blocks, and farthest points among a random subset."""

import hashlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from opendlign_core.farthest import farthest_indices
from opendlign_core.ingestion import (
    DirectoryFiles,
    IngestedObject,
    IngestExecution,
    IngestRecipe,
    ObjectEntry,
    PointCloud,
    SourceSpec,
    ingest_shapes,
    read_shape,
)
from opendlign_core.ingestion.parse import finish
from opendlign_core.ingestion.readers import read_with_digest, shape_file
from storage.fingerprint import canonical

EntryMaker = Callable[..., ObjectEntry]

TABLES = {
    "plain.xyz": b"0 0 0\n1.5 0 2e-1\r\n\r\n0 -1 nan 7\n",
    "commas.txt": b"0,0,0\n1,0,0\n0,1,0\n",
    "decimal.txt": b"0,5;0,25;0\n1,5;0;0\n0;1;0\n",
    "old_mac.xyz": b"0 0 0\r1 0 0\r0 1 0\r",
    "counted.pts": b"3\n0 0 0 9 255 0 1\n1 0 0 9 3 4 5\n0 1 0 9 7 8 6\n",
    "notes.asc": b"# a scan\n0 0 0 // first\n\n1 0 0\n   \n0 1 0",
    "named.csv": b"x,y,z,class,red,green,blue\n0,0,0,a,1,2,3\n1,0,0,b,4,5,6\n0,1,0,c,7,8,9\n",
    "wide.txt": "0 0 0\n1 0 0\n0 1 0\n".encode("utf-16"),
    "marked.csv": "\ufeffx;y;z\n0;0;0\n1;0;0\n".encode(),
}


def told(path: Path) -> tuple[object, ...]:
    """A cloud as plain values, or the reason that there is none."""
    try:
        shape, digest = read_with_digest(path)
    except Exception as error:
        return (str(error),)
    assert isinstance(shape, PointCloud)
    assert digest == hashlib.sha256(path.read_bytes()).hexdigest()
    return shape.points.tolist(), None if shape.colors is None else shape.colors.tolist()


@pytest.mark.parametrize("name", TABLES)
@pytest.mark.parametrize("block", [3, 7, 19])
def test_a_text_reads_the_same_in_blocks_of_any_size(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, block: int
) -> None:
    path = tmp_path / name
    path.write_bytes(TABLES[name])
    whole = told(path)
    blocks = shape_file.ShapeFile.blocks
    monkeypatch.setattr(shape_file.ShapeFile, "blocks", lambda file: blocks(file, block))
    assert told(path) == whole


def test_a_text_takes_no_memory_for_all_of_its_letters(
    tmp_path: Path, recipe: IngestRecipe, entry_of: EntryMaker
) -> None:
    note = b" // " + b"n" * 4000 + b"\n"
    with (tmp_path / "notes.xyz").open("wb") as file:
        for number in range(40_000):
            file.write(f"{number} {number % 7} {number % 5}".encode() + note)
    limited = recipe.model_copy(update={"parse_memory_mib": 100})
    (outcome,) = ingest_shapes([entry_of("notes.xyz")], limited, IngestExecution(workers=1), DirectoryFiles(tmp_path))
    assert isinstance(outcome, IngestedObject), outcome.reason
    assert outcome.source_points == 40_000


def cloud(count: int) -> PointCloud:
    return PointCloud(np.random.default_rng(1).normal(size=(count, 3)).astype(np.float32))


def finished(shape: PointCloud, **fields: object) -> IngestedObject:
    recipe = IngestRecipe.model_validate({"source": SourceSpec(adapter="folder"), "points": 100, **fields})
    entry = ObjectEntry(object_id="a/b", source="a", split="", uri="b.npy")
    return finish(entry, shape, "", recipe)


def test_farthest_points_are_chosen_among_a_random_subset_of_a_larger_cloud() -> None:
    shape = cloud(3000)
    found, again = (finished(shape, farthest_among=500) for _ in range(2))
    np.testing.assert_array_equal(found.points, again.points)
    assert (found.source_points, found.thinned) == (3000, 500)
    assert len(np.unique(found.points, axis=0)) == 100
    held = {tuple(point) for point in shape.points.tolist()}
    assert {tuple(point) for point in found.points.tolist()} <= held
    assert not np.array_equal(found.points, finished(shape).points)


def test_up_to_the_bound_every_point_counts() -> None:
    shape = cloud(3000)
    found = finished(shape, farthest_among=3000)
    assert found.thinned == 0
    np.testing.assert_array_equal(found.points, shape.points[farthest_indices(shape.points, 100)])


def test_a_bound_below_the_wanted_points_leaves_as_many_as_are_wanted() -> None:
    found = finished(cloud(3000), points=1000, farthest_among=500)
    assert len(np.unique(found.points, axis=0)) == 1000
    assert found.thinned == 1000


@pytest.mark.parametrize("reduction", ["random", "first"])
def test_other_reductions_need_no_bound(reduction: str) -> None:
    assert finished(cloud(3000), reduction=reduction, farthest_among=500).thinned == 0


def test_recipes_from_before_there_was_a_bound_keep_their_identity() -> None:
    recipe = IngestRecipe(source=SourceSpec(adapter="folder"))
    assert "farthest_among" not in canonical(recipe)
    assert "farthest_among" in canonical(recipe.model_copy(update={"farthest_among": 1000}))


def test_an_empty_array_is_called_empty(tmp_path: Path) -> None:
    np.save(tmp_path / "none.npy", np.zeros((0, 3), np.float32))
    with pytest.raises(Exception, match=r"none\.npy holds an empty array, of shape \(0, 3\)"):
        read_shape(tmp_path / "none.npy")
