"""The published checkpoint schema: what we write has its keys, shapes and indices; what we read runs nothing."""

import json
import os
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from opendlign_core.clip import OFFICIAL_MODELS, ClipSpec, load_clip
from opendlign_core.training import (
    DepthAlignedCLIP,
    DepthBranchLearner,
    build_entries,
    load_official,
    read_official,
    write_official,
)
from opendlign_core.training.depth_branch.published import official_state_dict, visual_parameter_names
from tests.training import tiny
from tests.training.stepper import Stepper


@pytest.fixture
def trained() -> DepthBranchLearner:
    stepper = Stepper(tiny.model(), tiny.recipe(), 30)
    entries = build_entries(stepper.learner.model, tiny.objects(4), stepper.learner.recipe.cache_recipe())
    for _ in range(3):
        stepper.step(entries, 4)
    return stepper.learner


def test_a_written_checkpoint_reads_back(trained: DepthBranchLearner, tmp_path: Path) -> None:
    write_official(tmp_path / "checkpoint_0.pth", trained, step=3, steps=30, epoch=0)
    checkpoint = read_official(tmp_path / "checkpoint_0.pth")
    fresh = tiny.model()
    load_official(fresh, checkpoint)
    for name, tensor in trained.model.state_dict().items():
        assert torch.equal(fresh.state_dict()[name], tensor)
    assert checkpoint.epoch == 0


def test_torch_itself_accepts_optimiser_and_schedule(trained: DepthBranchLearner, tmp_path: Path) -> None:
    write_official(tmp_path / "c.pth", trained, step=3, steps=30, epoch=0)
    content = torch.load(tmp_path / "c.pth", weights_only=True)
    parameters = [torch.nn.Parameter(torch.zeros(1)) for _ in visual_parameter_names(trained.model)]
    optimiser = torch.optim.AdamW(parameters, lr=3e-5, betas=(0.9, 0.98), weight_decay=0.1)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, trained.recipe.peak_lr, 30)
    optimiser.load_state_dict(content["optimizer_d_visual_state_dict"])
    schedule.load_state_dict(content["scheduler_d_visual_state_dict"])
    lrs = [schedule.get_last_lr()[0]]
    for _ in range(2):
        optimiser.step()
        schedule.step()
        lrs.append(schedule.get_last_lr()[0])
    assert lrs == pytest.approx([trained.pace(step, 30).lr for step in (3, 4, 5)])


@pytest.mark.parametrize("name", list(OFFICIAL_MODELS))
def test_keys_shapes_and_indices_of_the_four_variants(name: str, golden_files: Callable[[str], list[Path]]) -> None:
    manifest = json.loads(golden_files("opendlign/checkpoint_manifest.json")[0].read_text())
    expected = manifest["variants"][name]
    model = meta_model(name)
    shapes = {key: list(tensor.shape) for key, tensor in official_state_dict(model).items()}
    assert shapes == expected["model_state_dict"]
    names = visual_parameter_names(model)
    assert len(names) == expected["optimizer_num_params"]
    assert [names.index(f"depth.{key}") for key in model.trainable()] == expected["optimizer_state_indices"]
    assert sum(parameter.numel() for parameter in model.trainable().values()) == expected["trainable_parameters"]
    assert OFFICIAL_MODELS[name][:2] == (expected["pretrained_tag_zero_shot"], expected["train_batch_size"])


def meta_model(name: str) -> DepthAlignedCLIP:
    with torch.device("meta"):
        return DepthAlignedCLIP(load_clip(ClipSpec(model=name, weights="random"), "meta"))


class Bomb:
    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, ("touch exploded",)


@pytest.mark.parametrize("zipped", [True, False])
def test_reading_runs_nothing(
    trained: DepthBranchLearner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, zipped: bool
) -> None:
    monkeypatch.chdir(tmp_path)
    state = official_state_dict(trained.model)
    content = {"epoch": 1, "model_state_dict": state, "scheduler_d_visual_state_dict": {"bomb": Bomb()}}
    torch.save(content, tmp_path / "c.pth", _use_new_zipfile_serialization=zipped)
    checkpoint = read_official(tmp_path / "c.pth")
    assert not (tmp_path / "exploded").exists()
    assert torch.equal(checkpoint.clip["visual.proj"], trained.model.clip.visual.proj)
    pickle.loads(pickle.dumps(Bomb()))
    assert (tmp_path / "exploded").exists(), "the bomb must be live for this test to mean anything"


def test_another_file_is_refused_by_name(tmp_path: Path) -> None:
    torch.save({"state_dict": {}}, tmp_path / "other.pth")
    with pytest.raises(ValueError, match="not an OpenDlign checkpoint"):
        read_official(tmp_path / "other.pth")
