"""The depth branch, its losses and both trainers against runs of the reference implementation."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from opendlign_core.clip import ClipSpec, depth_to_input, images_to_input, load_clip, object_features
from opendlign_core.training import (
    CacheEntries,
    DepthAlignedCLIP,
    Objects,
    TrainRecipe,
    build_entries,
    load_official,
    read_official,
)
from opendlign_core.training.depth_branch.model import Branch
from tests.training.stepper import Stepper

Golden = Mapping[str, NDArray[Any]]
TINY: dict[str, Any] = {
    "embed_dim": 48,
    "vision_cfg": {"image_size": 32, "patch_size": 8, "width": 64, "layers": 3, "head_width": 32},
    "text_cfg": {"context_length": 77, "vocab_size": 49408, "width": 64, "heads": 2, "layers": 2},
}
DEPTH_KEY = "clip_model.visual.transformer.depth_control_visual.resblocks.0."
NAMES = ("attn.in_proj_weight", "attn.in_proj_bias", "attn.out_proj.weight", "attn.out_proj.bias")
KEY_BIAS = slice(64, 128)
TRAINERS: tuple[Literal["cached", "plain"], ...] = ("cached", "plain")


@pytest.fixture(scope="module")
def goldens(golden_files: Callable[[str], list[Path]]) -> list[Golden]:
    return [dict(np.load(path)) for path in golden_files("opendlign/opendlign_tiny_*.npz")]


def spec_of(quickgelu: bool = False) -> ClipSpec:
    architecture = {**TINY, "quick_gelu": quickgelu}
    return ClipSpec(model="golden-tiny", weights="random", image_size=32, architecture=architecture)


def model_of(golden: Golden, quickgelu: bool = False, *, own_block: bool) -> DepthAlignedCLIP:
    """The golden CLIP; its depth block holds the stored weights (`own_block`) or the copy training starts from."""
    clip = load_clip(spec_of(quickgelu))
    state = {
        key.removeprefix("sd/"): torch.from_numpy(value) for key, value in golden.items() if key.startswith("sd/")
    }
    inner = {key.removeprefix("clip_model."): value for key, value in state.items() if key.startswith("clip_model.")}
    clip.load_state_dict({key: value for key, value in inner.items() if "depth_control" not in key})
    model = DepthAlignedCLIP(clip)
    if own_block:
        block = {key.removeprefix(DEPTH_KEY): value for key, value in state.items() if key.startswith(DEPTH_KEY)}
        model.depth_blocks[0].load_state_dict(block)
    return model


def objects_of(golden: Golden) -> Objects:
    depth = torch.from_numpy(golden["in/depth_u8"].astype(np.float64) / 255)
    return Objects(depth, torch.from_numpy(golden["in/rgb_u8"]))


def trainer_of(
    model: DepthAlignedCLIP, kind: Literal["cached", "plain"], steps: int, quickgelu: bool = False
) -> Stepper:
    recipe = TrainRecipe(clip=spec_of(quickgelu), trainer=kind, batch_size=4)
    return Stepper(model, recipe, steps)


def batch_of(
    trainer: Stepper, objects: Objects, chosen: NDArray[np.int64] | slice = slice(None)
) -> CacheEntries | Objects:
    picked = Objects(*(tensor[chosen] for tensor in objects))
    if trainer.learner.recipe.trainer == "plain":
        return picked
    return build_entries(trainer.learner.model, picked, trainer.learner.recipe.cache_recipe())


def without_key_bias(name: str, tensor: Tensor) -> Tensor:
    return torch.cat([tensor[:64], tensor[128:]]) if name == "attn.in_proj_bias" else tensor


def assert_weights(model: DepthAlignedCLIP, golden: Golden, prefix: str) -> None:
    """The golden README's tolerance: 99.9% of all elements within 1e-6 and every one within 5e-5, key bias aside."""
    own = model.trainable()
    differences = torch.cat(
        [
            without_key_bias(
                name, own[f"resblocks.0.{name}"].detach() - torch.from_numpy(golden[f"{prefix}/{name}"])
            ).flatten()
            for name in NAMES
        ]
    ).abs()
    assert differences.max() < 5e-5
    assert (differences < 1e-6).double().mean() > 0.999


def test_pixels_are_normalised_as_the_reference_normalises_them(goldens: list[Golden]) -> None:
    for golden in goldens:
        objects = objects_of(golden)
        images = images_to_input(objects.images, spec_of())
        torch.testing.assert_close(images, torch.from_numpy(golden["in/rgb"]), atol=2e-6, rtol=0)
        depth = depth_to_input(objects.depth, spec_of())
        torch.testing.assert_close(depth, torch.from_numpy(golden["in/depth"]), atol=2e-6, rtol=0)


@pytest.mark.parametrize("quickgelu", [False, True])
@pytest.mark.parametrize(("pixels", "branch"), [("rgb", "base"), ("depth", "base"), ("depth", "depth")])
def test_features_of_both_branches(goldens: list[Golden], quickgelu: bool, pixels: str, branch: Branch) -> None:
    for golden in goldens:
        model = model_of(golden, quickgelu, own_block=True)
        with torch.no_grad():
            features = model.encode_image(torch.from_numpy(golden[f"in/{pixels}"]).flatten(0, 1), branch)
        expected = torch.from_numpy(golden[f"feat0{'_quickgelu' * quickgelu}/{pixels}_{branch}"]).flatten(0, 1)
        torch.testing.assert_close(features, expected, atol=5e-5, rtol=0)


def test_tokens_before_and_after_the_last_block(goldens: list[Golden]) -> None:
    for golden in goldens:
        model = model_of(golden, own_block=True)
        with torch.no_grad():
            prefix = model.prefix(torch.from_numpy(golden["in/depth"][0]))
            entering = torch.from_numpy(golden["tok0/pen"])
            normed = model.depth_blocks[0].ln_1(entering)
        torch.testing.assert_close(prefix.tokens, normed, atol=1e-4, rtol=0)
        torch.testing.assert_close(prefix.rows[:, 0], entering[:, 0], atol=1e-4, rtol=0)
        torch.testing.assert_close(prefix.rows[:, 1], torch.from_numpy(golden["tok0/last"])[:, 0], atol=1e-4, rtol=0)


def test_text_features(goldens: list[Golden]) -> None:
    for golden in goldens:
        for quickgelu in (False, True):
            model = model_of(golden, quickgelu, own_block=True)
            with torch.no_grad():
                features = model.encode_text(torch.from_numpy(golden["text/token_ids"]))
            expected = torch.from_numpy(golden[f"text/features{'_quickgelu' * quickgelu}"])
            torch.testing.assert_close(features, expected, atol=1e-5, rtol=0)


@pytest.mark.parametrize("quickgelu", [False, True])
@pytest.mark.parametrize("kind", TRAINERS)
def test_loss_and_gradients(goldens: list[Golden], kind: Literal["cached", "plain"], quickgelu: bool) -> None:
    for golden in goldens:
        trainer = trainer_of(model_of(golden, quickgelu, own_block=True), kind, 10, quickgelu)
        result = trainer.learner.alignment(pixels_batch(trainer, golden), 4)
        torch.autograd.backward(result.total)
        stored = f"loss0{'_quickgelu' * quickgelu}"
        assert result.contrastive.item() == pytest.approx(float(golden[f"{stored}/contrastive"]), abs=5e-5)
        assert result.distance.item() == pytest.approx(float(golden[f"{stored}/mse"]), abs=1e-7)
        assert result.depth_to_image.item() == pytest.approx(float(golden[f"{stored}/A_B_acc"]))
        assert result.image_to_depth.item() == pytest.approx(float(golden[f"{stored}/B_A_acc"]))
        for name in NAMES:
            gradient = trainer.learner.parameters[f"resblocks.0.{name}"].grad
            assert gradient is not None
            expected = torch.from_numpy(golden[f"{stored}/grad/{name}"])
            torch.testing.assert_close(gradient, expected, atol=5e-5, rtol=0)
            if name == "attn.in_proj_bias":
                assert gradient[KEY_BIAS].abs().max() == 0


def pixels_batch(
    trainer: Stepper, golden: Golden, chosen: NDArray[np.int64] | slice = slice(None)
) -> CacheEntries | Objects:
    return batch_of(trainer, objects_of(golden), chosen)


@pytest.mark.parametrize("kind", TRAINERS)
def test_trajectory_of_ten_steps(goldens: list[Golden], kind: Literal["cached", "plain"]) -> None:
    for golden in goldens:
        trainer = trainer_of(model_of(golden, own_block=False), kind, 10)
        batch = pixels_batch(trainer, golden)
        assert_weights(trainer.learner.model, golden, "traj1/w0")
        for step in range(10):
            assert_step(trainer, trainer.step(batch, 4), golden["traj1/steps_f32"][step])
            if f"traj1/w{step + 1}/{NAMES[0]}" in golden:
                assert_weights(trainer.learner.model, golden, f"traj1/w{step + 1}")
            if step + 1 == 5:
                assert_moments(trainer, golden)
        with torch.no_grad():
            features = trainer.learner.model.encode_image(torch.from_numpy(golden["in/depth"]).flatten(0, 1), "depth")
        expected = torch.from_numpy(golden["feat_w10/depth_depth"]).flatten(0, 1)
        torch.testing.assert_close(features, expected, atol=5e-5, rtol=0)


def assert_step(trainer: Stepper, result: Any, row: NDArray[np.float64]) -> None:
    """One line of a stored trajectory: losses, accuracies, and the schedule's values as that step used them."""
    contrastive, mse, depth_to_image, image_to_depth, lr, beta1 = row
    assert result.contrastive.item() == pytest.approx(contrastive, abs=1e-4)
    assert result.distance.item() == pytest.approx(mse, abs=1e-7)
    assert result.depth_to_image.item() == pytest.approx(depth_to_image)
    assert result.image_to_depth.item() == pytest.approx(image_to_depth)
    group = trainer.learner.optimiser.param_groups[0]
    assert group["lr"] == pytest.approx(lr, rel=1e-9)
    assert group["betas"][0] == pytest.approx(beta1, rel=1e-9)


def assert_moments(trainer: Stepper, golden: Golden) -> None:
    for name in NAMES:
        state = trainer.learner.optimiser.state[trainer.learner.parameters[f"resblocks.0.{name}"]]
        for moment in ("exp_avg", "exp_avg_sq"):
            expected = torch.from_numpy(golden[f"traj1/{moment}5/{name}"])
            difference = without_key_bias(name, state[moment] - expected)
            assert difference.abs().max() < 5e-5


def test_the_key_bias_only_decays(goldens: list[Golden]) -> None:
    """Its gradient is exactly zero here, where the reference amplifies rounding noise to steps of up to 1e-3."""
    for golden in goldens:
        trainer = trainer_of(model_of(golden, own_block=False), "cached", 10)
        batch = pixels_batch(trainer, golden)
        before = trainer.learner.parameters["resblocks.0.attn.in_proj_bias"].detach().clone()[KEY_BIAS]
        factor = 1.0
        for step in range(5):
            trainer.step(batch, 4)
            factor *= 1 - trainer.learner.pace(step, 10).lr * trainer.learner.recipe.weight_decay
        after = trainer.learner.parameters["resblocks.0.attn.in_proj_bias"].detach()[KEY_BIAS]
        torch.testing.assert_close(after, before * factor, atol=1e-9, rtol=1e-6)
        reference = torch.from_numpy(golden["traj1/w5/attn.in_proj_bias"])[KEY_BIAS]
        assert (after - reference).abs().max() < 1.1e-3


def test_trajectory_in_float64(goldens: list[Golden]) -> None:
    for golden in goldens:
        trainer = trainer_of(model_of(golden, own_block=False).double(), "cached", 10)
        entries = double_entries(trainer.learner.model, golden)
        for step in range(5):
            result = trainer.step(entries, 4)
            assert result.contrastive.item() == pytest.approx(golden["traj1/steps_f64"][step, 0], abs=1e-10)
        for name in NAMES:
            own = trainer.learner.parameters[f"resblocks.0.{name}"].detach()
            expected = torch.from_numpy(golden[f"traj1/w5_f64/{name}"])
            torch.testing.assert_close(
                without_key_bias(name, own), without_key_bias(name, expected), atol=1e-10, rtol=0
            )


def double_entries(model: DepthAlignedCLIP, golden: Golden) -> CacheEntries:
    """Entries from the reference's own float32 pixels, as its float64 run used them."""
    with torch.no_grad():
        prefix = model.prefix(torch.from_numpy(golden["in/depth"]).double().flatten(0, 1))
        images = model.encode_image(torch.from_numpy(golden["in/rgb"]).double().flatten(0, 1))
    tokens, rows = (tensor.view(4, 10, *tensor.shape[1:]) for tensor in prefix)
    return CacheEntries(tokens, rows, object_features(images.view(4, 10, -1)))


@pytest.mark.parametrize("kind", TRAINERS)
def test_trajectory_of_uneven_batches(goldens: list[Golden], kind: Literal["cached", "plain"]) -> None:
    for golden in goldens:
        trainer = trainer_of(model_of(golden, own_block=False), kind, 30)
        for step, row in enumerate(golden["traj2/batches"]):
            chosen = row[row >= 0]
            result = trainer.step(pixels_batch(trainer, golden, chosen), len(chosen))
            assert_step(trainer, result, golden["traj2/steps_f32"][step])
            if len(chosen) == 1:
                assert result.contrastive.item() == 0
        assert_weights(trainer.learner.model, golden, "traj2/w9")


@pytest.mark.parametrize("kind", TRAINERS)
def test_trajectory_with_quickgelu(goldens: list[Golden], kind: Literal["cached", "plain"]) -> None:
    for golden in goldens:
        trainer = trainer_of(model_of(golden, True, own_block=False), kind, 10, True)
        batch = pixels_batch(trainer, golden)
        for row in golden["traj1_quickgelu/steps_f32"]:
            assert_step(trainer, trainer.step(batch, 4), row)
        assert_weights(trainer.learner.model, golden, "traj1_quickgelu/w5")


def test_a_legacy_checkpoint_loads_without_running_its_pickle(golden_files: Callable[[str], list[Path]]) -> None:
    for path in golden_files("opendlign/legacy_style_checkpoint.pth"):
        checkpoint = read_official(path)
        assert checkpoint.epoch == 9
        assert sorted(checkpoint.optimiser["state"]) == [32, 33, 34, 35]
        weight = checkpoint.depth["resblocks.0.attn.in_proj_weight"].double()
        out = checkpoint.depth["resblocks.0.attn.out_proj.weight"].double()
        assert (weight.sum().item(), weight.abs().sum().item()) == pytest.approx(
            (-0.9346673413965618, 337.2805794452288)
        )
        assert (out.sum().item(), out.abs().sum().item()) == pytest.approx((1.1328679128855583, 91.37184023056034))
        architecture = {
            "embed_dim": 24,
            "vision_cfg": {"image_size": 32, "patch_size": 8, "width": 32, "layers": 2, "head_width": 16},
            "text_cfg": {"context_length": 77, "vocab_size": 64, "width": 32, "heads": 2, "layers": 2},
        }
        spec = ClipSpec(model="legacy", weights="random", image_size=32, architecture=architecture)
        model = DepthAlignedCLIP(load_clip(spec))
        load_official(model, checkpoint)
        loaded = model.branch_state()["resblocks.0.attn.in_proj_weight"]
        assert torch.equal(loaded, checkpoint.depth["resblocks.0.attn.in_proj_weight"])
