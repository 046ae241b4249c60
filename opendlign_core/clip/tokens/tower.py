"""A ViT's tokens on the way through its tower, in images of any size that its patches divide."""

from collections.abc import Iterable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from opendlign_core.clip.load import OpenClip
from opendlign_core.clip.tokens.attention import last_block
from opendlign_core.clip.tokens.kinds import Attention
from opendlign_core.errors import BadInput


def patch_tokens(clip: OpenClip, pixels: Tensor, attention: Attention = "plain", blocks: int = 1) -> Tensor:
    """Tokens [N, R, C, E] of the patches of images [N, 3, H, W], projected like the class token; not normalised.

    Token [n, r, c] belongs to the patch in row r and column c. Images of another size than the tower's are taken with
    interpolated positions. The last `blocks` blocks are run with the attention, those before them as they are.

    >>> from opendlign_core.clip import ClipSpec, load_clip
    >>> clip = load_clip(ClipSpec.packaged("mini"))
    >>> patch_tokens(clip, torch.zeros(2, 3, 64, 64)).shape
    torch.Size([2, 8, 8, 64])

    Raises:
        BadInput: the image tower is no ViT of open_clip, or its patches do not divide the image.
    """
    visual = require_vit(clip)
    layers = list(visual.transformer.resblocks)
    tokens = through(layers, embedded(visual, pixels), attentions(len(layers), attention, blocks))
    return projected(visual, tokens, pixels.shape[-2:])


def block_outputs(clip: OpenClip, pixels: Tensor, blocks: Sequence[int]) -> list[Tensor]:
    """Raw outputs [N, 1 + R * C, D] of some blocks, class token first; blocks count from 0, or from the end below it.

    Raises:
        BadInput: like `patch_tokens`, and for a block that the tower does not have.
    """
    visual = require_vit(clip)
    layers = list(visual.transformer.resblocks)
    if wrong := [block for block in blocks if not -len(layers) <= block < len(layers)]:
        raise BadInput(f"the tower has {len(layers)} blocks, none numbered {wrong[0]}")
    wanted = {block % len(layers) for block in blocks}
    tokens, kept = embedded(visual, pixels), {}
    for number, block in enumerate(layers[: max(wanted) + 1]):
        tokens = block(tokens)
        if number in wanted:
            kept[number] = tokens
    return [kept[block % len(layers)] for block in blocks]


def require_vit(clip: OpenClip) -> Any:
    """The image tower; raises `BadInput` where it is no ViT of open_clip's own, or pools by attention."""
    visual: Any = getattr(clip, "visual", None)
    if not hasattr(visual, "positional_embedding") or not hasattr(getattr(visual, "transformer", None), "resblocks"):
        raise BadInput("tokens of patches need an open_clip model whose image tower is open_clip's own ViT")
    if visual.attn_pool is not None:
        raise BadInput("this image tower pools by attention, which leaves its patches no tokens in the space of texts")
    return visual


def embedded(visual: Any, pixels: Tensor) -> Tensor:
    """Tokens [N, 1 + R * C, D] that enter the first block for images [N, 3, H, W]."""
    rows, columns = _grid(visual, pixels.shape[-2:])
    patches = visual.conv1(pixels).flatten(2).transpose(1, 2)
    first = visual.class_embedding.to(patches.dtype).expand(len(patches), 1, -1)
    tokens = torch.cat([first, patches], dim=1) + _positions(visual, rows, columns).to(patches.dtype)
    output: Tensor = visual.ln_pre(visual.patch_dropout(tokens))
    return output


def attentions(layers: int, attention: Attention, blocks: int) -> list[Attention]:
    """The attention of every block of a tower of so many, where the last `blocks` have one of their own.

    Raises:
        BadInput: there are not so many blocks.
    """
    if not 1 <= blocks <= layers:
        raise BadInput(f"attention {attention!r} in the last {blocks} blocks: the tower has 1 to {layers} of them")
    return [attention if layer >= layers - blocks else "plain" for layer in range(layers)]


def through(blocks: Iterable[Any], tokens: Tensor, kinds: Sequence[Attention]) -> Tensor:
    """Tokens after some blocks, each with its attention."""
    for block, kind in zip(blocks, kinds, strict=True):
        tokens = last_block(block, tokens, kind)
    return tokens


def projected(visual: Any, tokens: Tensor, size: Sequence[int]) -> Tensor:
    """Patch tokens [N, R, C, E] in the space of texts, of tokens [N, 1 + R * C, D] that left the last block."""
    rows, columns = _grid(visual, size)
    patches = visual.ln_post(tokens[:, 1:])
    output: Tensor = patches if visual.proj is None else patches @ visual.proj
    return output.view(len(output), rows, columns, -1)


def _grid(visual: Any, size: Sequence[int]) -> tuple[int, int]:
    (height, width), (tall, wide) = visual.patch_size, size
    if tall % height or wide % width or not tall or not wide:
        raise BadInput(f"patches of {height} x {width} pixels do not divide images of {tall} x {wide}")
    return tall // height, wide // width


def _positions(visual: Any, rows: int, columns: int) -> Tensor:  # [1 + rows * columns, D]
    positions: Tensor = visual.positional_embedding
    if (rows, columns) == tuple(visual.grid_size):
        return positions
    grid = positions[1:].view(*visual.grid_size, -1).permute(2, 0, 1)[None]
    finer = interpolate(grid, size=(rows, columns), mode="bicubic", align_corners=False)
    return torch.cat([positions[:1], finer[0].permute(1, 2, 0).flatten(0, 1)])
