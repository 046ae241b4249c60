"""Patches that see only themselves in the last blocks of an image tower.

Attention spreads what an image shows over all its patches: in the end the patch of a leg knows as much of the back as
the back's own. Where a block's attention is replaced by its value of the patch itself, as MaskCLIP (Zhou et al. 2022)
does in the last block, a patch keeps what is its own. Gradients pass.
"""

from typing import Any

from torch import Tensor
from torch.nn.functional import linear


def unmixed(block: Any, tokens: Tensor) -> Tensor:
    """A pre-norm block's output [N, L, D] for tokens [N, L, D] that attend to nothing but themselves."""
    weight, bias = block.attn.in_proj_weight, block.attn.in_proj_bias
    width = tokens.shape[-1]
    own = linear(block.ln_1(tokens), weight[2 * width :], bias[2 * width :])
    tokens = tokens + block.ls_1(block.attn.out_proj(own))
    output: Tensor = tokens + block.ls_2(block.mlp(block.ln_2(tokens)))
    return output


def image_and_patches(visual: Any, pixels: Tensor, blocks: int) -> tuple[Tensor, Tensor]:
    """Features [N, E] of images [N, 3, S, S] and [N, T, E] of their patches, unmixed in the last `blocks`.

    The images' are the tower's own; none are normalised. Patches that the tower drops in training are absent.
    """
    tokens = visual._embeds(pixels)
    layers = list(visual.transformer.resblocks)
    for block in layers[:-blocks]:
        tokens = block(tokens)
    patches = tokens[:, 1:]
    for block in layers[-blocks:]:
        tokens, patches = block(tokens), unmixed(block, patches)
    return visual._pool(tokens)[0] @ visual.proj, visual.ln_post(patches) @ visual.proj
