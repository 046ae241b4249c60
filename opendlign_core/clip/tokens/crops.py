"""Finer tokens: of enlarged images, seen whole or in overlapping crops of the size that the tower was trained with."""

from collections.abc import Callable
from itertools import product

from torch import Tensor
from torch.nn.functional import interpolate

Encode = Callable[[Tensor], Tensor]
"""Images [N, 3, S, S] to tokens [N, G, G, E]."""


def cropped(encode: Encode, pixels: Tensor, times: int) -> Tensor:
    """Tokens [N, times * G, times * G, E] of images [N, 3, S, S] that are enlarged so many times and seen in crops.

    Crops begin with a patch and overlap by half, or by the next larger number of patches; where several show a patch
    their tokens are averaged.
    """
    side = pixels.shape[-1]
    large = interpolate(pixels, size=(times * side, times * side), mode="bilinear", align_corners=False)
    first = encode(large[..., :side, :side])
    grid = first.shape[1]
    total = first.new_zeros(len(first), times * grid, times * grid, first.shape[-1])
    seen = first.new_zeros(times * grid, times * grid, 1)
    for row, column in product(_starts(grid, times), repeat=2):
        top, left = (at * side // grid for at in (row, column))
        tokens = encode(large[..., top : top + side, left : left + side]) if row or column else first
        total[:, row : row + grid, column : column + grid] += tokens
        seen[row : row + grid, column : column + grid] += 1
    return total / seen


def _starts(grid: int, times: int) -> list[int]:
    """Patches that crops begin with, along one side."""
    last = (times - 1) * grid
    return [*range(0, last, max(1, grid // 2)), last]


def enlarged(encode: Encode, pixels: Tensor, times: int) -> Tensor:
    """Tokens of images [N, 3, S, S] enlarged so many times and seen whole, with interpolated positions."""
    side = times * pixels.shape[-1]
    return encode(interpolate(pixels, size=(side, side), mode="bilinear", align_corners=False))
