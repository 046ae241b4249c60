"""The CUDA engine: every view's reachable grid is splatted, densified, smoothed and squeezed by four small kernels.

Cells come from the shared torch code, so both backends put every point into the same cell. The grid of a view is
a box (slices, rows, columns), flat, with an empty margin at the start of every axis; as in the torch backend
windows look forward, and a shift along an axis is a constant step. Boxes are chunked, so that scratch memory does
not grow with the batch.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
import triton
import triton.language as tl
from torch import Tensor
from triton.runtime.interpreter import InterpretedFunction

from opendlign_core.projection.grid import Cells, cell_range
from opendlign_core.projection.recipe import Bilateral, Gaussian, ProjectionRecipe, WindowMax

SCRATCH_BYTES = 1 << 28
"""Bytes of one of the two scratch grids."""

_BLOCK = 1024
_MOST_VIEWS = 65_535  # CUDA's limit on the second axis of a launch
OPTIONS = {"enable_fp_fusion": False}
"""Products and sums are rounded one by one, as in the torch backend."""


@triton.jit  # type: ignore[untyped-decorator]
def splat_kernel(
    index: tl.tensor, depth: tl.tensor, grid: tl.tensor, points: tl.tensor, cells: tl.tensor, block: tl.constexpr
) -> None:
    """Raise grid cells to the depth bits of the points in them; positive floats order like their bits."""
    view = tl.program_id(1)
    point = tl.program_id(0) * block + tl.arange(0, block)
    mask = point < points
    place = tl.load(index + view * points + point, mask=mask, other=0)
    bits = tl.load(depth + view * points + point, mask=mask, other=0)
    tl.atomic_max(grid + view * cells + place, bits, mask=mask)


@triton.jit  # type: ignore[untyped-decorator]
def window_kernel(
    source: tl.tensor, target: tl.tensor, length: tl.tensor, step: tl.tensor, window: tl.constexpr, block: tl.constexpr
) -> None:
    """Write the maximum of `window` cells `step` apart, looking forward."""
    place = tl.program_id(0) * block + tl.arange(0, block)
    best = tl.load(source + place, mask=place < length, other=0.0)
    for offset in range(1, window):
        other = place + offset * step
        best = tl.maximum(best, tl.load(source + other, mask=other < length, other=0.0))
    tl.store(target + place, best, mask=place < length)


@triton.jit  # type: ignore[untyped-decorator]
def squeeze_kernel(
    dense: tl.tensor,
    offsets: tl.tensor,
    weights: tl.tensor,
    squeezed: tl.tensor,
    nearest: tl.tensor,
    length: tl.tensor,
    plane: tl.tensor,
    centre: tl.tensor,
    scale: tl.tensor,
    slices: tl.constexpr,
    taps: tl.constexpr,
    bilateral: tl.constexpr,
    block: tl.constexpr,
) -> None:
    """Write the maximum over slices of the smoothed grid, and each view's overall maximum (as bits).

    `weights` are factors for a Gaussian, logarithms for a bilateral filter.
    """
    view = tl.program_id(1)
    pixel = tl.program_id(0) * block + tl.arange(0, block)
    best = tl.zeros([block], dtype=tl.float32)
    for layer in range(slices):
        place = (view * slices + layer) * plane + pixel
        middle = tl.load(dense + place + centre, mask=(pixel < plane) & (place + centre < length), other=0.0)
        total = tl.zeros([block], dtype=tl.float32)
        norm = tl.zeros([block], dtype=tl.float32)
        for tap in range(taps):
            other = place + tl.load(offsets + tap)
            weight = tl.load(weights + tap)
            value = tl.load(dense + other, mask=(pixel < plane) & (other < length), other=0.0)
            if bilateral:
                factor = tl.exp((value - middle) * (value - middle) * scale + weight)
                norm += factor
                total += factor * value
            else:
                total += weight * value
        if bilateral:
            total = tl.div_rn(total, norm)
        best = tl.maximum(best, total)
    tl.store(squeezed + view * plane + pixel, best, mask=pixel < plane)
    tl.atomic_max(nearest + view, tl.max(best, axis=0).to(tl.int32, bitcast=True))


@triton.jit  # type: ignore[untyped-decorator]
def image_kernel(
    squeezed: tl.tensor,
    nearest: tl.tensor,
    image: tl.tensor,
    size: tl.tensor,
    top: tl.tensor,
    left: tl.tensor,
    rows: tl.tensor,
    pitch: tl.tensor,
    block: tl.constexpr,
) -> None:
    """Write every pixel of the images: background outside the box, 1 - value / nearest inside."""
    view = tl.program_id(1)
    pixel = tl.program_id(0) * block + tl.arange(0, block)
    row = pixel // size - top
    column = pixel % size - left
    inside = (row >= 0) & (row < rows) & (column >= 0) & (column < pitch) & (pixel < size * size)
    value = tl.load(squeezed + view * rows * pitch + row * pitch + column, mask=inside, other=0.0)
    highest = tl.load(nearest + view).to(tl.float32, bitcast=True)
    # The plain division of a GPU may miss by a rounding: x / x would not be 1, and the nearest pixel below 0.
    share = tl.div_rn(value, highest)
    tl.store(image + view.to(tl.int64) * size * size + pixel, 1.0 - share, mask=pixel < size * size)


@dataclass(frozen=True)
class Box:
    """The part of the grid that points and filters can reach, the same for every view of a recipe."""

    low: tuple[int, int, int]  # first cell that can hold a point, per axis (slice, row, column)
    lead: tuple[int, int, int]  # empty margin in front of it
    shape: tuple[int, int, int]
    origin: tuple[int, int, int]  # slice, row and column of the finished box's position 0
    reach: tuple[int, int, int]

    @property
    def steps(self) -> tuple[int, int, int]:
        return self.shape[1] * self.shape[2], self.shape[2], 1

    @property
    def cells(self) -> int:
        return self.shape[0] * self.steps[0]

    def index(self, cells: Cells) -> Tensor:
        """Return every point's flat place in its view's box, int32."""
        places = (cells.layer, cells.row, cells.column)
        shifts = [lead - low for low, lead in zip(self.low, self.lead, strict=True)]
        terms = [(place + shift) * step for place, shift, step in zip(places, shifts, self.steps, strict=True)]
        return (terms[0] + terms[1] + terms[2]).int().contiguous()


def runs_on(device: torch.device) -> bool:
    """Tell whether the kernels can run there: on CUDA, or anywhere in Triton's interpreter."""
    return device.type == "cuda" or isinstance(splat_kernel, InterpretedFunction)


def box_of(recipe: ProjectionRecipe) -> Box:
    """Return the box of a recipe whose filters are windows."""
    assert isinstance(recipe.densify, WindowMax)
    smooth = recipe.smooth.window if recipe.smooth else (1, 1, 1)
    first, last = cell_range(recipe)
    ranges = ((1, recipe.slices - 1), (first, last), (first, last))
    windows, paddings = recipe.densify.window, recipe.densify.padding
    reach = [extent // 2 for extent in smooth]
    lead = [window - 1 + 2 * r for window, r in zip(windows, reach, strict=True)]
    shape = [high - low + 1 + margin for (low, high), margin in zip(ranges, lead, strict=True)]
    origin = [low + p - w + 1 - r for (low, _), p, w, r in zip(ranges, paddings, windows, reach, strict=True)]
    return Box(
        low=tuple(low for low, _ in ranges),  # type: ignore[arg-type]
        lead=tuple(lead),  # type: ignore[arg-type]
        shape=tuple(shape),  # type: ignore[arg-type]
        origin=tuple(origin),  # type: ignore[arg-type]
        reach=tuple(reach),  # type: ignore[arg-type]
    )


def project_triton(cells: Cells, recipe: ProjectionRecipe) -> Tensor:
    """Return the native images [B, V, S, S] of the cells, which lie on a CUDA device."""
    clouds, views, _ = cells.row.shape
    box, flat, size = box_of(recipe), cells.of_views(), recipe.image_size
    images = torch.empty(clouds * views, size, size, device=cells.depth.device)
    index, depth = box.index(flat), _kept_depth(flat, recipe)
    # Triton launches on the current device, wherever the tensors lie.
    with torch.cuda.device_of(depth):  # type: ignore[no-untyped-call]
        for part in _chunks(clouds * views, box):
            _render(index[part], depth[part], images[part], box, recipe)
    return images.view(clouds, views, size, size)


def _chunks(views: int, box: Box) -> Iterator[slice]:
    count = min(_MOST_VIEWS, max(1, SCRATCH_BYTES // (4 * box.cells)))
    for start in range(0, views, count):
        yield slice(start, min(views, start + count))


def _kept_depth(cells: Cells, recipe: ProjectionRecipe) -> Tensor:
    """Return depths [views, N] in which, for the `last` rule, all points but the last of a cell are 0."""
    if recipe.collision == "nearest":
        return cells.depth.contiguous()
    key = (cells.layer.long() * recipe.size + cells.row) * recipe.size + cells.column
    order, places = key.sort(dim=1, stable=True)
    last = torch.ones_like(key, dtype=torch.bool)
    last[:, :-1] = order[:, :-1] != order[:, 1:]
    return cells.depth * torch.zeros_like(last).scatter_(1, places, last)


def _render(index: Tensor, depth: Tensor, images: Tensor, box: Box, recipe: ProjectionRecipe) -> None:
    views, points = index.shape
    length, plane, size = views * box.cells, box.steps[0], recipe.image_size
    grid = torch.zeros(length, device=index.device)
    splat_kernel[(triton.cdiv(points, _BLOCK), views)](
        index, depth.view(torch.int32), grid.view(torch.int32), points, box.cells, _BLOCK, **OPTIONS
    )
    dense = _densified(grid, box, recipe)
    squeezed = torch.empty(views, plane, device=index.device)
    nearest = torch.zeros(views, dtype=torch.int32, device=index.device)
    offsets, weights, centre, scale = _taps(recipe, box, index.device)
    squeeze_kernel[(triton.cdiv(plane, _BLOCK // 2), views)](
        dense, offsets, weights, squeezed, nearest, length, plane, centre, scale,
        box.shape[0], len(offsets), isinstance(recipe.smooth, Bilateral), _BLOCK // 2, **OPTIONS,
    )  # fmt: skip
    image_kernel[(triton.cdiv(size * size, _BLOCK), views)](
        squeezed, nearest, images, size, box.origin[1], box.origin[2], box.shape[1], box.shape[2], _BLOCK, **OPTIONS
    )


def _densified(grid: Tensor, box: Box, recipe: ProjectionRecipe) -> Tensor:
    assert isinstance(recipe.densify, WindowMax)
    spare = torch.empty_like(grid)
    for window, step in zip(recipe.densify.window, box.steps, strict=True):
        if window > 1:
            window_kernel[(triton.cdiv(len(grid), _BLOCK),)](grid, spare, len(grid), step, window, _BLOCK, **OPTIONS)
            grid, spare = spare, grid
    _clear_outside(grid.view(-1, *box.shape), box, recipe)
    return grid


def _clear_outside(boxes: Tensor, box: Box, recipe: ProjectionRecipe) -> None:
    """Empty what lies outside the grid or the image, where the next filter must see background."""
    limits = (recipe.slices, recipe.image_size, recipe.image_size)
    for axis, limit in enumerate(limits):
        first, length = box.origin[axis] - box.reach[axis], box.shape[axis]
        if first + 2 * box.reach[axis] < 0:
            boxes.narrow(axis + 1, 0, -first).zero_()
        if first + length > limit:
            boxes.narrow(axis + 1, limit - first, first + length - limit).zero_()


def _taps(recipe: ProjectionRecipe, box: Box, device: torch.device) -> tuple[Tensor, Tensor, int, float]:
    """Return offsets [T] int32, weights [T], the centre's offset and the factor of squared value differences."""
    radii = box.reach
    grid = torch.cartesian_prod(*(torch.arange(-radius, radius + 1) for radius in radii))
    scale, weights = 0.0, torch.ones(len(grid))
    if isinstance(recipe.smooth, Gaussian):
        weights = (grid.square() / (-2 * torch.tensor(recipe.smooth.sigma).square())).sum(1).exp()
    elif isinstance(recipe.smooth, Bilateral):
        square = grid.square().sum(1)
        limit = max(radii) ** 2 if recipe.smooth.support == "disc" else int(square.max())
        grid, square = grid[square <= limit], square[square <= limit]
        weights, scale = square / (-2 * recipe.smooth.sigma_space**2), -1 / (2 * recipe.smooth.sigma_value**2)
    steps = torch.tensor(box.steps)
    centre = int((torch.tensor(radii) * steps).sum())
    offsets = (grid * steps).sum(1) + centre
    return offsets.int().to(device), weights.float().to(device), centre, scale
