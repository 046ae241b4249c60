"""Finer tokens: of enlarged images, seen whole or in overlapping crops of the size that the tower was trained with."""

from collections.abc import Callable, Iterator

from torch import Tensor
from torch.nn.functional import interpolate

Encode = Callable[[Tensor], Tensor]
"""Images [N, 3, S, S] to tokens [N, G, G, E]."""


def cropped(encode: Encode, pixels: Tensor, times: int) -> Tensor:
    """Tokens [N, times * G, times * G, E] of images [N, 3, S, S] that are enlarged so many times and seen in crops.

    Crops overlap by half; where several show a patch their tokens are averaged.
    """
    side = pixels.shape[-1]
    large = interpolate(pixels, size=(times * side, times * side), mode="bilinear", align_corners=False)
    total, seen = None, None
    for top, left in _corners(side, times):
        tokens = encode(large[..., top : top + side, left : left + side])
        grid = tokens.shape[1]
        if total is None or seen is None:
            total = tokens.new_zeros(len(tokens), times * grid, times * grid, tokens.shape[-1])
            seen = tokens.new_zeros(times * grid, times * grid, 1)
        rows, columns = (slice(start * grid // side, start * grid // side + grid) for start in (top, left))
        total[:, rows, columns] += tokens
        seen[rows, columns] += 1
    assert total is not None and seen is not None
    return total / seen


def _corners(side: int, times: int) -> Iterator[tuple[int, int]]:
    starts = [step * side // 2 for step in range(2 * times - 1)]
    yield from ((top, left) for top in starts for left in starts)


def enlarged(encode: Encode, pixels: Tensor, times: int) -> Tensor:
    """Tokens of images [N, 3, S, S] enlarged so many times and seen whole, with interpolated positions."""
    side = times * pixels.shape[-1]
    return encode(interpolate(pixels, size=(side, side), mode="bilinear", align_corners=False))
