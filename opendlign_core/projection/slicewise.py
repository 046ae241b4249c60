"""Projection whose filters act inside each depth slice, evaluated only on slices that hold points.

The grid of a view is mostly empty, so only its occupied slices become planes, numbered from the nearest, and
only the part of a plane that points and filters can reach is kept: a canvas. Planes lie one behind the other in
one flat buffer, and every canvas ends in an empty margin as wide as the filters reach; a shift by rows or columns
is then a shift of the flat buffer, and a window maximum is a few contiguous passes.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from opendlign_core.projection.filters import bilateral_squeeze, gaussian_planes, window_maximum
from opendlign_core.projection.grid import Cells, cell_range
from opendlign_core.projection.recipe import Bilateral, Gaussian, ProjectionRecipe, WindowMax

CHUNK_CELLS = {"cpu": 1 << 18, "cuda": 1 << 26}
"""Cells filtered at once: on a CPU what its caches hold, on a GPU what keeps it busy (256 MB a buffer)."""


@dataclass(frozen=True)
class Canvas:
    """The square part of a slice that can be anything but background.

    Canvas position p of a filtered plane is pixel `origin + p` of the native image. Before filtering, the first
    reachable cell lies at position `lead`: windows look forward from the position they write to.
    """

    pitch: int
    lead: int
    origin: int
    reach: int
    window: int
    image: int

    @property
    def cells(self) -> int:
        return self.pitch * self.pitch

    @property
    def guard(self) -> int:
        """Cells that forward windows read behind the last plane."""
        return self.lead * (self.pitch + 1)

    def visible(self) -> tuple[slice, slice]:
        """Return the canvas positions inside the image, and the pixels they are."""
        first, last = max(0, self.origin), min(self.image, self.origin + self.pitch)
        return slice(first - self.origin, last - self.origin), slice(first, last)


def canvas_of(recipe: ProjectionRecipe) -> Canvas:
    assert isinstance(recipe.densify, WindowMax)
    window, padding = recipe.densify.window[1], recipe.densify.padding[1]
    reach = recipe.smooth.window[1] // 2 if recipe.smooth else 0
    first, last = cell_range(recipe)
    lead = window - 1 + 2 * reach
    return Canvas(
        pitch=last - first + 1 + lead,
        lead=lead,
        origin=first + padding - window + 1 - reach,
        reach=reach,
        window=window,
        image=recipe.image_size,
    )


def project_slicewise(cells: Cells, recipe: ProjectionRecipe) -> Tensor:
    """Return the native images [B, V, S, S] of the cells."""
    clouds, views, _ = cells.row.shape
    canvas = canvas_of(recipe)
    images = cells.depth.new_ones(clouds * views, canvas.image, canvas.image)
    inside, pixels = canvas.visible()
    target = images[:, pixels, pixels]
    for order, planes, layers in _occupied_planes(cells.of_views(), recipe, canvas):
        squeezed = _filtered(planes, layers, recipe, canvas)  # [v, pitch, pitch]
        nearest = squeezed.flatten(1).amax(1)[:, None, None]
        target.index_copy_(0, order, 1 - squeezed[:, inside, inside] / nearest)
    return images.view(clouds, views, canvas.image, canvas.image)


def _occupied_planes(cells: Cells, recipe: ProjectionRecipe, canvas: Canvas) -> Iterator[tuple[Tensor, Tensor, int]]:
    """Yield chunks: the views in it, their planes flat [layers * views * cells + guard], the number of layers.

    Layer 0 of a view is its nearest occupied slice. Views with equally many layers share a chunk.
    """
    device = cells.depth.device
    occupied = torch.zeros(len(cells.row), recipe.slices, dtype=torch.int32, device=device)
    occupied.scatter_(1, cells.layer.long(), 1)
    rank = occupied.flip(1).cumsum(1).flip(1) - 1  # [views, slices]
    counts, order = (rank.amax(1) + 1).sort(descending=True, stable=True)
    first, _ = cell_range(recipe)
    flat = (cells.row - first + canvas.lead) * canvas.pitch + (cells.column - first + canvas.lead)
    layer = rank.gather(1, cells.layer.long())
    numbers = counts.tolist()
    start = 0
    while start < len(numbers):
        layers = numbers[start]
        stop = min(len(numbers), start + max(1, CHUNK_CELLS[device.type] // (layers * canvas.cells)))
        chunk = order[start:stop]
        plane = layer[chunk] * (stop - start) + torch.arange(stop - start, device=device)[:, None]
        planes = torch.zeros(layers * (stop - start) * canvas.cells + canvas.guard, device=device)
        index = (plane * canvas.cells + flat[chunk]).flatten()
        planes.scatter_reduce_(0, index, cells.depth[chunk].flatten(), "amax")
        yield chunk, planes, layers
        start = stop


def _filtered(planes: Tensor, layers: int, recipe: ProjectionRecipe, canvas: Canvas) -> Tensor:
    """Return densified, smoothed and squeezed planes: [views, pitch, pitch]."""
    dense = window_maximum(window_maximum(planes, canvas.window, 1), canvas.window, canvas.pitch)
    _clear_outside(dense, canvas)
    if isinstance(recipe.smooth, Bilateral):
        return bilateral_squeeze(dense, layers, canvas.pitch, recipe.smooth)
    if isinstance(recipe.smooth, Gaussian):
        dense = gaussian_planes(dense, recipe.smooth, canvas.pitch)
    count = len(dense) // (layers * canvas.cells) * layers * canvas.cells
    return dense[:count].view(layers, -1, canvas.pitch, canvas.pitch).amax(0)


def _clear_outside(dense: Tensor, canvas: Canvas) -> None:
    """Empty what lies outside the image, where a filter must see background."""
    planes = dense[: len(dense) // canvas.cells * canvas.cells].view(-1, canvas.pitch, canvas.pitch)
    before, after = canvas.reach - canvas.origin, canvas.pitch + canvas.origin - canvas.reach - canvas.image
    if before > 2 * canvas.reach:
        planes[:, :before] = 0
        planes[:, :, :before] = 0
    if after > 0:
        planes[:, canvas.pitch - after :] = 0
        planes[:, :, canvas.pitch - after :] = 0
