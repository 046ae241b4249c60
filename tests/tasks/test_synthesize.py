"""The synthesize task over a real folder store: resumed, gated, estimated and shown."""

import io
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from opendlign_core.recipe import Recipe
from opendlign_core.samples import encode_depth
from opendlign_core.synthesis import ControlNetRecipe, ModelRef, SynthesisExecution, SynthesisRecipe
from storage.fingerprint import StageIdentity
from storage.output import StageOutput, plan_shards
from storage.reader import SampleReader
from storage.records import Manifest
from storage.shards import sample_key
from storage.stores import Store, open_store
from tasks import pictures
from tasks import synthesize as stage
from tasks.progress import ProgressState, StageStopped, current_progress, listening, tracking
from tasks.shards import ShardWork, StagePlan, building, finish
from tests.synthesis.scenes import scene
from tests.synthesis.test_captions import TINY_CLIP

LABELS = ("ball", "plate", "ring")
CPU = SynthesisExecution(device="cpu")
SMALL = {"shard_size": 2}


class Scenes(Recipe):
    objects: int


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    import torch

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
                depth = np.stack([scene(number, 48), scene(number + 3, 48)])
                name, label = f"toys/{number}", LABELS[number % 3]
                meta = {"object_id": name, "split": "test" if number % 3 == 2 else "train", "label": label}
                fields = {"depth.npy": encode_depth(depth)}
                builder.add(sample_key(name), fields, {**meta, "caption": f"a red {label}", "source": "toys"})
    return finish(output, plan, max_rejected_share=0.0)


def paint(planned: StagePlan, recipe: SynthesisRecipe, depths: Manifest) -> None:
    work = ShardWork(planned.output.store.url, planned.output.identity, planned.missing)
    stage.synthesize_shard.fn(work, recipe, CPU, depths)


def contents(store: Store) -> dict[str, bytes]:
    return {info.key: store.read(info.key) for info in store.list(stage.STAGE)}


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
    stores = {store: write_depths(store) for store in (whole, cut)}

    planned = stage.plan(whole, recipe, stores[whole])
    paint(planned, recipe, stores[whole])
    stage.commit(planned, CPU)

    def dies_in_the_second_shard(state: ProgressState) -> None:
        if state.done == 3:
            current_progress().stop()

    planned = stage.plan(cut, recipe, stores[cut])
    with pytest.raises(StageStopped), listening(dies_in_the_second_shard), tracking("synthesize", 6):
        paint(planned, recipe, stores[cut])
    stage._loaded_painter.cache_clear()  # the next process loads its own
    planned = stage.plan(cut, recipe, stores[cut])
    assert [shard.index for shard in planned.missing] == [1, 2]
    paint(planned, recipe, stores[cut])
    stage.commit(planned, CPU)
    assert contents(cut) == contents(whole)
    assert any(key.endswith(".tar") for key in contents(cut))


def test_the_gates_clip_is_loaded_and_its_verdicts_are_recorded(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    depths = write_depths(store)
    gate = {"caption_top_k": 1, "caption_batch": 6, "caption_clip": TINY_CLIP}
    recipe = SynthesisRecipe.model_validate({"gate": gate, "shard_size": 6})
    planned = stage.plan(store, recipe, depths)
    paint(planned, recipe, depths)
    manifest = stage.commit(planned, SynthesisExecution(device="cpu", max_rejected_share=1))
    rejected = [sample for record in manifest.shards for sample in record.rejected]
    assert 0 < len(rejected) < 6
    assert all("unrecognised: its caption ranks" in sample.reason for sample in rejected)
    assert manifest.summary["gate"]["images"] == 12


def test_the_cost_counts_what_is_ahead_and_only_the_splits_to_paint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, shown = open_store(tmp_path), list[str]()
    monkeypatch.setattr(stage, "publish_markdown", lambda *arguments: shown.append(arguments[2]))
    depths = write_depths(store)
    for splits, images in (((), "12 images"), (("train",), "8 images")):
        recipe = SynthesisRecipe.model_validate({"splits": splits, **SMALL})
        planned = stage.plan(store, recipe, depths)
        sentence = stage.announce_cost(planned.output, planned.missing, recipe, CPU, depths)
        assert sentence.startswith(f"{images}: ")
        assert "images per device hour" in sentence
        assert "a lost worker costs at most" in sentence
    assert len(shown) == 2


def test_progress_counts_images_and_rejections(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    depths = write_depths(store)
    recipe = SynthesisRecipe.model_validate({"gate": {"minimum_brightness": 1}, **SMALL})
    planned = stage.plan(store, recipe, depths)
    with tracking("synthesize", 6) as progress:
        paint(planned, recipe, depths)
    assert (progress.done, progress.counts["rejected"], progress.counts["images"]) == (6, 6, 0)
    assert progress.counts["rejected_images"] >= 6 * 4


def test_pairs_are_shown_by_category(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = open_store(tmp_path)
    depths = write_depths(store)
    recipe = SynthesisRecipe.model_validate(SMALL)
    planned = stage.plan(store, recipe, depths)
    paint(planned, recipe, depths)
    manifest = stage.commit(planned, CPU)

    found = pictures.by_category(store, manifest, categories=2, each=2)
    assert list(found) == ["ball", "plate"]
    for label, samples in found.items():
        assert [sample.json()["label"] for sample in samples] == [label] * len(samples)
        assert 1 <= len(samples) <= 2

    sheets: list[tuple[str, bytes]] = []
    monkeypatch.setattr(pictures, "publish_picture", lambda _, name, image, *__: sheets.append((name, image)))
    monkeypatch.setattr(pictures, "ROWS", 2)
    pictures.publish_pairs(store, manifest)
    assert [name for name, _ in sheets] == ["pairs", "pairs-2"]
    tall, short = (Image.open(io.BytesIO(image)) for _, image in sheets)
    assert tall.width == short.width
    assert tall.height > 1.8 * short.height


def test_the_painter_stays_when_only_the_gate_changes() -> None:
    one = stage._painter(SynthesisRecipe(), CPU)
    other = SynthesisRecipe.model_validate({"gate": {"retries": 0, "caption_clip": TINY_CLIP}})
    assert stage._painter(other, CPU) is one
    assert stage._painter(SynthesisRecipe(), SynthesisExecution(device="cpu", workers=1)) is not one


def test_a_reader_finds_depth_maps_and_images_side_by_side(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    depths = write_depths(store)
    recipe = SynthesisRecipe.model_validate({"image": {"format": "jpeg"}, **SMALL})
    planned = stage.plan(store, recipe, depths)
    paint(planned, recipe, depths)
    with SampleReader(store, stage.commit(planned, CPU)) as reader:
        sample = next(iter(reader))
    assert sorted(sample.fields) == ["00.jpg", "01.jpg", "depth.npy", "json"]
    depth, image = pictures.depth_and_image(sample, 1)
    assert depth.shape == (48, 48)
    assert image.shape == (48, 48, 3)
