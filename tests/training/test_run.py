"""Whole runs: interrupted and uninterrupted ones end alike, on cached tokens and on pixels."""

import json
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
import torch
from PIL import Image

from opendlign_core.loop import InMemory, Progress, Sharded, read_metrics
from opendlign_core.training import (
    CacheEntries,
    Objects,
    TrainRecipe,
    Validation,
    build_entries,
    load_aligned,
    read_branch,
    train,
)
from opendlign_core.training.depth_branch.run import TrainSource
from tests.training import tiny


def source_for(recipe: TrainRecipe) -> TrainSource:
    objects = tiny.objects()
    if recipe.trainer == "plain":
        return InMemory(objects)
    return InMemory(build_entries(tiny.model(recipe.blocks), objects, recipe.cache_recipe()))


def held_out(recipe: TrainRecipe) -> Validation:
    entries = build_entries(tiny.model(recipe.blocks), tiny.objects(6, seed=1), recipe.cache_recipe())
    classes = torch.nn.functional.normalize(torch.randn(3, 24, generator=torch.Generator().manual_seed(0)), dim=-1)
    return Validation(InMemory(entries), np.array([0, 1, 2, -1, 0, 1]), classes)


def weights(path: Path) -> dict[str, torch.Tensor]:
    return read_branch(path).tensors


class Killed(Exception):
    pass


@pytest.mark.parametrize(
    ("kind", "stop_at"), [("cached", 1), ("cached", 3), ("cached", 4), ("cached", 7), ("plain", 3), ("plain", 5)]
)
def test_a_killed_run_continues_to_the_same_bytes(
    tmp_path: Path, kind: Literal["cached", "plain"], stop_at: int
) -> None:
    recipe = tiny.recipe(trainer=kind, temperature="learned")
    execution = tiny.CPU.model_copy(update={"checkpoint_every_steps": 2, "log_every": 1})
    whole = train(source_for(recipe), recipe, execution, tmp_path / "whole", validation=held_out(recipe))

    def kill(progress: Progress) -> None:
        if progress.step == stop_at:
            raise Killed

    with pytest.raises(Killed):
        train(source_for(recipe), recipe, execution, tmp_path / "cut", validation=held_out(recipe), on_progress=kill)
    assert not (tmp_path / "cut" / "weights.safetensors").exists()
    resumed = train(source_for(recipe), recipe, execution, tmp_path / "cut", validation=held_out(recipe))
    assert resumed.weights.read_bytes() == whole.weights.read_bytes()
    assert resumed.metrics.read_text() == whole.metrics.read_text()
    assert resumed.validation == whole.validation


def test_training_a_finished_run_again_does_nothing_new(tmp_path: Path) -> None:
    recipe = tiny.recipe()
    first = train(source_for(recipe), recipe, tiny.CPU, tmp_path)
    before = first.weights.read_bytes(), first.metrics.read_text()
    steps: list[Progress] = []
    again = train(source_for(recipe), recipe, tiny.CPU, tmp_path, on_progress=steps.append)
    assert steps == []
    assert (again.weights.read_bytes(), again.metrics.read_text()) == before


@pytest.mark.parametrize("blocks", [1, 2])
def test_cached_and_plain_trainers_agree(tmp_path: Path, blocks: int) -> None:
    results = []
    for kind in ("cached", "plain"):
        recipe = tiny.recipe(trainer=kind, blocks=blocks)
        results.append(weights(train(source_for(recipe), recipe, tiny.CPU, tmp_path / kind).weights))
    for name, tensor in results[0].items():
        torch.testing.assert_close(tensor, results[1][name], atol=2e-6, rtol=0)
    start = tiny.model(blocks).branch_state()
    assert all((tensor - start[name]).abs().max() > 1e-3 for name, tensor in results[0].items())


@pytest.mark.parametrize(
    "changes",
    [{"distance": "l2"}, {"temperature": "learned"}, {"blocks": 3}, {"cache_dtype": "float16"}, {"blend": 1.0}],
)
def test_each_option_trains_and_lowers_the_loss(tmp_path: Path, changes: dict[str, Any]) -> None:
    recipe = tiny.recipe(epochs=12, **changes)
    result = train(source_for(recipe), recipe, tiny.CPU, tmp_path)
    totals = [row["total"] for row in read_metrics(result.metrics)]
    assert np.mean(totals[-3:]) < np.mean(totals[:3])
    assert ("logit_scale" in weights(result.weights)) == (recipe.temperature == "learned")


def test_depth_finds_its_images_better_after_alignment(tmp_path: Path) -> None:
    recipe = tiny.recipe(epochs=25, batch_size=24, peak_lr=1e-2)
    entries = InMemory(build_entries(tiny.model(), tiny.objects(24), recipe.cache_recipe()))
    found = train(entries, recipe, tiny.CPU, tmp_path, validation=Validation(entries)).validation
    assert found["depth_to_image"] > found["base_depth_to_image"]


def test_metrics_have_a_line_per_few_steps_and_per_validation(tmp_path: Path) -> None:
    recipe = tiny.recipe()
    result = train(source_for(recipe), recipe, tiny.CPU, tmp_path, validation=held_out(recipe))
    rows = read_metrics(result.metrics)
    assert [row["step"] for row in rows if row["kind"] == "train"] == [2, 3, 5, 6, 8, 9], (
        "two steps a line, within an epoch"
    )
    validations = [row for row in rows if row["kind"] == "validation"]
    assert [row["step"] for row in validations] == [3, 6, 9]
    assert {"depth_to_image", "base_depth_to_image", "zero_shot", "base_zero_shot"} <= validations[-1].keys()
    with Image.open(result.curves) as picture:
        assert picture.size == (1040, 320)
        assert len(picture.convert("RGB").getcolors(100000) or []) > 5


def test_the_branch_weights_alone_rebuilds_the_model(tmp_path: Path) -> None:
    recipe = tiny.recipe()
    trained = tiny.model()
    result = train(source_for(recipe), recipe, tiny.CPU, tmp_path, model=trained, fingerprint="abc")
    loaded = load_aligned(result.weights)
    pixels = torch.randn(2, 3, 16, 16, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        assert torch.equal(loaded.encode_image(pixels, "depth"), trained.encode_image(pixels, "depth"))
        assert not torch.equal(loaded.encode_image(pixels, "depth"), loaded.encode_image(pixels, "base"))
    found = read_branch(result.weights)
    assert (found.recipe, found.fingerprint, found.step) == (recipe, "abc", 9)


def test_only_the_newest_checkpoints_are_kept(tmp_path: Path) -> None:
    recipe = tiny.recipe(epochs=5)
    seen: list[Path] = []
    execution = tiny.CPU.model_copy(update={"keep_checkpoints": 2})
    train(source_for(recipe), recipe, execution, tmp_path, on_checkpoint=seen.append)
    assert [path.name for path in seen] == [f"step-{3 * epoch:08d}" for epoch in range(1, 6)]
    assert sorted(path.name for path in (tmp_path / "checkpoints").iterdir()) == ["step-00000012", "step-00000015"]


def test_a_folder_of_another_run_is_refused(tmp_path: Path) -> None:
    recipe = tiny.recipe()
    train(source_for(recipe), recipe, tiny.CPU, tmp_path)
    other = tiny.recipe(weight_decay=0.0)
    with pytest.raises(ValueError, match=r"another training run \(weight_decay: 0.1 there, 0.0 here\)"):
        train(source_for(other), other, tiny.CPU, tmp_path)
    with pytest.raises(ValueError, match="its data"):
        train(source_for(recipe), recipe, tiny.CPU, tmp_path, fingerprint="other")


def test_the_wrong_source_is_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="cached trainer reads CacheEntries, the source holds Objects"):
        train(InMemory(tiny.objects()), tiny.recipe(), tiny.CPU, tmp_path)


def test_streaming_shards_gives_the_same_weights_as_memory(tmp_path: Path) -> None:
    recipe = tiny.recipe(shuffle_shards=2)
    entries = build_entries(tiny.model(), tiny.objects(), recipe.cache_recipe())
    starts = [0, 3, 6, 9, 10]
    loads: list[int] = []

    def load(shard: int) -> CacheEntries:
        loads.append(shard)
        return CacheEntries(*(tensor[starts[shard] : starts[shard + 1]] for tensor in entries))

    streamed = train(Sharded(load, [3, 3, 3, 1], keep=4), recipe, tiny.CPU, tmp_path / "s")
    whole = train(InMemory(entries, [3, 3, 3, 1]), recipe, tiny.CPU, tmp_path / "m")
    assert streamed.weights.read_bytes() == whole.weights.read_bytes()
    assert sorted(loads) == [0, 1, 2, 3]


def test_patience_stops_a_run_that_no_longer_improves(tmp_path: Path) -> None:
    recipe = tiny.recipe(epochs=20, peak_lr=1e-12, patience=2)
    result = train(source_for(recipe), recipe, tiny.CPU, tmp_path, validation=held_out(recipe))
    assert result.stopped_early
    assert result.steps == 9
    again = train(source_for(recipe), recipe, tiny.CPU, tmp_path, validation=held_out(recipe))
    assert (again.steps, again.stopped_early) == (9, True)


def test_flipping_depends_on_object_and_epoch_alone(tmp_path: Path) -> None:
    from opendlign_core.training.depth_branch.augment import flip_views

    objects = tiny.objects(8)
    order = np.array([5, 2, 7, 0, 1, 3, 4, 6])
    straight = flip_views(objects, np.arange(8), 1, 0)
    shuffled = flip_views(Objects(*(tensor[order] for tensor in objects)), order, 1, 0)
    assert torch.equal(shuffled.depth, straight.depth[order])
    assert torch.equal(shuffled.images, straight.images[order])
    flipped = [not torch.equal(a, b) for a, b in zip(straight.depth, objects.depth, strict=True)]
    assert 0 < sum(flipped) < 8
    assert flipped == [not torch.equal(a, b) for a, b in zip(straight.images, objects.images, strict=True)]
    recipe = tiny.recipe(trainer="plain", augment="flip")
    assert train(source_for(recipe), recipe, tiny.CPU, tmp_path).steps == 9


def test_a_checkpoint_never_runs_code(tmp_path: Path) -> None:
    recipe = tiny.recipe(epochs=2)
    train(source_for(recipe), recipe, tiny.CPU, tmp_path)
    state = tmp_path / "checkpoints" / "step-00000006" / "state.pt"
    torch.save({"step": Path("/")}, state)
    with pytest.raises(Exception, match="weights_only"):
        train(source_for(recipe), recipe, tiny.CPU, tmp_path)


def test_metrics_survive_a_line_cut_short(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    path.write_text(json.dumps({"kind": "train", "step": 1, "epoch": 0}) + '\n{"kind": "tr')
    assert [row["step"] for row in read_metrics(path)] == [1]
