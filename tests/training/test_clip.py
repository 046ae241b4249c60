"""CLIPs by name, by file and by folder; recipes and schedules; every mistake named."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from opendlign_core.clip import ClipSpec, depth_to_input, images_to_input, load_clip, load_tokenizer
from opendlign_core.clip.features import object_features
from opendlign_core.training import DepthAlignedCLIP, TrainRecipe, save_clip
from opendlign_core.training.losses import alignment, distance_loss
from opendlign_core.training.schedule import cycle_position, one_cycle
from tests.training import tiny


def test_random_weights_come_from_the_seed_and_leave_the_generator_alone() -> None:
    torch.manual_seed(5)
    first = load_clip(tiny.SPEC).visual.proj
    drawn = torch.rand(1)
    torch.manual_seed(5)
    assert torch.equal(drawn, torch.rand(1))
    assert torch.equal(first, load_clip(tiny.SPEC).visual.proj)
    assert not torch.equal(first, load_clip(tiny.SPEC.model_copy(update={"seed": 4})).visual.proj)


def test_a_changed_file_is_refused(tmp_path: Path) -> None:
    save_clip(load_clip(tiny.SPEC), tiny.SPEC, tmp_path / "own", {})
    spec = ClipSpec.from_folder(tmp_path / "own")
    assert not any(parameter.requires_grad for parameter in load_clip(spec).parameters())
    save_clip(load_clip(tiny.SPEC.model_copy(update={"seed": 9})), tiny.SPEC, tmp_path / "own", {})
    with pytest.raises(ValueError, match="not the same weights"):
        load_clip(spec)


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"weights": "no_such_tag"}, FileNotFoundError, "neither a file nor a tag of ViT-B-32"),
        ({"model": "ViT-X", "weights": "random"}, ValueError, "no model named 'ViT-X'"),
        ({"weights": "package:nothing"}, FileNotFoundError, "ships no checkpoint named 'nothing'"),
    ],
)
def test_missing_weights_and_models_are_named(changes: dict[str, Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        load_clip(ClipSpec(**{"model": "ViT-B-32", **changes}))


def test_the_tokenizer_has_the_models_context() -> None:
    assert load_tokenizer(tiny.SPEC)(["a mug", "a chair"]).shape == (2, 16)


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


def test_pixels_of_the_wrong_kind_are_refused() -> None:
    with pytest.raises(ValueError, match="takes 16 x 16 pixels, got 8 x 16"):
        depth_to_input(torch.zeros(1, 8, 16), tiny.SPEC)
    with pytest.raises(ValueError, match="found 0 to 255"):
        depth_to_input(torch.linspace(0, 255, 256).view(1, 16, 16), tiny.SPEC)
    with pytest.raises(ValueError, match="found nan to nan"):
        depth_to_input(torch.full((1, 16, 16), torch.nan), tiny.SPEC)
    with pytest.raises(ValueError, match="must be uint8"):
        images_to_input(torch.zeros(1, 16, 16, 3), tiny.SPEC)


@pytest.mark.parametrize("steps", [1, 2, 3, 7, 40])
def test_the_schedule_is_pytorchs_one_cycle(steps: int) -> None:
    optimiser = torch.optim.AdamW([torch.nn.Parameter(torch.zeros(1))], lr=3e-5, betas=(0.9, 0.98))
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 3e-4, steps)
    for step in range(steps):
        group = optimiser.param_groups[0]
        assert one_cycle(step, steps, TrainRecipe()) == pytest.approx((group["lr"], group["betas"][0]), rel=1e-12)
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
