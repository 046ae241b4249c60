"""Cache entries survive the trip through plain arrays, and mean what the model means."""

from typing import Any

import pytest
import torch

from opendlign_core.clip import ClipSpec, load_clip
from opendlign_core.clip.spec import Dtype, Precision
from opendlign_core.samples import Meta, TokenEntry
from opendlign_core.training import (
    CacheEntries,
    DepthAlignedCLIP,
    DlignRecipe,
    Objects,
    build_entries,
    collect,
    decode_entries,
    embed_images,
    encode_entry,
)
from opendlign_core.training.depth_branch.cache import depth_pixels, prefix_of
from opendlign_core.training.depth_branch.learner import depth_views
from tests.training import tiny


def entries_of(dtype: Dtype = "float32", precision: Precision = "float32") -> CacheEntries:
    recipe = tiny.recipe(cache_dtype=dtype, precision=precision).cache_recipe()
    return build_entries(tiny.model(), tiny.objects(5), recipe, objects_per_forward=2)


def stored(entries: CacheEntries) -> list[TokenEntry]:
    """The entries as they come back from a shard."""
    named = (Meta(object_id=f"toys/{index}", source="toys", split="train") for index in range(len(entries.target)))
    samples = (encode_entry(entries, index, meta) for index, meta in enumerate(named))
    return [TokenEntry.read(sample.key, sample.fields()) for sample in samples]


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
def test_entries_survive_a_shard(dtype: Dtype) -> None:
    entries = entries_of(dtype)
    samples = stored(entries)
    for back in (decode_entries(samples), collect(samples, 5, chunk=2).data):
        for mine, theirs in zip(back, entries, strict=True):
            assert mine.dtype == theirs.dtype
            assert torch.equal(mine, theirs)


def test_collect_refuses_another_number_of_objects() -> None:
    samples = stored(entries_of())
    with pytest.raises(ValueError, match="5 of the 6 objects"):
        collect(samples, 6)
    with pytest.raises(ValueError, match="more than the 4 objects"):
        collect(samples, 4, chunk=2)


def test_entries_do_not_depend_on_their_neighbours() -> None:
    one = build_entries(
        tiny.model(), Objects(*(tensor[3:4] for tensor in tiny.objects(5))), tiny.recipe().cache_recipe()
    )
    for mine, theirs in zip(one, entries_of(), strict=True):
        torch.testing.assert_close(mine[0], theirs[3], atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize("cached", [True, False])
def test_a_process_without_objects_still_has_a_gradient(cached: bool) -> None:
    model, one = tiny.model(), tiny.objects(1)
    batch = build_entries(model, one, tiny.recipe().cache_recipe()) if cached else one
    none = type(batch)._make([tensor[:0] for tensor in batch])
    features, targets = depth_views(model, none, tiny.recipe())
    assert (features.shape, targets.shape) == ((0, 4, 24), (0, 24))
    torch.autograd.backward(features.sum())
    assert all(parameter.grad is not None and not parameter.grad.any() for parameter in model.trainable().values())


@pytest.mark.parametrize("blocks", [1, 2, 3])
def test_the_cached_form_equals_whole_blocks(blocks: int) -> None:
    """The absorbed CLS row against the plain evaluation of all tokens through open_clip's own blocks."""
    recipe = tiny.recipe(blocks=blocks).cache_recipe()
    model, objects = tiny.model(blocks), tiny.objects(2)
    torch.manual_seed(0)
    for parameter in model.depth_blocks.parameters():
        parameter.data.add_(0.05 * torch.randn_like(parameter))
    pixels = depth_pixels(model, objects, recipe.clip)
    cached = model.depth_features(prefix_of(build_entries(model, objects, recipe))).flatten(0, 1)
    whole = model._encode_all_tokens(pixels, "depth")
    torch.testing.assert_close(cached, whole, atol=2e-5, rtol=0)
    weight = torch.randn_like(whole)
    own = torch.autograd.grad((cached * weight).sum(), list(model.trainable().values()))
    reference = torch.autograd.grad((whole * weight).sum(), list(model.trainable().values()))
    for mine, theirs in zip(own, reference, strict=True):
        torch.testing.assert_close(mine, theirs, atol=2e-4, rtol=1e-4)
    base = model.encode_image(pixels, "base")
    torch.testing.assert_close(base, model.clip.encode_image(pixels), atol=2e-5, rtol=0)


def test_a_new_model_has_two_equal_branches() -> None:
    model = tiny.model()
    pixels = depth_pixels(model, tiny.objects(2), tiny.SPEC)
    base, depth = model.encode_both(pixels)
    torch.testing.assert_close(base, depth, atol=1e-5, rtol=0)


@pytest.mark.parametrize("precision", ["bfloat16", "tf32"])
def test_a_coarser_prefix_stays_close(precision: Precision) -> None:
    exact, coarse = entries_of(), entries_of("float32", precision)
    assert torch.nn.functional.cosine_similarity(exact.target, coarse.target).min() > 0.99
    assert torch.get_float32_matmul_precision() == "highest"


def pooling(**changes: Any) -> DepthAlignedCLIP:
    architecture = {**tiny.ARCHITECTURE, "vision_cfg": {**tiny.ARCHITECTURE["vision_cfg"], **changes}}
    return DepthAlignedCLIP(load_clip(ClipSpec(model="t", weights="random", architecture=architecture, image_size=16)))


def test_a_tower_that_averages_tokens_trains_plainly_but_not_from_a_cache() -> None:
    model = pooling(pool_type="avg")
    pixels = depth_pixels(model, tiny.objects(1), tiny.SPEC)
    torch.testing.assert_close(model.encode_image(pixels), model.clip.encode_image(pixels))
    torch.autograd.backward(model.encode_image(pixels, "depth").sum())
    assert model.trainable()["resblocks.0.attn.in_proj_weight"].grad is not None
    with pytest.raises(ValueError, match="trainer='plain'"):
        model.prefix(pixels)


def test_layer_scale_is_honoured() -> None:
    model = pooling(ls_init_value=0.3)
    pixels = depth_pixels(model, tiny.objects(1), tiny.SPEC)
    torch.testing.assert_close(model.encode_image(pixels), model.clip.encode_image(pixels), atol=1e-5, rtol=0)


def test_image_embeddings_of_objects() -> None:
    clip, images = load_clip(tiny.SPEC), tiny.objects(5).images[:3]
    found = embed_images(clip, images, DlignRecipe(clip=tiny.SPEC), views_per_forward=5)
    assert found.views.shape == (3, 4, 24)
    torch.testing.assert_close(found.views.norm(dim=-1), torch.ones(3, 4))
    torch.testing.assert_close(found.objects, entries_of().target[:3], atol=1e-5, rtol=0)
