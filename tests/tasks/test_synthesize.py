"""The synthesize stage over a real folder store: resumed, gated, estimated and shown."""

import io
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from opendlign_core.recipe import Recipe
from opendlign_core.samples import DepthMaps, Meta, Painted
from opendlign_core.synthesis import ControlNetRecipe, ModelRef, SynthesisExecution, SynthesisRecipe
from storage.fingerprint import StageIdentity
from storage.output import StageOutput, plan_shards
from storage.reader import SampleReader
from storage.records import Manifest
from storage.stores import Store, open_store
from tasks import pictures
from tasks import synthesize as stage
from tasks.ports import Input, Ref
from tasks.progress import ProgressState, StageProgress, StageStopped
from tasks.shards import building, finish
from tasks.stage import Job
from tasks.synthesize import SYNTHESIZE
from tests.synthesis.scenes import scene
from tests.synthesis.test_captions import TINY_CLIP
from tests.tasks.running import build_output

LABELS = ("ball", "plate", "ring")
CPU = SynthesisExecution(device="cpu")
SMALL = {"shard_size": 2}


class Scenes(Recipe):
    objects: int


class Board:
    """Keeps what a stage shows."""

    def __init__(self) -> None:
        self.texts: list[str] = []
        self.pictures: dict[str, bytes] = {}

    def table(self, name: str, rows: Sequence[dict[str, Any]], about: str) -> None:
        raise AssertionError("no table is expected here")

    def markdown(self, name: str, text: str, about: str) -> None:
        self.texts.append(text)

    def picture(self, name: str, image: bytes, about: str, media_type: str = "image/png") -> None:
        self.pictures[name] = image


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def write_depths(store: Store, objects: int = 6) -> Manifest:
    """Depth maps of solids, two views each, in shards of three; every third object is a test object."""
    output = StageOutput(store, StageIdentity.of("project", 1, Scenes(objects=objects)))
    plan = plan_shards(objects, 3)
    for shard in plan:
        with building(output, shard) as builder:
            for number in range(shard.start, shard.stop):
                label, split = LABELS[number % 3], "test" if number % 3 == 2 else "train"
                named = {"object_id": f"toys/{number}", "source": "toys", "split": split, "label": label}
                meta = Meta.model_validate({**named, "caption": f"a red {label}"})
                builder.add(DepthMaps.of(meta, np.stack([scene(number, 48), scene(number + 3, 48)])))
    return finish(output, plan, max_rejected_share=0.0)


def paint(
    store: Store,
    recipe: SynthesisRecipe,
    depths: Manifest,
    progress: StageProgress | None = None,
    allowed: float = 0.2,
) -> Manifest:
    execution = CPU.model_copy(update={"max_rejected_share": allowed})
    return build_output(SYNTHESIZE, store, recipe, execution, {"depths": [Input(depths)]}, progress=progress)


def painted_objects(store: Store, manifest: Manifest) -> list[Painted]:
    with SampleReader(store, manifest) as reader:
        return [Painted.read(sample.key, sample.fields) for sample in reader]


def contents(store: Store) -> dict[str, bytes]:
    return {info.key: store.read(info.key) for info in store.list("synthesize")}


@pytest.fixture(scope="module")
def controlnet(tmp_path_factory: pytest.TempPathFactory) -> ControlNetRecipe:
    from tests.synthesis.networks import save_networks

    folder = tmp_path_factory.mktemp("weights")
    save_networks(folder)
    base, control = ModelRef(id=str(folder)), ModelRef(id=str(folder / "controlnet"))
    return ControlNetRecipe(base=base, controlnet=control, steps=2, generation_size=32, dtype="float32")


@pytest.mark.parametrize("name", ["shaded", "controlnet"])
def test_a_run_killed_in_a_shard_and_resumed_ends_with_the_same_bytes(
    name: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    gate = {"minimum_brightness": 0, "minimum_variation": 0, "minimum_edge_agreement": 0}
    painter = request.getfixturevalue("controlnet") if name == "controlnet" else "shaded"
    recipe = SynthesisRecipe.model_validate({"synthesizer": painter, "gate": gate, **SMALL})
    whole, cut = open_store(tmp_path / "whole"), open_store(tmp_path / "cut")
    paint(whole, recipe, write_depths(whole))

    def dies_in_the_second_shard(state: ProgressState) -> None:
        if state.done == 3:
            progress.stop()

    depths = write_depths(cut)
    progress = StageProgress("synthesize", 6, listener=dies_in_the_second_shard)
    with pytest.raises(StageStopped):
        paint(cut, recipe, depths, progress)
    stage._loaded_painter.cache_clear()  # the next process loads its own
    rest = StageProgress("synthesize", 4)
    paint(cut, recipe, depths, rest)
    assert rest.done == 4, "the first shard stays as it is"
    assert contents(cut) == contents(whole)
    assert any(key.endswith(".tar") for key in contents(cut))


def test_only_the_splits_of_the_recipe_are_painted(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    progress = StageProgress("synthesize", 6)
    recipe = SynthesisRecipe.model_validate({"splits": ("train",), **SMALL})
    manifest = paint(store, recipe, write_depths(store), progress)
    assert [painted.meta.object_id for painted in painted_objects(store, manifest)] == [
        "toys/0", "toys/1", "toys/3", "toys/4",
    ]  # fmt: skip
    assert (progress.done, progress.counts["skipped"]) == (6, 2)


def test_the_gates_clip_is_loaded_and_its_verdicts_are_recorded(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    gate = {"caption_top_k": 1, "caption_batch": 6, "caption_clip": TINY_CLIP}
    recipe = SynthesisRecipe.model_validate({"gate": gate, "shard_size": 6})
    manifest = paint(store, recipe, write_depths(store), allowed=1)
    rejected = [sample for record in manifest.shards for sample in record.rejected]
    assert 0 < len(rejected) < 6
    assert all("unrecognised: its caption ranks" in sample.reason for sample in rejected)
    assert manifest.summary["gate"]["images"] == 12


def test_the_cost_counts_what_is_ahead_and_only_the_splits_to_paint(tmp_path: Path) -> None:
    store, ui = open_store(tmp_path), Board()
    depths = write_depths(store)
    inputs = {"depths": [Input(depths)]}
    for splits, images in (((), "12 images"), (("train",), "8 images")):
        recipe = SynthesisRecipe.model_validate({"splits": splits, **SMALL})
        identity = SYNTHESIZE.identify(recipe, {"depths": [Ref(depths.fingerprint)]})
        job = Job(StageOutput(store, identity), recipe, CPU, inputs, StageProgress("synthesize", 0))
        SYNTHESIZE.announce(job, SYNTHESIZE.shards(recipe, inputs, None), ui)
        assert ui.texts[-1].startswith(f"{images}: ")
        assert "images per device hour" in ui.texts[-1]
        assert "a lost worker costs at most" in ui.texts[-1]
    assert len(ui.texts) == 2


def test_progress_counts_images_and_rejections(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    recipe = SynthesisRecipe.model_validate({"gate": {"minimum_brightness": 1}, **SMALL})
    progress = StageProgress("synthesize", 6)
    with pytest.raises(Exception, match="6 of 6 samples were rejected"):
        paint(store, recipe, write_depths(store), progress)
    assert (progress.done, progress.counts["rejected"], progress.counts["images"]) == (6, 6, 0)
    assert progress.counts["rejected_images"] >= 6 * 4


def test_pairs_are_shown_by_category(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store, ui = open_store(tmp_path), Board()
    manifest = paint(store, SynthesisRecipe.model_validate(SMALL), write_depths(store))

    found = pictures.by_category(store, manifest, categories=2, each=2)
    assert list(found) == ["ball", "plate"]
    for label, objects in found.items():
        assert [painted.meta.label for painted in objects] == [label] * len(objects)
        assert 1 <= len(objects) <= 2

    monkeypatch.setattr(pictures, "ROWS", 2)
    pictures.show_pairs(store, manifest, ui)
    assert list(ui.pictures) == ["pairs", "pairs-2"]
    tall, short = (Image.open(io.BytesIO(image)) for image in ui.pictures.values())
    assert tall.width == short.width
    assert tall.height > 1.8 * short.height


def test_the_painter_stays_when_only_the_gate_changes() -> None:
    one = stage._painter(SynthesisRecipe(), CPU)
    other = SynthesisRecipe.model_validate({"gate": {"retries": 0, "caption_clip": TINY_CLIP}})
    assert stage._painter(other, CPU) is one
    assert stage._painter(SynthesisRecipe(), SynthesisExecution(device="cpu", workers=1)) is not one


def test_a_reader_finds_depth_maps_and_images_side_by_side(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    recipe = SynthesisRecipe.model_validate({"image": {"format": "jpeg"}, **SMALL})
    first = painted_objects(store, paint(store, recipe, write_depths(store)))[0]
    assert sorted(first.fields()) == ["00.jpg", "01.jpg", "depth.npy", "json"]
    depth, image = pictures.depth_and_image(first, 1)
    assert depth.shape == (48, 48)
    assert image.shape == (48, 48, 3)
