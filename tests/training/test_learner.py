"""What the depth branch learns from, to the last digit: temperature, weights of losses, and what is not finite."""

import math
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from opendlign_core.clip import ClipSpec, load_clip, unit
from opendlign_core.errors import BadInput
from opendlign_core.loop import Diverged, InMemory
from opendlign_core.training import (
    CacheEntries,
    CacheRecipe,
    DepthAlignedCLIP,
    DepthBranchLearner,
    DlignRecipe,
    Objects,
    TrainRecipe,
    Validation,
    build_entries,
    embed_images,
    import_official,
    load_aligned,
    read_branch,
    read_official,
    train,
    write_official,
)
from opendlign_core.training.depth_branch.losses import alignment
from opendlign_core.training.depth_branch.validation import Features, zero_shot_metrics, zero_shot_scores
from storage.fingerprint import canonical
from tests.training import tiny
from tests.training.stepper import Stepper


def entries(count: int = 10) -> CacheEntries:
    return build_entries(tiny.model(), tiny.objects(count), tiny.recipe().cache_recipe())


@pytest.fixture
def threads() -> Iterator[Callable[[int], None]]:
    before = torch.get_num_threads()
    yield torch.set_num_threads
    torch.set_num_threads(before)


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_repeatable_entries_have_the_same_bytes_whatever_the_batch_and_the_threads(
    precision: str, threads: Callable[[int], None]
) -> None:
    spec = ClipSpec.packaged("mini")
    recipe = CacheRecipe(clip=spec, precision=precision, repeatable=True)
    model, size = DepthAlignedCLIP(load_clip(spec)), spec.image_size
    generator = torch.Generator().manual_seed(0)
    depth = torch.rand((9, 10, size, size), generator=generator)
    objects = Objects(depth, (255 * depth).to(torch.uint8)[..., None].expand(-1, -1, -1, -1, 3))
    threads(2)
    expected = build_entries(model, objects, recipe, 8)
    for count, batch, chosen in ((1, 3, slice(0, 9)), (2, 1, slice(2, 5)), (4, 16, slice(8, 9))):
        threads(count)
        picked = Objects(*(tensor[chosen] for tensor in objects))
        for mine, theirs in zip(build_entries(model, picked, recipe, batch), expected, strict=True):
            assert torch.equal(mine, theirs[chosen])
        assert torch.get_num_threads() == count
    plain = build_entries(model, objects, recipe.model_copy(update={"repeatable": False}), 8)
    tolerance = 2e-6 if precision == "float32" else 0.1
    assert all((mine - theirs).abs().max() < tolerance for mine, theirs in zip(plain, expected, strict=True))


def test_repeatable_embeddings_have_the_same_bytes_whatever_the_batch_and_the_threads(
    threads: Callable[[int], None],
) -> None:
    recipe = DlignRecipe(clip=ClipSpec.packaged("mini"), repeatable=True)
    clip = load_clip(recipe.clip)
    images = torch.randint(0, 256, (5, 10, 64, 64, 3), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    threads(2)
    expected = embed_images(clip, images, recipe, 50)
    for count, views in ((1, 10), (4, 7)):
        threads(count)
        assert torch.equal(embed_images(clip, images[1:4], recipe, views).views, expected.views[1:4])


def test_a_repeatable_recipe_is_another_one_and_the_others_keep_their_names() -> None:
    assert canonical(TrainRecipe(repeatable=True))["repeatable"] is True
    assert TrainRecipe(repeatable=True).cache_recipe().repeatable
    for recipe in (TrainRecipe(), CacheRecipe(), DlignRecipe()):
        assert "repeatable" not in canonical(recipe)


def test_a_learning_rate_that_is_far_too_high_stops_the_run(tmp_path: Path) -> None:
    recipe = tiny.recipe(peak_lr=1e30, epochs=12)
    with pytest.raises(Diverged, match=r"step \d+ of 36 .*learning rate of .*lower train\.peak_lr"):
        train(InMemory(entries()), recipe, tiny.CPU, tmp_path)
    assert not (tmp_path / "weights.safetensors").exists()
    for weights in tmp_path.glob("checkpoints/*/weights.safetensors"):
        assert all(torch.isfinite(tensor).all() for tensor in read_branch(weights).tensors.values())


def test_a_tower_whose_features_are_not_finite_is_named() -> None:
    model = tiny.model()
    model.clip.visual.conv1.weight.data[0] = torch.nan
    with pytest.raises(BadInput, match="tower of tiny gives tokens and rows and target that are not finite"):
        build_entries(model, tiny.objects(2), tiny.recipe().cache_recipe())
    loud = tiny.model()
    loud.depth_blocks[0].ln_1.weight.data.fill_(1e5)
    with pytest.raises(BadInput, match="gives tokens that are not finite, at precision float32 kept as float16"):
        build_entries(loud, tiny.objects(2), tiny.recipe(cache_dtype="float16").cache_recipe())


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, DepthBranchLearner]:
    """A run with a learned temperature, and the learner at its end."""
    folder = tmp_path_factory.mktemp("run")
    recipe = tiny.recipe(temperature="learned", peak_lr=1e-2)
    path = train(InMemory(entries()), recipe, tiny.CPU, folder).weights
    learner = DepthBranchLearner(tiny.model(), recipe)
    learner.load_tensors(read_branch(path).tensors)
    return path, learner


def test_a_learned_temperature_survives_saving_loading_and_exporting(
    trained: tuple[Path, DepthBranchLearner], tmp_path: Path
) -> None:
    path, learner = trained
    learned = read_branch(path).tensors["logit_scale"]
    assert learned != tiny.model().clip.logit_scale
    loaded = load_aligned(path)
    assert torch.equal(loaded.clip.logit_scale.detach(), learned)
    write_official(tmp_path / "official.pth", DepthBranchLearner(loaded, learner.recipe), 9, 9, 2)
    checkpoint = read_official(tmp_path / "official.pth")
    assert torch.equal(checkpoint.clip["logit_scale"], learned)
    clip, branch = tmp_path / "clip.safetensors", tmp_path / "branch.safetensors"
    import_official(checkpoint, learner.recipe, clip, branch)
    assert torch.equal(load_aligned(branch, clip_weights=clip).clip.logit_scale, learned)


def test_exporting_in_mid_training_writes_the_temperature_of_that_moment(
    trained: tuple[Path, DepthBranchLearner], tmp_path: Path
) -> None:
    _, learner = trained
    write_official(tmp_path / "official.pth", learner, 9, 9, 2)
    assert torch.equal(read_official(tmp_path / "official.pth").clip["logit_scale"], learner.log_scale.detach())


def test_a_frozen_temperature_stays_and_a_learned_one_stays_below_its_bound() -> None:
    for temperature, expected in (("frozen", 9.0), ("learned", math.log(100))):
        model = tiny.model()
        model.clip.logit_scale.data.fill_(9.0)
        stepper = Stepper(model, tiny.recipe(temperature=temperature), 3)
        stepper.step(entries(4), 4)
        assert stepper.learner.log_scale.item() == pytest.approx(expected, abs=1e-4)


def test_the_loss_is_the_weighted_sum_of_its_parts() -> None:
    depth, image = torch.eye(3), torch.eye(3).roll(1, 0)
    for contrastive, distance in ((1.0, 1.0), (1.0, 0.0), (0.0, 2.5), (0.25, 4.0)):
        recipe = tiny.recipe(contrastive_weight=contrastive, distance_weight=distance)
        found = alignment(depth, image, torch.tensor(1.0), recipe)
        assert found.distance.item() == pytest.approx(2 / 3)
        assert found.total.item() == pytest.approx(contrastive * found.contrastive.item() + distance * 2 / 3)


def test_features_that_are_no_numbers_name_no_class_and_find_no_image() -> None:
    """Else the first of all would be the best for every object, and all objects of that class named rightly."""
    views = torch.full((6, 4, 8), torch.nan)
    validation = Validation(InMemory(entries()), np.zeros(6, np.int64), torch.eye(8)[:3])
    found = zero_shot_metrics(Features(views, views, views[:, 0]), validation)
    assert all(map(math.isnan, found.values()))


def test_zero_shot_takes_the_first_half_of_the_views_from_the_frozen_tower() -> None:
    generator = torch.Generator().manual_seed(0)
    base, depth = (torch.randn(60, 6, 8, generator=generator) for _ in range(2))
    classes = unit(torch.randn(5, 8, generator=generator))
    mixed = torch.cat([base[:, :3], depth[:, 3:]], dim=1)
    ways = {"zero_shot": mixed, "base_zero_shot": base, "depth_zero_shot": depth}
    for name, views in ways.items():
        labels = zero_shot_scores(views, classes).argmax(dim=1).numpy()
        validation = Validation(InMemory(entries()), labels, classes)
        found = zero_shot_metrics(Features(base, depth, base[:, 0]), validation)
        assert found[name] == 1.0
        assert all(found[other] < 0.9 for other in ways if other != name)
    unknown = Validation(InMemory(entries()), np.where(np.arange(60) < 30, labels, -1), classes)
    assert zero_shot_metrics(Features(base, depth, base[:, 0]), unknown)["depth_zero_shot"] == 1.0
