"""Cached training against plain training on a real architecture, ten steps long."""

import pytest
import torch

from opendlign_core.clip import ClipSpec, load_clip
from opendlign_core.training import DepthAlignedCLIP, Objects, TrainRecipe, build_entries
from tests.training.stepper import Stepper

SPEC = ClipSpec(model="ViT-B-32", weights="random")
MOVED = 2e-4


def views(count: int) -> Objects:
    generator = torch.Generator().manual_seed(0)
    depth = torch.rand((count, 2, 224, 224), generator=generator)
    images = torch.randint(0, 256, (count, 2, 224, 224, 3), generator=generator, dtype=torch.uint8)
    return Objects(depth, images)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_cached_and_plain_agree_on_vit_b_32_after_ten_steps() -> None:
    objects, results = views(4), []
    for kind in ("cached", "plain"):
        model = DepthAlignedCLIP(load_clip(SPEC))
        start = {name: tensor.clone() for name, tensor in model.branch_state().items()}
        recipe = TrainRecipe(clip=SPEC, batch_size=4, trainer=kind)
        trainer = Stepper(model, recipe, 10)
        batch = build_entries(model, objects, recipe.cache_recipe()) if kind == "cached" else objects
        losses = [trainer.step(batch, 4).total.item() for _ in range(10)]
        results.append((losses, model.branch_state()))
        assert max((tensor - start[name]).abs().max() for name, tensor in model.branch_state().items()) > MOVED
    (cached_losses, cached), (plain_losses, plain) = results
    assert cached_losses == pytest.approx(plain_losses, abs=1e-5)
    differences = torch.cat([(cached[name] - plain[name]).abs().flatten() for name in cached])
    assert differences.max() < 5e-5
    assert (differences < 1e-6).double().mean() > 0.999
