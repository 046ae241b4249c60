"""Published checkpoints become models that evaluation and the console take, and trained models become checkpoints."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from opendlign.models import find_trained
from opendlign.weights import train_recipe
from opendlign_core.clip import ClipSpec, load_clip
from opendlign_core.evaluation import EvalSample, classify
from opendlign_core.training import DepthAlignedCLIP, TrainRecipe, read_official
from opendlign_core.training.depth_branch.published import official_state_dict
from storage.errors import MissingOutput
from storage.store import Store
from storage.upkeep import verify_store
from tasks.train import load_trained
from tasks.weights import export_weights, import_weights
from tests.tasks.aligned import CLIP, SIZE, recipe


@pytest.fixture
def published(tmp_path: Path) -> Path:
    """A checkpoint in the published form whose CLIP is not the one its recipe would draw."""
    clip = load_clip(CLIP.model_copy(update={"seed": 77}))
    model = DepthAlignedCLIP(clip)
    with torch.no_grad():
        for parameter in model.trainable().values():
            parameter.add_(torch.randn_like(parameter))
    path = tmp_path / "checkpoint_9.pth"
    torch.save({"epoch": 9, "model_state_dict": official_state_dict(model)}, path)
    return path


def test_an_imported_model_encodes_as_the_checkpoint_does(store: Store, published: Path) -> None:
    manifest = import_weights(store, published, recipe())
    assert import_weights(store, published, recipe()).fingerprint == manifest.fingerprint
    assert manifest.summary == {"epochs": 10}
    assert verify_store(store).sound
    model = load_trained(store, manifest, "cpu")
    expected = read_official(published)
    clip = load_clip(CLIP)
    clip.load_state_dict(expected.clip)
    aligned = DepthAlignedCLIP(clip)
    aligned.depth_blocks.load_state_dict({n.removeprefix("resblocks."): t for n, t in expected.depth.items()})
    pixels = torch.randn(3, 3, SIZE, SIZE)
    with torch.inference_mode():
        for branch in ("base", "depth"):
            assert torch.equal(model.encoder.encode_image(pixels, branch), aligned.encode_image(pixels, branch))
    depth = np.random.default_rng(0).random((10, SIZE, SIZE), dtype=np.float32)
    found = next(classify(model, [EvalSample("toy", None, depth)], ["chair", "table"]))
    assert found.probabilities.sum() == pytest.approx(1)


def test_import_and_export_are_inverse(store: Store, published: Path, tmp_path: Path) -> None:
    manifest = import_weights(store, published, recipe())
    export_weights(store, manifest, tmp_path / "exported.pth")
    before, after = read_official(published), read_official(tmp_path / "exported.pth")
    assert after.epoch == before.epoch
    for mine, theirs in ((before.clip, after.clip), (before.depth, after.depth)):
        assert mine.keys() == theirs.keys()
        assert all(torch.equal(mine[name], theirs[name]) for name in mine)


def test_a_checkpoint_that_trained_more_than_attention_keeps_it(store: Store, published: Path) -> None:
    content = torch.load(published, weights_only=True)
    name = "clip_model.visual.transformer.depth_control_visual.resblocks.0.mlp.c_fc.bias"
    content["model_state_dict"][name] = content["model_state_dict"][name] + 1
    torch.save(content, published)
    encoder = load_trained(store, import_weights(store, published, recipe()), "cpu").encoder
    assert isinstance(encoder, DepthAlignedCLIP)
    assert torch.equal(encoder.depth_blocks[0].mlp.c_fc.bias, content["model_state_dict"][name])


def test_a_checkpoint_of_another_model_is_refused_by_name(store: Store, published: Path) -> None:
    with pytest.raises(ValueError, match="does not fit tiny with 2 block"):
        import_weights(store, published, recipe(blocks=2))


def test_a_legacy_checkpoint_becomes_a_model(store: Store, golden_files: Callable[[str], list[Path]]) -> None:
    path = golden_files("opendlign/legacy_style_checkpoint.pth")[0]
    architecture = {
        "embed_dim": 24,
        "vision_cfg": {"image_size": 32, "patch_size": 8, "width": 32, "layers": 2, "head_width": 16},
        "text_cfg": {"context_length": 77, "vocab_size": 64, "width": 32, "heads": 2, "layers": 2},
    }
    legacy = ClipSpec(model="legacy", weights="random", image_size=32, architecture=architecture)
    manifest = import_weights(store, path, recipe(clip=legacy))
    assert manifest.summary == {"epochs": 10}
    encoder = load_trained(store, manifest, "cpu").encoder
    assert isinstance(encoder, DepthAlignedCLIP)
    attention = encoder.branch_state()["resblocks.0.attn.in_proj_weight"].double()
    assert attention.sum().item() == pytest.approx(-0.9346673413965618)
    pixels = torch.randn(2, 3, 32, 32)
    with torch.inference_mode():
        base, depth = encoder.encode_both(pixels)
    assert not torch.equal(base, depth)


def test_models_are_found_by_the_beginning_of_their_fingerprint(store: Store, published: Path) -> None:
    manifest = import_weights(store, published, recipe())
    assert find_trained(store, manifest.fingerprint[:6]) == manifest
    assert find_trained(store, manifest.folder) == manifest
    with pytest.raises(MissingOutput, match="--model ffffff: 0 trained models"):
        find_trained(store, "ffffff")


def test_recipes_are_named_by_published_variant_or_preset() -> None:
    assert train_recipe("ViT-H-14-quickgelu") == TrainRecipe.official("ViT-H-14-quickgelu")
    assert train_recipe("vit-b-32").clip.model == "ViT-B-32"
    with pytest.raises(ValueError, match="unknown model 'ViT-Z'"):
        train_recipe("ViT-Z")
