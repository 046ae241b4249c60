"""Tokens of patches: those of the tower itself, in their true places, at other sizes and under other attentions."""

from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d, interpolate

from opendlign_core.clip import ClipSpec, load_clip
from opendlign_core.clip.tokens import (
    ATTENTIONS,
    Attention,
    block_outputs,
    cropped,
    enlarged,
    last_block,
    patch_tokens,
)
from opendlign_core.errors import BadInput
from opendlign_core.recipe import FrozenMapping
from tests.training import tiny

WIDTH = tiny.ARCHITECTURE["vision_cfg"]["width"]


@pytest.fixture(scope="module")
def clip() -> Any:
    return load_clip(tiny.SPEC)


@pytest.fixture(scope="module")
def pixels() -> Tensor:
    return torch.randn(3, 3, tiny.SPEC.image_size, tiny.SPEC.image_size, generator=torch.Generator().manual_seed(0))


def raw_outputs(clip: Any, pixels: Tensor) -> list[Tensor]:
    """What the blocks themselves put out while open_clip encodes."""
    kept: list[Tensor] = []
    hooks = [
        block.register_forward_hook(lambda _, __, output: kept.append(output))
        for block in clip.visual.transformer.resblocks
    ]
    clip.encode_image(pixels)
    for hook in hooks:
        hook.remove()
    return kept


def test_block_outputs_are_the_blocks_own(clip: Any, pixels: Tensor) -> None:
    whole = raw_outputs(clip, pixels)
    found = block_outputs(clip, pixels, [-1, 0])
    torch.testing.assert_close(found, [whole[-1], whole[0]])
    with pytest.raises(BadInput, match=f"has {len(whole)} blocks, none numbered {len(whole)}"):
        block_outputs(clip, pixels, [0, len(whole)])


def test_plain_tokens_pass_the_norm_and_the_projection_of_the_class_token(clip: Any, pixels: Tensor) -> None:
    visual, (last,) = clip.visual, block_outputs(clip, pixels, [-1])
    everything = visual.ln_post(last) @ visual.proj
    torch.testing.assert_close(everything[:, 0], clip.encode_image(pixels))
    torch.testing.assert_close(patch_tokens(clip, pixels).flatten(1, 2), everything[:, 1:])


@pytest.mark.parametrize("attention", ATTENTIONS)
def test_a_token_stands_where_its_patch_is(attention: Any) -> None:
    clip = load_clip(ClipSpec.packaged("mini"))
    plain = torch.zeros(1, 3, 64, 64)
    marked = plain.clone()
    marked[..., 16:24, 40:48] = 3.0
    moved = (patch_tokens(clip, marked, attention) - patch_tokens(clip, plain, attention)).norm(dim=-1)[0]
    assert divmod(int(moved.argmax()), 8) == (2, 5)


def test_a_patch_of_value_attention_sees_itself_alone(clip: Any) -> None:
    block = clip.visual.transformer.resblocks[-1]
    tokens = torch.randn(1, 5, WIDTH, generator=torch.Generator().manual_seed(1))
    other = tokens.clone()
    other[:, 3] *= -1.0
    expected: tuple[tuple[Attention, bool], ...] = (("value", True), ("self", False), ("plain", False))
    for attention, alone in expected:
        same = torch.isclose(last_block(block, tokens, attention), last_block(block, other, attention)).all(-1)[0]
        assert bool(same[[0, 1, 2, 4]].all()) == alone, attention
        assert not same[3]


def test_query_query_attention_is_the_heads_own(clip: Any) -> None:
    block = clip.visual.transformer.resblocks[-1]
    tokens = torch.randn(2, 5, WIDTH, generator=torch.Generator().manual_seed(2))
    weight, bias = block.attn.in_proj_weight, block.attn.in_proj_bias
    query, _, value = (block.ln_1(tokens) @ weight.T + bias).chunk(3, dim=-1)
    heads = block.attn.num_heads
    parts = []
    for q, v in zip(query.chunk(heads, -1), value.chunk(heads, -1), strict=True):
        share = (q @ q.transpose(1, 2) / q.shape[-1] ** 0.5).softmax(-1)
        parts.append(share @ v)
    torch.testing.assert_close(last_block(block, tokens, "self"), block.attn.out_proj(torch.cat(parts, -1)))


def test_larger_images_are_seen_with_interpolated_positions() -> None:
    clip = load_clip(ClipSpec.packaged("mini"))
    small = torch.zeros(1, 3, 64, 64)
    small[..., 16:24, 40:48] = 3.0
    flat = torch.zeros(1, 3, 64, 64)

    def encode(pixels: Tensor) -> Tensor:
        return patch_tokens(clip, pixels, "value")

    for finer in (
        enlarged(encode, small, 2) - enlarged(encode, flat, 2),
        cropped(encode, small, 2) - cropped(encode, flat, 2),
    ):
        assert finer.shape == (1, 16, 16, 64)
        row, column = divmod(int(finer.norm(dim=-1)[0].argmax()), 16)
        assert row in (4, 5) and column in (10, 11)


def test_a_crop_of_the_whole_is_the_whole(clip: Any, pixels: Tensor) -> None:
    torch.testing.assert_close(cropped(lambda given: patch_tokens(clip, given), pixels, 1), patch_tokens(clip, pixels))


@pytest.mark.parametrize("grid", [4, 7])
@pytest.mark.parametrize("times", [1, 2, 3])
def test_crops_put_every_token_where_its_patch_is(grid: int, times: int) -> None:
    side = 2 * grid
    ramp = torch.linspace(0, 1, side)
    pixels = torch.stack([ramp[:, None].expand(side, side), ramp.expand(side, side), torch.zeros(side, side)])[None]

    def encode(given: Tensor) -> Tensor:  # the mean of every patch
        return avg_pool2d(given, 2).movedim(1, -1)

    whole = interpolate(pixels, size=(times * side, times * side), mode="bilinear", align_corners=False)
    torch.testing.assert_close(cropped(encode, pixels, times), encode(whole))


def test_what_cannot_be_seen_is_refused(clip: Any) -> None:
    with pytest.raises(BadInput, match="do not divide images of 17 x 16"):
        patch_tokens(clip, torch.zeros(1, 3, 17, 16))
    with pytest.raises(BadInput, match="open_clip's own ViT"):
        patch_tokens(torch.nn.Linear(1, 1), torch.zeros(1, 3, 16, 16))
    vision = tiny.ARCHITECTURE["vision_cfg"] | {"attentional_pool": True}
    pooling = tiny.SPEC.model_copy(update={"architecture": FrozenMapping(tiny.ARCHITECTURE | {"vision_cfg": vision})})
    with pytest.raises(BadInput, match="pools by attention"):
        patch_tokens(load_clip(pooling), torch.zeros(1, 3, 16, 16))


@pytest.mark.parametrize("blocks", [1, 2])
def test_a_branch_that_was_not_trained_has_the_tower_s_tokens(blocks: int, pixels: Tensor) -> None:
    model = tiny.model(blocks)
    for attention in ATTENTIONS:
        whole = patch_tokens(model.clip, pixels, attention)
        torch.testing.assert_close(model.patch_tokens(pixels, "base", attention), whole)
        torch.testing.assert_close(model.patch_tokens(pixels, "depth", attention), whole)


@pytest.mark.parametrize("blocks", [1, 2])
def test_the_depth_branch_blends_its_own_blocks_with_the_frozen_ones(blocks: int, pixels: Tensor) -> None:
    model = tiny.model(blocks)
    with torch.no_grad():
        for parameter in model.trainable().values():
            parameter.add_(0.3)
    entering = block_outputs(model.clip, pixels, [-1 - blocks])[0]
    own = entering
    for block in model.depth_blocks:
        own = block(own)
    mixed = model.blend * own + (1 - model.blend) * block_outputs(model.clip, pixels, [-1])[0]
    visual = model.clip.visual
    expected = (visual.ln_post(mixed) @ visual.proj)[:, 1:]
    torch.testing.assert_close(model.patch_tokens(pixels, "depth").flatten(1, 2), expected)
    assert not torch.allclose(model.patch_tokens(pixels, "depth"), model.patch_tokens(pixels, "base"), atol=1e-3)
