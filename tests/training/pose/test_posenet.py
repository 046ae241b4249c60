"""Networks that learn poses: they learn, continue exactly, and mirror photos with their poses."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from opendlign_core.errors import BadInput
from opendlign_core.loop.sources import InMemory
from opendlign_core.pose import decoded, pose_error
from opendlign_core.training.pose.learner import Photos, PoseLearner, mirrored_photos
from opendlign_core.training.pose.network import load_network, new_network, tell
from opendlign_core.training.pose.recipe import PosenetRecipe
from opendlign_core.training.pose.run import train_pose

SMALL = PosenetRecipe(network="small", image_size=32, epochs=3, batch=16, rate=0.002, seed=3)


def photos(count: int, seed: int = 0) -> Photos:
    """A bright dot that goes round with the azimuth; two categories by its colour."""
    generator = np.random.default_rng(seed)
    angles = np.stack([generator.uniform(0, 2 * np.pi, count), np.full(count, 0.1), np.full(count, 0.1)], 1)
    category = generator.integers(2, size=count)
    rows, columns = np.mgrid[:32, :32]
    across = 16 + 10 * np.sin(angles[:, 0])[:, None, None] - columns
    down = 16 + 10 * np.cos(angles[:, 0])[:, None, None] - rows
    dot = (255 * np.exp(-(across**2 + down**2) / 20)).astype(np.uint8)
    pixels = np.stack([dot, dot * (category == 0)[:, None, None], dot], 1)
    return Photos(torch.from_numpy(pixels), torch.from_numpy(angles.astype(np.float32)), torch.from_numpy(category))


def test_it_learns_pose_and_category_of_photos_it_never_saw(tmp_path: Path) -> None:
    recipe = SMALL.model_copy(update={"classify": True, "flip": False, "epochs": 12})
    network, result = train_pose(InMemory(photos(320)), recipe, tmp_path, categories=2, device="cpu")
    unseen = photos(80, seed=1)
    told = tell(network, unseen.pixels)
    errors = pose_error(decoded(told.pose.numpy()), unseen.angles.numpy())
    assert (errors < np.pi / 6).mean() > 0.8
    assert (told.category.argmax(1) == unseen.category).float().mean() > 0.9
    assert result.steps == 12 * 20
    loaded = load_network(recipe, ("blue", "red"), result.weights, "cpu")
    angles, categories = loaded.tell(unseen.pixels.movedim(1, -1))
    np.testing.assert_allclose(angles, decoded(told.pose.numpy()))
    assert categories == tuple(("blue", "red")[number] for number in told.category.argmax(1).tolist())


def test_a_killed_run_continues_to_the_same_weights(tmp_path: Path) -> None:
    source, whole, broken = InMemory(photos(48)), tmp_path / "whole", tmp_path / "broken"
    expected = train_pose(source, SMALL, whole, device="cpu")
    train_pose(source, SMALL, broken, device="cpu")
    (last,) = (broken / "checkpoints").iterdir()
    shutil.rmtree(broken)

    class Killed(Exception):
        """Stands for the end of the process."""

    def kill(progress: object) -> None:
        if getattr(progress, "step", 0) >= 6:
            raise Killed

    with pytest.raises(Killed):
        train_pose(source, SMALL, broken, device="cpu", on_progress=kill)
    assert last.name not in {path.name for path in (broken / "checkpoints").iterdir()}
    continued = train_pose(source, SMALL, broken, device="cpu")
    for name, tensor in expected.network.state_dict().items():
        assert torch.equal(continued.network.state_dict()[name], tensor), name


def test_the_rate_falls_to_a_tenth_after_each_third() -> None:
    learner = PoseLearner(new_network(SMALL), SMALL)
    rates = [learner.pace(step, 9).lr for step in range(9)]
    np.testing.assert_allclose(rates, [2e-3] * 3 + [2e-4] * 3 + [2e-5] * 3)


def test_mirrored_photos_carry_their_mirrored_pose() -> None:
    given = photos(64)
    turned = mirrored_photos(given, np.arange(64), seed=0, epoch=0)
    moved = (turned.angles != given.angles).any(1)
    assert 16 < int(moved.sum()) < 48
    assert torch.equal(turned.pixels[moved], given.pixels[moved].flip(3))
    assert torch.equal(turned.pixels[~moved], given.pixels[~moved])
    np.testing.assert_allclose(turned.angles[moved, 0], 2 * np.pi - given.angles[moved, 0], rtol=1e-6)
    np.testing.assert_allclose(turned.angles[moved, 2], -given.angles[moved, 2])


@pytest.mark.parametrize("network", ["resnet50", "swin_t"])
def test_published_backbones_tell_120_numbers_and_take_their_own_weights(network: str, tmp_path: Path) -> None:
    recipe = PosenetRecipe(network=network, image_size=64, classify=True)
    first = new_network(recipe, categories=5)
    torch.save(first.backbone.state_dict(), tmp_path / "weights.pth")
    again = new_network(recipe.model_copy(update={"weights": str(tmp_path / "weights.pth"), "seed": 1}), categories=5)
    assert all(
        torch.equal(a, b) for a, b in zip(first.backbone.parameters(), again.backbone.parameters(), strict=True)
    )
    told = tell(again, torch.zeros(2, 3, 64, 64, dtype=torch.uint8))
    assert told.pose.shape == (2, 120) and told.category.shape == (2, 5)


def test_weights_of_another_network_are_refused_by_their_name(tmp_path: Path) -> None:
    torch.save({"fc.weight": torch.zeros(2)}, tmp_path / "other.pth")
    with pytest.raises(BadInput, match=r"other\.pth: not torchvision's weights"):
        new_network(PosenetRecipe(network="resnet50", weights=str(tmp_path / "other.pth")))
