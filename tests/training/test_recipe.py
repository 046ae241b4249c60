"""Recipes, schedule and losses; every mistake named."""

import subprocess
import sys

import pytest
import torch

from opendlign_core.clip import ClipSpec, load_clip
from opendlign_core.clip.features import object_features
from opendlign_core.loop.schedule import cycle_position
from opendlign_core.training import DepthAlignedCLIP, DepthBranchLearner, TrainRecipe
from opendlign_core.training.depth_branch.losses import alignment, distance_loss
from tests.training import tiny


def test_a_resnet_tower_is_refused() -> None:
    resnet = {"image_size": 32, "layers": [1, 1, 1, 1], "width": 8}
    architecture = {**tiny.ARCHITECTURE, "vision_cfg": resnet}
    clip = load_clip(ClipSpec(model="resnet", weights="random", architecture=architecture, image_size=32))
    with pytest.raises(ValueError, match="open_clip's own ViT"):
        DepthAlignedCLIP(clip)


def test_branches_and_blocks_are_checked() -> None:
    with pytest.raises(ValueError, match="branch must be 'base' or 'depth', got 'rgb_branch'"):
        tiny.model().encode_image(torch.zeros(1, 3, 16, 16), "rgb_branch")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="between 1 and the tower's 3, got 4"):
        tiny.model(4)


@pytest.mark.parametrize("steps", [1, 2, 3, 7, 40])
def test_the_schedule_is_pytorchs_one_cycle(steps: int) -> None:
    optimiser = torch.optim.AdamW([torch.nn.Parameter(torch.zeros(1))], lr=3e-5, betas=(0.9, 0.98))
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 3e-4, steps)
    learner = DepthBranchLearner(tiny.model(), TrainRecipe())
    for step in range(steps):
        group = optimiser.param_groups[0]
        assert learner.pace(step, steps) == pytest.approx((group["lr"], group["betas"][0]), rel=1e-12)
        optimiser.step()
        schedule.step()


def test_a_cycle_whose_rise_is_one_step_starts_at_the_top() -> None:
    assert cycle_position(0, 10, 0.1) == (1.0, True)
    with pytest.raises(ValueError, match="outside"):
        cycle_position(10, 10, 0.3)


def test_distances() -> None:
    depth, image = torch.eye(2), torch.tensor([[1.0, 0.0], [1.0, 0.0]])
    assert distance_loss(depth, image, "mse").item() == pytest.approx(0.5)
    assert distance_loss(depth, image, "l2").item() == pytest.approx(2**0.5)


def test_one_object_has_no_contrast() -> None:
    feature = object_features(torch.randn(1, 4, 8, generator=torch.Generator().manual_seed(0)))
    result = alignment(feature, feature, torch.tensor(4.0), TrainRecipe())
    assert (result.contrastive.item(), result.depth_to_image.item()) == (0.0, 1.0)


def test_recipes_round_trip_and_name_their_mistakes() -> None:
    official = TrainRecipe.official("ViT-B-32", epochs=3)
    assert (official.clip.weights, official.batch_size, official.epochs) == ("datacomp_xl_s13b_b90k", 128, 3)
    assert TrainRecipe.model_validate_json(official.model_dump_json()) == official
    with pytest.raises(ValueError, match="no published recipe for 'ViT-Z'"):
        TrainRecipe.official("ViT-Z")
    with pytest.raises(ValueError, match="set trainer='plain'"):
        TrainRecipe(augment="flip")


def test_the_cache_does_not_depend_on_the_schedule() -> None:
    changed = TrainRecipe(epochs=3, peak_lr=1e-3, batch_size=7, seed=1, distance="l2")
    assert changed.cache_recipe() == TrainRecipe().cache_recipe()
    assert TrainRecipe(blocks=2).cache_recipe() != TrainRecipe().cache_recipe()


def test_recipes_need_no_torch() -> None:
    code = "import sys, opendlign_core.training; sys.exit('torch' in sys.modules or 'numpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
