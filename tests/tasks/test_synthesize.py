"""The synthesize stage over a real folder store: resumed, gated, estimated and shown."""

import io
from typing import Any

import numpy as np
import pytest
from PIL import Image

from opendlign_core.recipe import Recipe
from opendlign_core.samples import DepthMaps, Meta, Painted
from opendlign_core.synthesis import ControlNetRecipe, ModelRef, SynthesisExecution, SynthesisRecipe
from storage.fingerprint import StageIdentity
from storage.output import StageOutput, plan_shards
from storage.reader import SampleReader
from storage.records import Manifest
from storage.store import Store
from tasks import pictures
from tasks import synthesize as stage
from tasks.progress import ProgressState, StageStopped
from tasks.shards import building, finish
from tasks.synthesize import SYNTHESIZE
from tests.synthesis.scenes import scene
from tests.synthesis.test_captions import TINY_CLIP
from tests.tasks.board import Board
from tests.tasks.making import at_work, build, commit, make, plan

LABELS = ("ball", "plate", "ring")
CPU = SynthesisExecution(device="cpu")
OPEN = {"minimum_brightness": 0, "minimum_variation": 0, "minimum_edge_agreement": 0}


class Scenes(Recipe):
    objects: int


def recipe(**fields: Any) -> SynthesisRecipe:
    return SynthesisRecipe.model_validate({"shard_size": 2, **fields})


def write_depths(store: Store, objects: int = 6) -> Manifest:
    """Depth maps of solids, two views each, in shards of three; every third object is a test object."""
    output = StageOutput(store, StageIdentity.of("project", 1, Scenes(objects=objects)))
    shards = plan_shards(objects, 3)
    for shard in shards:
        with building(output, shard) as builder:
            for number in range(shard.start, shard.stop):
                split, label = "test" if number % 3 == 2 else "train", LABELS[number % 3]
                meta = Meta(
                    object_id=f"toys/{number}", source="toys", split=split, label=label, caption=f"a red {label}"
                )
                builder.add(DepthMaps.of(meta, np.stack([scene(number, 48), scene(number + 3, 48)])))
    return finish(output, shards, max_rejected_share=0.0)


@pytest.fixture(scope="module")
def depths(shared: Store) -> Manifest:
    return write_depths(shared)


@pytest.fixture(scope="module")
def painted(shared: Store, depths: Manifest) -> Manifest:
    return make(SYNTHESIZE, shared, recipe(), {"depths": depths}, CPU)


@pytest.fixture(scope="module")
def controlnet(tmp_path_factory: pytest.TempPathFactory) -> ControlNetRecipe:
    from tests.synthesis.networks import save_networks

    folder = tmp_path_factory.mktemp("weights")
    save_networks(folder)
    base, control = ModelRef(id=str(folder)), ModelRef(id=str(folder / "controlnet"))
    return ControlNetRecipe(base=base, controlnet=control, steps=2, generation_size=32, dtype="float32")


def contents(store: Store, manifest: Manifest) -> dict[str, bytes]:
    return {info.key: store.read(info.key) for info in store.list(manifest.folder)}


@pytest.mark.parametrize("name", ["shaded", "controlnet"])
def test_a_run_killed_in_a_shard_and_resumed_ends_with_the_same_bytes(
    name: str, request: pytest.FixtureRequest, shared: Store, depths: Manifest, store: Store
) -> None:
    painter = request.getfixturevalue("controlnet") if name == "controlnet" else "shaded"
    wanted = recipe(synthesizer=painter, gate=OPEN)
    whole = make(SYNTHESIZE, shared, wanted, {"depths": depths}, CPU)

    def stops_in_the_second_shard(state: ProgressState) -> None:
        if state.done == 3:
            job.progress.stop()

    given = {"depths": write_depths(store)}
    with (
        at_work(SYNTHESIZE, store, wanted, given, CPU, stops_in_the_second_shard) as job,
        pytest.raises(StageStopped, match="synthesize was stopped after 3 of 6 objects"),
    ):
        build(SYNTHESIZE, job)
    stage._loaded_painter.cache_clear()  # the next process loads its own
    with at_work(SYNTHESIZE, store, wanted, given, CPU) as job:
        assert [shard.index for shard in plan(SYNTHESIZE, job).missing] == [1, 2]
        build(SYNTHESIZE, job)
        resumed = commit(SYNTHESIZE, job)
    assert contents(store, resumed) == contents(shared, whole)
    assert any(key.endswith(".tar") for key in contents(store, resumed))


def test_the_gates_clip_is_loaded_and_its_verdicts_are_recorded(shared: Store, depths: Manifest) -> None:
    gate = {"caption_top_k": 1, "caption_batch": 6, "caption_clip": TINY_CLIP}
    patient = SynthesisExecution(device="cpu", max_rejected_share=1)
    manifest = make(SYNTHESIZE, shared, recipe(gate=gate, shard_size=6), {"depths": depths}, patient)
    rejected = [sample for record in manifest.shards for sample in record.rejected]
    assert 0 < len(rejected) < 6
    assert all("unrecognised: its caption ranks" in sample.reason for sample in rejected)
    assert manifest.summary["gate"]["images"] == 12


@pytest.mark.parametrize(("splits", "images"), [((), "12 images"), (("train",), "8 images")])
def test_the_cost_counts_what_is_ahead_and_only_the_splits_to_paint(
    splits: tuple[str, ...], images: str, shared: Store, depths: Manifest
) -> None:
    board = Board()
    with at_work(SYNTHESIZE, shared, recipe(splits=splits, seed=1), {"depths": depths}, CPU) as job:
        SYNTHESIZE.announce(job, plan(SYNTHESIZE, job).missing, board)
    sentence = board.texts["cost"]
    assert sentence.startswith(f"{images}: ")
    assert "images per device hour" in sentence
    assert "a lost worker costs at most" in sentence


def test_only_the_splits_to_paint_are_painted(shared: Store, depths: Manifest) -> None:
    heard: list[ProgressState] = []
    found = make(SYNTHESIZE, shared, recipe(splits=("train",)), {"depths": depths}, CPU, heard.append)
    assert found.summary["splits"] == {"train": 4}
    assert (heard[-1].done, heard[-1].counts["skipped"]) == (6, 2)


def test_progress_counts_images_and_rejections(shared: Store, depths: Manifest) -> None:
    with at_work(SYNTHESIZE, shared, recipe(gate={"minimum_brightness": 1}), {"depths": depths}, CPU) as job:
        build(SYNTHESIZE, job)
    progress = job.progress
    assert (progress.done, progress.counts["rejected"], progress.counts["images"]) == (6, 6, 0)
    assert progress.counts["rejected_images"] >= 6 * 4


def test_pairs_are_shown_by_category(shared: Store, painted: Manifest, monkeypatch: pytest.MonkeyPatch) -> None:
    found = pictures.by_category(shared, painted, categories=2, each=2)
    assert list(found) == ["ball", "plate"]
    for label, samples in found.items():
        assert [sample.meta.label for sample in samples] == [label] * len(samples)
        assert 1 <= len(samples) <= 2

    board = Board()
    monkeypatch.setattr(pictures, "ROWS", 2)
    SYNTHESIZE.show(shared, painted, board)
    assert list(board.pictures) == ["pairs", "pairs-2"]
    assert board.names == {*SYNTHESIZE.shows, "pairs-2"} - {"cost"}
    tall, short = (Image.open(io.BytesIO(image)) for image in board.pictures.values())
    assert tall.width == short.width
    assert tall.height > 1.8 * short.height


def test_the_painter_stays_when_only_the_gate_changes() -> None:
    one = stage._painter(SynthesisRecipe(), CPU)
    other = SynthesisRecipe.model_validate({"gate": {"retries": 0, "caption_clip": TINY_CLIP}})
    assert stage._painter(other, CPU) is one
    assert stage._painter(SynthesisRecipe(), SynthesisExecution(device="cpu", workers=1)) is not one


def test_a_reader_finds_depth_maps_and_images_side_by_side(shared: Store, depths: Manifest) -> None:
    manifest = make(SYNTHESIZE, shared, recipe(image={"format": "jpeg"}), {"depths": depths}, CPU)
    with SampleReader(shared, manifest) as reader:
        sample = next(iter(reader))
    assert sorted(sample.fields) == ["00.jpg", "01.jpg", "depth.npy", "json"]
    depth, image = pictures.depth_and_image(Painted.read(sample.key, sample.fields), 1)
    assert depth.shape == (48, 48)
    assert image.shape == (48, 48, 3)
