"""Projection whose filters act inside each depth slice, evaluated only where there are points.

The grid of a view is mostly empty, so only its occupied slices become planes, numbered from the nearest, and
only the part of a plane that the view's points and the filters can reach is kept: a canvas. Planes lie one behind
the other in one flat buffer, and every canvas starts with an empty margin as wide as the filters reach; a shift by
rows or columns is then a shift of the flat buffer, and a window maximum is a few contiguous passes.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from opendlign_core.projection.filters import bilateral_squeeze, gaussian_pass, gaussian_weights, window_maximum
from opendlign_core.projection.grid import Cells
from opendlign_core.projection.recipe import Bilateral, Gaussian, ProjectionRecipe, WindowMax

CHUNK_CELLS = {"cpu": 1 << 18, "cuda": 1 << 26}
"""Cells filtered at once: on a CPU what its caches hold, on a GPU what keeps it busy (256 MB a buffer)."""


@dataclass(frozen=True)
class Canvas:
    """The rectangle of an image that can be anything but background.

    Its position (r, c) is pixel (top + r, left + c). Windows look forward from the position they write to, so
    points are written `lead` positions further on.
    """

    first_row: int
    first_column: int
    rows: int
    pitch: int
    lead: int
    top: int
    left: int

    @property
    def cells(self) -> int:
        return self.rows * self.pitch

    def position(self, row: Tensor, column: Tensor) -> Tensor:
        """Return where in a flat plane the points of these grid cells are written."""
        down, right = self.lead - self.first_row, self.lead - self.first_column
        return (row + down) * self.pitch + (column + right)


@dataclass(frozen=True)
class _Plan:
    """Views filtered together: their numbers in the batch, the layers that suffice for all, and their canvas."""

    views: Tensor
    layers: int
    canvas: Canvas


def project_slicewise(cells: Cells, recipe: ProjectionRecipe) -> Tensor:
    """Return the native images [B, V, S, S] of the cells."""
    clouds, views, _ = cells.row.shape
    flat = cells.of_views()
    images = flat.depth.new_ones(clouds * views, recipe.image_size, recipe.image_size)
    layer, layers = _layers(flat, recipe.slices)
    for plan in _plans(flat, layers, recipe):
        squeezed = _filtered(_planes(flat, layer, plan), plan, recipe)  # [v, rows, pitch]
        nearest = squeezed.flatten(1).amax(1)[:, None, None]
        _paste(images, squeezed.div_(nearest).neg_().add_(1), plan)
    return images.view(clouds, views, recipe.image_size, recipe.image_size)


def _layers(cells: Cells, slices: int) -> tuple[Tensor, Tensor]:
    """Return the rank of every point's slice among the view's occupied ones, nearest first, and their number."""
    occupied = torch.zeros(len(cells.row), slices, dtype=torch.int32, device=cells.row.device)
    occupied.scatter_(1, cells.layer.long(), 1)
    rank = occupied.flip(1).cumsum(1).flip(1) - 1  # [views, slices]
    return rank.gather(1, cells.layer.long()), rank.amax(1) + 1


def _plans(cells: Cells, layers: Tensor, recipe: ProjectionRecipe) -> Iterator[_Plan]:
    """Yield plans that cover all views; views of similar size share one."""
    bounds = torch.stack(
        [cells.row.amin(1), cells.row.amax(1), cells.column.amin(1), cells.column.amax(1), layers.int()], 1
    ).cpu()
    order = (bounds[:, 4] * 65536 + bounds[:, 1] - bounds[:, 0]).argsort(descending=True, stable=True)
    start = 0
    while start < len(order):
        depth = int(bounds[order[start], 4])
        room = CHUNK_CELLS[cells.row.device.type] // (depth * _canvas(bounds[order[start : start + 1]], recipe).cells)
        views = order[start : start + max(1, room)]
        yield _Plan(views.to(cells.row.device), depth, _canvas(bounds[views], recipe))
        start += len(views)


def _canvas(bounds: Tensor, recipe: ProjectionRecipe) -> Canvas:
    assert isinstance(recipe.densify, WindowMax)
    window, padding = recipe.densify.window[1], recipe.densify.padding[1]
    reach = recipe.smooth.window[1] // 2 if recipe.smooth else 0
    top, left = int(bounds[:, 0].min()), int(bounds[:, 2].min())
    lead = window - 1 + 2 * reach
    before = window - 1 - padding + reach
    return Canvas(
        first_row=top,
        first_column=left,
        rows=int(bounds[:, 1].max()) - top + 1 + lead,
        pitch=int(bounds[:, 3].max()) - left + 1 + lead,
        lead=lead,
        top=top - before,
        left=left - before,
    )


def _planes(cells: Cells, layer: Tensor, plan: _Plan) -> Tensor:
    """Return the occupied slices of the plan's views, flat and layer by layer, with room for windows at the end."""
    count, canvas = len(plan.views), plan.canvas
    plane = layer[plan.views] * count + torch.arange(count, device=layer.device)[:, None]
    index = plane * canvas.cells + canvas.position(cells.row[plan.views], cells.column[plan.views])
    guard = canvas.lead * (canvas.pitch + 1)
    planes = torch.zeros(plan.layers * count * canvas.cells + guard, device=layer.device)
    return planes.scatter_reduce_(0, index.flatten(), cells.depth[plan.views].flatten(), "amax")


def _filtered(planes: Tensor, plan: _Plan, recipe: ProjectionRecipe) -> Tensor:
    """Return densified, smoothed and squeezed planes: [views, rows, pitch]."""
    assert isinstance(recipe.densify, WindowMax)
    canvas, window = plan.canvas, recipe.densify.window[1]
    size = len(plan.views) * canvas.cells
    dense = window_maximum(window_maximum(planes, window, 1), window, canvas.pitch)
    reach = (canvas.lead - window + 1) // 2
    _clear_outside(dense[: plan.layers * size].view(-1, canvas.rows, canvas.pitch), canvas, reach, recipe.image_size)
    if isinstance(recipe.smooth, Bilateral):
        squeezed = bilateral_squeeze(dense, plan.layers, canvas.pitch, recipe.smooth)
    else:
        smooth = _gaussian(dense, canvas.pitch, recipe.smooth) if recipe.smooth else dense
        squeezed = smooth[: plan.layers * size].view(plan.layers, size).amax(0)
    return squeezed.view(-1, canvas.rows, canvas.pitch)


def _gaussian(flat: Tensor, pitch: int, smooth: Gaussian) -> Tensor:
    for axis, step in ((2, 1), (1, pitch)):
        flat = gaussian_pass(flat, gaussian_weights(smooth.window[axis], smooth.sigma[axis]), step)
    return flat


def _clear_outside(planes: Tensor, canvas: Canvas, reach: int, size: int) -> None:
    """Empty what lies outside the image, where the next filter must see background."""
    for axis, first in ((1, canvas.top - reach), (2, canvas.left - reach)):
        length = planes.shape[axis]
        if first + 2 * reach < 0:
            planes.narrow(axis, 0, -first).zero_()
        if first + length > size:
            planes.narrow(axis, size - first, first + length - size).zero_()


def _paste(images: Tensor, canvases: Tensor, plan: _Plan) -> None:
    canvas, size = plan.canvas, images.shape[-1]
    top, left = max(0, canvas.top), max(0, canvas.left)
    bottom, right = min(size, canvas.top + canvas.rows), min(size, canvas.left + canvas.pitch)
    inside = canvases[:, top - canvas.top : bottom - canvas.top, left - canvas.left : right - canvas.left]
    images[:, top:bottom, left:right].index_copy_(0, plan.views, inside)
