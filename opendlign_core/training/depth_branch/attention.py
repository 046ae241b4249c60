"""The CLS row of a pre-norm transformer block, without computing keys and values for every token.

Only the CLS row of the last block reaches the image feature. Folding its query through the key matrix turns `L`
key projections into one: with `r_h = W_k,h^T q_h / sqrt(d)` the scores are `N r_h` (the key bias adds the same to
every score and cancels), and the output is `W_v,h (N^T softmax) + b_v,h`. The result and every gradient are exact.
"""

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn


def cls_attention(attention: nn.MultiheadAttention, normed: Tensor) -> Tensor:
    """Attention output of token 0 over all tokens.

    Gradients go to the packed projections, so the key bias gets an exact zero (and still decays).

    Args:
        attention: a self-attention with packed projections.
        normed: normalised tokens [N, L, D]; float16 and bfloat16 are raised to the parameters' type.
    """
    weight, bias = attention.in_proj_weight, attention.in_proj_bias
    heads, depth = attention.num_heads, attention.head_dim
    normed = normed.to(weight.dtype)
    w_query, w_key, w_value = weight.view(3, heads, depth, -1).unbind(0)  # [H, d, D] each
    b_query, _, b_value = bias.view(3, heads, depth).unbind(0)  # [H, d] each
    query = torch.einsum("nk,hdk->nhd", normed[:, 0], w_query) + b_query
    folded = torch.einsum("nhd,hdk->nhk", query * depth**-0.5, w_key)  # [N, H, D]
    scores = torch.bmm(folded, normed.transpose(1, 2)).softmax(dim=-1)  # [N, H, L]
    context = torch.bmm(scores, normed)  # [N, H, D]
    values = torch.einsum("nhk,hdk->nhd", context, w_value) + b_value
    return nn.functional.linear(values.flatten(1), attention.out_proj.weight, attention.out_proj.bias)


def cls_row(block: Any, normed: Tensor, row: Tensor) -> Tensor:
    """Row 0 of `block`'s output, from its normalised input `normed` [N, L, D] and its raw row 0 `row` [N, D]."""
    row = row.to(block.ln_2.weight.dtype)
    row = row + block.ls_1(cls_attention(block.attn, normed))
    output: Tensor = row + block.ls_2(block.mlp(block.ln_2(row)))
    return output


def supports_cls_row(blocks: Iterable[Any]) -> bool:
    """Whether the blocks are plain pre-norm self-attention blocks with packed projections."""
    return all(
        isinstance(getattr(block, "attn", None), nn.MultiheadAttention)
        and block.attn.in_proj_weight is not None
        and not hasattr(block, "ln_attn")
        for block in blocks
    )
