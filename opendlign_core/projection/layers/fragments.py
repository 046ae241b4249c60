"""The pixels that triangles cover, row by row: every span is found by exact division, not by trying pixels."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from opendlign_core.projection.layers.picking import picked, places
from opendlign_core.projection.layers.triangles import Triangles

AT_ONCE = 1 << 22
"""Fragments that are listed at once; each takes some fifty bytes while it is."""


@dataclass(frozen=True)
class Fragments:
    """Covered pixels, in the order in which their triangles are drawn."""

    pixel: Tensor  # [K] int64: (image * height + row) * width + column
    key: Tensor  # [K] int64: depth, then triangle


def fragments_of(triangles: Triangles, size: tuple[int, int]) -> Iterator[Fragments]:
    """Yield all fragments, no more than memory allows at a time."""
    spans = _spans(triangles, size)
    ends = spans.count.cumsum(0)
    total = int(ends[-1]) if len(ends) else 0
    if total <= AT_ONCE:
        yield spans.fragments()
        return
    part = torch.div(ends - 1, AT_ONCE, rounding_mode="floor")
    for number in range(int(part[-1]) + 1):
        yield spans.only(places(part == number)).fragments()


def key_of(depth: Tensor, triangle: Tensor) -> Tensor:
    """Order fragments by depth [K] in float32, then by triangle: int64."""
    bits = depth.float().view(torch.int32)
    return ((bits ^ ((bits >> 31) & 0x7FFFFFFF)).long() << 32) | triangle


def triangle_of(key: Tensor) -> Tensor:
    return key & 0xFFFFFFFF


@dataclass(frozen=True)
class _Spans:
    """Covered stretches of rows."""

    pixel: Tensor  # [S] int64 of the first
    count: Tensor  # [S] int64
    triangle: Tensor  # [S] int64
    depth: Tensor  # [S] float64 of the first
    slope: Tensor  # [S] of depth, a pixel

    def only(self, which: Tensor) -> "_Spans":
        return _Spans(
            *(picked(field, which) for field in (self.pixel, self.count, self.triangle, self.depth, self.slope))
        )

    def fragments(self) -> Fragments:
        """The pixels of the spans that are not beyond the far plane."""
        span, step = _spread(self.count)
        depth = picked(self.depth, span) + picked(self.slope, span) * step
        key = key_of(depth, picked(self.triangle, span))
        pixel = picked(self.pixel, span) + step
        if bool((depth > 1).any()):
            near = places(depth <= 1)
            return Fragments(picked(pixel, near), picked(key, near))
        return Fragments(pixel, key)


def _spans(triangles: Triangles, size: tuple[int, int]) -> _Spans:
    height, width = size
    triangle, step = _spread(triangles.last[0] - triangles.first[0] + 1)
    row = picked(triangles.first[0], triangle) + step
    first, last = _reach(triangles, triangle, row)
    kept = places(first <= last)
    triangle, row, first, last = (picked(of_rows, kept) for of_rows in (triangle, row, first, last))
    across, down, base = picked(triangles.depth, triangle)
    start = base + down * row
    limits = picked(triangles.nearest, triangle), picked(triangles.farthest, triangle)
    near, far = ((start + across * column).clamp(*limits) for column in (first, last))
    return _Spans(
        pixel=(picked(triangles.image, triangle) * height + row) * width + first.long(),
        count=(last - first).long() + 1,
        triangle=triangle,
        depth=near,
        slope=(far - near) / (last - first).clamp(min=1),
    )


def _reach(triangles: Triangles, triangle: Tensor, row: Tensor) -> tuple[Tensor, Tensor]:
    """The first and the last column [R] that triangles cover in a row; the first lies behind where there is none."""
    first, last = (picked(box[1], triangle).double() for box in (triangles.first, triangles.last))
    cover = triangles.cover
    floor = cover.base - (~cover.owned).double()  # at least 0 inside: values are whole
    for across, down, base in zip(cover.across, cover.down, floor, strict=True):
        slope, here = picked(across, triangle), picked(down, triangle) * row + picked(base, triangle)
        bound = -here / slope
        first = torch.where(slope > 0, torch.maximum(first, bound.ceil()), first)
        last = torch.where(slope < 0, torch.minimum(last, bound.floor()), last)
        last = torch.where((slope == 0) & (here < 0), -1.0, last)
    return first, last


def _spread(count: Tensor) -> tuple[Tensor, Tensor]:
    """Every place as often as `count` [K] says, and the number of the repetition."""
    place = torch.repeat_interleave(torch.arange(len(count), device=count.device), count)
    start = count.cumsum(0) - count
    return place, torch.arange(len(place), device=count.device) - picked(start, place)
