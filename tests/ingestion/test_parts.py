"""Parts travel with their points: out of meshes, through every reduction, and out of the parser process."""

from typing import Literal

import numpy as np
import pytest

from opendlign_core.chance import object_rng
from opendlign_core.ingestion import IngestedObject, IngestExecution, IngestRecipe, Mesh, ObjectEntry, ingest_entries
from opendlign_core.ingestion.cloud import PointCloud
from opendlign_core.ingestion.parse import finish
from opendlign_core.ingestion.procedural import category_parts, list_procedural
from opendlign_core.ingestion.recipe import SourceSpec
from opendlign_core.ingestion.sampling import sample_surface

SOURCE = SourceSpec(adapter="procedural", options={"seed": "3", "objects": "3"})
ENTRY = ObjectEntry(object_id="toys/step", source="toys", split="train", uri="step.ply")
# Two squares, one above the other, of two triangles each.
SQUARE = np.array([[0, 0, 0], [1, 0, 0], [1, 0, 1], [0, 0, 1]], np.float32)
STEP = Mesh(
    np.concatenate([SQUARE, SQUARE + np.array([0, 2, 0], np.float32)]).astype(np.float32),
    np.array([[0, 1, 2], [0, 2, 3], [4, 5, 6], [4, 6, 7]]),
    parts=np.array([1, 1, 0, -1], np.int32),
    part_names=("top", "bottom"),
)


def recipe(points: int, reduction: Literal["fps", "random", "first"] = "fps", keep: bool = True) -> IngestRecipe:
    return IngestRecipe(source=SOURCE, points=points, reduction=reduction, keep_parts=keep)


def test_a_sampled_point_has_the_part_of_its_face() -> None:
    cloud = sample_surface(STEP, 2_000, object_rng(0, "a"))
    assert cloud.parts is not None
    low, (x, z) = cloud.points[:, 1] == 0, cloud.points[:, [0, 2]].T
    np.testing.assert_array_equal(cloud.parts, np.where(low, 1, np.where(x >= z, 0, -1)))
    assert cloud.part_names == ("top", "bottom")


@pytest.mark.parametrize("reduction", ["fps", "random", "first"])
@pytest.mark.parametrize("points", [40, 100, 250])
def test_parts_stay_with_their_points(points: int, reduction: Literal["fps", "random", "first"]) -> None:
    where = np.random.default_rng(1).normal(size=(100, 3)).astype(np.float32)
    cloud = PointCloud(where, parts=np.arange(100, dtype=np.int32), part_names=tuple(map(str, range(100))))
    found = finish(ENTRY, cloud, "", recipe(points, reduction))
    assert found.parts is not None and len(found.parts) == points
    np.testing.assert_array_equal(found.points, where[found.parts])
    if reduction == "first":
        np.testing.assert_array_equal(found.parts, np.arange(points) % 100)


def test_the_first_points_are_those_of_the_file() -> None:
    where = np.random.default_rng(1).normal(size=(100, 3)).astype(np.float32)
    np.testing.assert_array_equal(finish(ENTRY, PointCloud(where), "", recipe(40, "first")).points, where[:40])


def test_generated_shapes_bring_theirs_through_the_parser_process() -> None:
    for keep in (True, False):
        entries = list(list_procedural(SOURCE))
        for entry, outcome in zip(
            entries, ingest_entries(entries, recipe(300, keep=keep), IngestExecution(workers=1)), strict=True
        ):
            assert isinstance(outcome, IngestedObject)
            if not keep:
                assert outcome.parts is None and outcome.part_names == ()
                continue
            assert outcome.part_names == category_parts(entry.label)
            assert outcome.parts is not None and outcome.parts.dtype == np.int32
            assert {*np.unique(outcome.parts)} <= {*range(len(outcome.part_names))}
