"""What the last block of an image tower lets a patch look at.

A CLIP is trained through its class token, so its last block may spread what an image shows over all patches: in the
end the patch of a leg knows as much of the back as the back's own. Two published remedies need no training.
"""

from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import linear, scaled_dot_product_attention

from opendlign_core.clip.tokens.kinds import Attention


def last_block(block: Any, tokens: Tensor, attention: Attention = "plain") -> Tensor:
    """The output [N, L, D] of a pre-norm block for tokens [N, L, D] under one of the attentions; gradients pass."""
    if attention == "plain":
        whole: Tensor = block(tokens)
        return whole
    normed = block.ln_1(tokens)
    query, _, value = _projected(block.attn, normed)
    if attention == "self":
        return _joined(block.attn, scaled_dot_product_attention(query, query, value))
    tokens = tokens + block.ls_1(_joined(block.attn, value))
    mixed: Tensor = tokens + block.ls_2(block.mlp(block.ln_2(tokens)))
    return mixed


def _projected(attention: Any, normed: Tensor) -> tuple[Tensor, Tensor, Tensor]:  # each [N, H, L, D / H]
    packed = linear(normed, attention.in_proj_weight, attention.in_proj_bias)
    count, length, _ = packed.shape
    query, key, value = packed.view(count, length, 3, attention.num_heads, -1).permute(2, 0, 3, 1, 4)
    return query, key, value


def _joined(attention: Any, heads: Tensor) -> Tensor:
    output: Tensor = attention.out_proj(torch.flatten(heads.transpose(1, 2), 2))
    return output
