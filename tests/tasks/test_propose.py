"""The propose stage over rooms in a real store: what is cut out, what is refused, and that a cut run ends the same."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from opendlign_core.boxes import Boxes
from opendlign_core.ingestion import IngestExecution, IngestRecipe, SceneReading, SourceSpec
from opendlign_core.projection import RECIPES, ProjectionExecution
from opendlign_core.proposal import ProposeRecipe
from opendlign_core.proposal.detr.network import Detr3d
from opendlign_core.samples import Cloud, CropMeta, Scene, SceneMeta, read_meta
from storage.fingerprint import StageIdentity
from storage.output import StageOutput, plan_shards
from storage.reader import SampleReader
from storage.records import Manifest
from storage.store import Store
from tasks.ingest import INGEST
from tasks.project import PROJECT
from tasks.propose import PROPOSE, boxes_table
from tasks.shards import TooManyRejected, building, finish
from tests.proposal.test_detr import TINY
from tests.tasks.board import Board
from tests.tasks.making import at_work, build, commit, make, plan

ROOMS = IngestRecipe(source=SourceSpec(adapter="rooms", options={"rooms": "3"}), shard_size=2)
TRUE = ProposeRecipe(proposer={"kind": "ground-truth"}, points=300, shard_size=1)
MAPS = RECIPES["opendlign"].replace(size=32, views=RECIPES["opendlign"].views[:2])


@pytest.fixture(scope="module")
def rooms(shared: Store) -> Manifest:
    return make(INGEST, shared, ROOMS, execution=IngestExecution(workers=1))


@pytest.fixture(scope="module")
def true_crops(shared: Store, rooms: Manifest) -> Manifest:
    return make(PROPOSE, shared, TRUE, {"scenes": rooms})


@pytest.fixture(scope="module")
def scenes(shared: Store, rooms: Manifest) -> dict[str, Scene]:
    with SampleReader(shared, rooms) as reader:
        found = [Scene.read(sample.key, sample.fields) for sample in reader]
    return {scene.meta.object_id: scene for scene in found}


def read_crops(store: Store, manifest: Manifest) -> list[tuple[CropMeta, Cloud]]:
    with SampleReader(store, manifest) as reader:
        samples = list(reader)
    return [(read_meta(one.key, one.fields, CropMeta), Cloud.read(one.key, one.fields)) for one in samples]


def box_of(meta: CropMeta, margin: float = 0.0) -> Boxes:
    return Boxes.of([meta.box.centre], [np.array(meta.box.size) + 2 * margin], [meta.box.yaw])


def test_every_thing_of_a_room_becomes_a_cloud_with_its_name(
    shared: Store, scenes: dict[str, Scene], true_crops: Manifest
) -> None:
    crops = read_crops(shared, true_crops)
    assert len(crops) == sum(len(scene.meta.things) for scene in scenes.values())
    for meta, cloud in crops:
        scene = scenes[meta.scene]
        assert meta.object_id == f"{meta.scene}/{meta.number}"
        assert (meta.label, meta.split) == (scene.meta.things[meta.number], scene.meta.split)
        assert meta.objectness == 1
        np.testing.assert_array_equal(meta.box.centre, scene.boxes.centres[meta.number])
        inside = box_of(meta, TRUE.margin).contain(scene.points)[0]
        assert meta.points == inside.sum()
        assert len(cloud.points) == min(meta.points, TRUE.points)
        assert box_of(meta, TRUE.margin + 1e-6).contain(cloud.points).all()
        assert cloud.colors is not None


def test_what_was_decided_about_boxes_is_counted_and_shown(shared: Store, true_crops: Manifest) -> None:
    crops = read_crops(shared, true_crops)
    reduced = sum(meta.points > TRUE.points for meta, _ in crops)
    assert true_crops.summary["boxes"] == {"proposed": len(crops), "reduced": reduced, "too few points": 0}
    assert reduced > 5
    rows = {row["measure"]: row["value"] for row in boxes_table(true_crops)}
    assert rows["of those with more than 300 points: reduced"] == reduced
    board = Board()
    PROPOSE.show(shared, true_crops, board)
    INGEST.show(shared, make(INGEST, shared, ROOMS), board)
    assert {"boxes", "throughput", "clouds", "counts"} <= board.names


def test_superpoints_name_nothing_and_rank_their_boxes(shared: Store, rooms: Manifest) -> None:
    few = ProposeRecipe(proposer={"kind": "superpoints", "most": 20}, fewest=200, shard_size=3)
    found = make(PROPOSE, shared, few, {"scenes": rooms})
    crops = read_crops(shared, found)
    assert {meta.label for meta, _ in crops} == {""}
    assert found.summary["boxes"]["proposed"] == 60
    assert found.summary["boxes"]["too few points"] == 60 - len(crops) > 0
    for scene in {meta.scene for meta, _ in crops}:
        ranks = [(meta.number, meta.objectness) for meta, _ in crops if meta.scene == scene]
        assert ranks == sorted(ranks, key=lambda pair: -pair[1])


def test_crops_are_projected_as_any_clouds_and_keep_what_is_said_of_them(shared: Store, true_crops: Manifest) -> None:
    maps = make(PROJECT, shared, MAPS, {"clouds": true_crops}, ProjectionExecution(device="cpu"))
    assert maps.upstream == {"propose": true_crops.fingerprint}
    assert (maps.samples, maps.rejected) == (true_crops.samples, 0)
    with SampleReader(shared, maps) as reader:
        metas = [read_meta(sample.key, sample.fields, CropMeta) for sample in reader]
    assert [meta.as_dict()["number"] for meta in metas] == [meta.number for meta, _ in read_crops(shared, true_crops)]


def test_what_is_cut_out_depends_on_seed_scene_and_box_alone(shared: Store, rooms: Manifest) -> None:
    """Shards of another size, and a run that ended after its first, hold the same clouds."""
    other = TRUE.model_copy(update={"shard_size": 3})
    expected = [cloud.fields() for _, cloud in read_crops(shared, make(PROPOSE, shared, TRUE, {"scenes": rooms}))]
    assert [
        cloud.fields() for _, cloud in read_crops(shared, make(PROPOSE, shared, other, {"scenes": rooms}))
    ] == expected
    with at_work(PROPOSE, shared, TRUE.model_copy(update={"seed": 1}), {"scenes": rooms}) as job:
        build(PROPOSE, job, plan(PROPOSE, job).missing[:1])
        assert len(plan(PROPOSE, job).missing) == 2
        build(PROPOSE, job)
        drawn = [cloud.fields() for _, cloud in read_crops(shared, commit(PROPOSE, job))]
    assert drawn != expected


def boxes_file(folder: Path, name: str, rows: list[dict[str, Any]]) -> None:
    folder.mkdir(exist_ok=True)
    (folder / f"{name}.json").write_text(json.dumps(rows), encoding="utf-8")


def test_boxes_of_another_program_are_cut_out_and_a_room_without_a_file_is_a_row(
    shared: Store, rooms: Manifest, scenes: dict[str, Scene], tmp_path: Path
) -> None:
    for name in list(scenes)[:2]:
        boxes = scenes[name].boxes
        z_up = [[x, -z, y] for x, y, z in boxes.centres.tolist()]
        rows = [
            {"centre": centre, "size": [dx, dz, dy], "objectness": 0.25}
            for centre, (dx, dy, dz) in zip(z_up, boxes.sizes.tolist(), strict=True)
        ]
        boxes_file(tmp_path / "boxes", name.partition("/")[2], rows)
    recipe = ProposeRecipe(proposer={"kind": "boxes", "folder": str(tmp_path / "boxes"), "up_axis": "z"}, points=300)
    found = make(PROPOSE, shared, recipe, {"scenes": rooms})
    (rejected,) = [row for record in found.shards for row in record.rejected]
    assert (rejected.id, rejected.reason) == ("rooms/0-000002", "there is no file of boxes called 0-000002")
    crops = read_crops(shared, found)
    assert {meta.objectness for meta, _ in crops} == {0.25}
    for meta, _ in crops:
        np.testing.assert_allclose(meta.box.centre, scenes[meta.scene].boxes.centres[meta.number], atol=1e-9)
        np.testing.assert_allclose(meta.box.size, scenes[meta.scene].boxes.sizes[meta.number], atol=1e-9)
    assert str(tmp_path) not in json.dumps(found.recipe)


def test_boxes_that_cannot_be_cost_their_scene_in_a_sentence(shared: Store, rooms: Manifest, tmp_path: Path) -> None:
    folder = tmp_path / "boxes"
    boxes_file(folder, "0-000000", [{"centre": [0, 1, float("nan")], "size": [1, 1, 1]}])
    boxes_file(folder, "0-000001", [])
    boxes_file(folder, "0-000002", [{"centre": [0, 1, 0], "size": [4, 2, 4]}])
    recipe = ProposeRecipe.model_validate({"proposer": {"kind": "boxes", "folder": str(folder)}})
    found = make(PROPOSE, shared, recipe, {"scenes": rooms}, PROPOSE.execution(max_rejected_share=0.7))
    assert found.samples == 1
    assert [(row.id, row.reason) for record in found.shards for row in record.rejected] == [
        (
            "rooms/0-000000",
            "0-000000.json cannot be read as boxes: the centre of box 0 is not finite; leave the box out",
        ),
        ("rooms/0-000001", "0-000001.json holds no boxes"),
    ]


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("detr") / "tiny.safetensors"
    save_file(Detr3d(TINY).state_dict(), path)
    return path


def test_3detr_says_how_likely_its_own_classes_are(shared: Store, rooms: Manifest, weights: Path) -> None:
    told = {"kind": "3detr", "points": 500, "tokens": TINY.tokens, "queries": TINY.queries}
    recipe = ProposeRecipe.model_validate({"proposer": {**told, "checkpoint": str(weights)}, "fewest": 2})
    assert [one.problem for one in PROPOSE.requires(recipe, PROPOSE.execution())] == [""]
    found = make(PROPOSE, shared, recipe, {"scenes": rooms}, PROPOSE.execution(device="cpu"))
    assert found.summary["boxes"]["proposed"] == 3 * TINY.queries
    for meta, _ in read_crops(shared, found):
        assert sum(meta.probabilities) == pytest.approx(meta.objectness, abs=1e-4)
    elsewhere = weights.rename(weights.with_name("moved.safetensors"))
    moved = ProposeRecipe.model_validate({"proposer": {**told, "checkpoint": str(elsewhere)}, "fewest": 2})
    assert make(PROPOSE, shared, moved, {"scenes": rooms}).fingerprint == found.fingerprint


def test_a_wrong_checkpoint_is_told_with_the_plan(tmp_path: Path) -> None:
    path = tmp_path / "other.safetensors"
    save_file({"weight": torch.zeros(3)}, path)
    recipe = ProposeRecipe.model_validate({"proposer": {"kind": "3detr", "checkpoint": str(path)}})
    (needed,) = PROPOSE.requires(recipe, PROPOSE.execution())
    assert "is no 3DETR-m without colours" in needed.problem


def write_scenes(store: Store, *scenes: Scene) -> Manifest:
    output = StageOutput(store, StageIdentity.of("ingest", 1, ROOMS))
    shards = plan_shards(len(scenes), 8)
    with building(output, shards[0]) as builder:
        for scene in scenes:
            builder.add(scene)
    return finish(output, shards, max_rejected_share=0.0)


def scene_called(name: str, points: np.ndarray[Any, Any], things: tuple[str, ...] = (), **boxes: Any) -> Scene:
    meta = SceneMeta(object_id=f"s/{name}", source="s", split="test", things=things)
    return Scene(meta, points.astype(np.float32), Boxes.of(boxes.get("centres", []), boxes.get("sizes", [])))


def test_scenes_that_make_no_cloud_are_rows_with_their_reasons(store: Store) -> None:
    some = np.random.default_rng(0).uniform(0, 1, (500, 3))
    manifest = write_scenes(
        store,
        scene_called("unlabelled", some),
        scene_called("elsewhere", some, ("chair",), centres=[[9, 9, 9]], sizes=[[1, 1, 1]]),
        scene_called("flat", some, ("chair",), centres=[[0.5, 0.5, 0.5]], sizes=[[0, 0, 0]]),
        scene_called("good", some, ("chair", "bed"), centres=[[0.5, 0.5, 0.5]] * 2, sizes=[[1, 1, 1]] * 2),
        scene_called("empty", some[:0]),
    )
    patient = PROPOSE.execution(max_rejected_share=0.9)
    found = make(PROPOSE, store, TRUE.model_copy(update={"shard_size": 8}), {"scenes": manifest}, patient)
    assert found.samples == 2
    assert {row.id: row.reason for record in found.shards for row in record.rejected} == {
        "s/unlabelled": "the scene has no true boxes; choose another proposer",
        "s/elsewhere": "none of its 1 boxes holds 30 points",
        "s/flat": "none of its 1 boxes holds 30 points",
        "s/empty": "the scene has no true boxes; choose another proposer",
    }
    with pytest.raises(TooManyRejected, match="4 of 5 samples were rejected"):  # of scenes, however many clouds
        make(PROPOSE, store, TRUE.model_copy(update={"shard_size": 9}), {"scenes": manifest})


@pytest.mark.parametrize(
    ("proposer", "message"),
    [
        ({"kind": "3detr", "checkpoint": "nowhere.pth"}, "there is no checkpoint at nowhere.pth"),
        ({"kind": "boxes", "folder": "nowhere"}, "nowhere holds no boxes: give a folder with a file"),
    ],
)
def test_what_a_proposer_lacks_is_told_before_anything_runs(
    store: Store, proposer: dict[str, str], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        PROPOSE.identify(ProposeRecipe.model_validate({"proposer": proposer}), {})


def test_a_room_of_too_many_points_keeps_one_of_each_cube_and_its_boxes(
    shared: Store, scenes: dict[str, Scene], caplog: pytest.LogCaptureFixture
) -> None:
    few = ROOMS.model_copy(update={"scene": SceneReading(most_points=2000)})
    manifest = make(INGEST, shared, few, execution=IngestExecution(workers=1))
    with SampleReader(shared, manifest) as reader:
        reduced = [Scene.read(sample.key, sample.fields) for sample in reader]
    for scene in reduced:
        whole = scenes[scene.meta.object_id]
        assert 1000 < len(scene.points) <= 2000
        assert scene.meta.points == len(whole.points)
        np.testing.assert_array_equal(scene.boxes.sizes, whole.boxes.sizes)
        assert scene.instances is not None
        cubes = np.floor((scene.points - whole.points.min(0)) / np.float32(scene.meta.cubes)).astype(int)
        assert len(np.unique(cubes, axis=0)) >= 0.99 * len(scene.points)
    assert f"has {len(whole.points):,} points: one of each cube of" in caplog.text
