"""Projection whose filters cross depth slices: a view is filtered in slabs of image rows, each a small dense box.

A slab holds the part of the grid that its points and the filters can reach, flat in the order row, slice, column.
As in a canvas, slices and columns start with an empty margin as wide as the filters reach, so that a shift along
any axis is a shift of the flat buffer. Memory is bounded by the slab, whatever the recipe's grid.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from opendlign_core.projection.filters import (
    Room,
    bilateral_at,
    bilateral_taps,
    gaussian_pass,
    gaussian_weights,
    window_maximum,
)
from opendlign_core.projection.grid import Cells
from opendlign_core.projection.recipe import Bilateral, ProjectionRecipe, WindowMax

SLAB_CELLS = {"cpu": 1 << 20, "cuda": 1 << 26}
"""On a CPU as many as stay in its cache from one pass to the next."""
_MIN_ROWS = 8
_SLICE, _ROW, _COLUMN = 0, 1, 2


@dataclass(frozen=True)
class Slab:
    """A box of one view's grid. Finished, it has `rows` image rows from `top`, in slices and columns from `first`."""

    view: int
    top: int
    rows: int
    first: tuple[int, int]  # slice, column of position 0 of the finished box
    shape: tuple[int, int]  # slices, columns
    low: tuple[int, int]  # first slice and column that hold a point
    points: Tensor  # which points of the view take part

    @property
    def steps(self) -> tuple[int, int, int]:
        """Flat distance from slice to slice, row to row, column to column."""
        return self.shape[1], self.shape[0] * self.shape[1], 1


def is_volumetric(recipe: ProjectionRecipe) -> bool:
    """Tell whether a filter of the recipe looks across slices, or its cells keep their last point."""
    if recipe.collision == "last":
        return True
    deep = isinstance(recipe.densify, WindowMax) and recipe.densify.window[0] > 1
    return deep or (recipe.smooth is not None and recipe.smooth.window[0] > 1)


def project_volume(cells: Cells, recipe: ProjectionRecipe) -> Tensor:
    """Return the native images [B, V, S, S] of the cells."""
    return 1 - squeezed_and_probed(cells, recipe)[0]


def squeezed_and_probed(
    cells: Cells, recipe: ProjectionRecipe, probes: Tensor | None = None
) -> tuple[Tensor, Tensor | None]:
    """Return nearness (1 = nearest point, 0 = background) of the images, and of single grid cells on request.

    Images are [B, V, S, S]. Probes [B, V, P, 3] int64 name cells as (slice, row, column), their answer is [B, V, P].
    """
    clouds, views, _ = cells.row.shape
    flat = cells.of_views()
    images = flat.depth.new_zeros(clouds * views, recipe.image_size, recipe.image_size)
    answers = None if probes is None else flat.depth.new_zeros(clouds * views, probes.shape[2])
    room = Room(flat.depth.device)
    for slab in _slabs(flat, recipe):
        box = _smoothed(_dense(_filled(flat, slab, recipe, room), slab, recipe, room), slab, recipe, room)
        _paste(images[slab.view], box, slab)
        if probes is not None and answers is not None:
            _answer(answers[slab.view], probes.flatten(0, 1)[slab.view], box, slab)
    nearest = images.flatten(1).amax(1)
    images.div_(nearest[:, None, None])
    if answers is not None:
        answers = answers.div_(nearest[:, None]).view(clouds, views, -1)
    return images.view(clouds, views, recipe.image_size, recipe.image_size), answers


def _reach(recipe: ProjectionRecipe, axis: int) -> tuple[int, int, int]:
    """Return window, padding and smoothing reach along an axis."""
    assert isinstance(recipe.densify, WindowMax)
    smooth = recipe.smooth.window[axis] // 2 if recipe.smooth else 0
    return recipe.densify.window[axis], recipe.densify.padding[axis], smooth


def _slabs(cells: Cells, recipe: ProjectionRecipe) -> Iterator[Slab]:
    """Yield the slabs of every view that hold a point."""
    window, padding, reach = _reach(recipe, _ROW)
    lead = window - 1 + 2 * reach
    for view in range(len(cells.row)):
        row = cells.row[view]
        low, high = int(row.min()), int(row.max())
        start, stop = max(0, low + padding - window + 1 - reach), min(recipe.image_size, high + padding + reach + 1)
        everything = _slab(cells, view, 0, 1, torch.arange(len(row), device=row.device), recipe)
        height = max(_MIN_ROWS, SLAB_CELLS[row.device.type] // everything.steps[_ROW] - lead)
        for top in range(start, stop, height):
            rows = min(height, stop - top)
            first = top - reach - padding  # the grid row that the slab's first windows begin with
            points = ((row >= first) & (row < first + rows + lead)).nonzero()[:, 0]
            if len(points):
                yield _slab(cells, view, top, rows, points, recipe)


def _slab(cells: Cells, view: int, top: int, rows: int, points: Tensor, recipe: ProjectionRecipe) -> Slab:
    first, shape, low = [], [], []
    for axis, places in ((_SLICE, cells.layer[view, points]), (_COLUMN, cells.column[view, points])):
        window, padding, reach = _reach(recipe, axis)
        low.append(int(places.min()))
        shape.append(int(places.max()) - low[-1] + window + 2 * reach)
        first.append(low[-1] + padding - window + 1 - reach)
    return Slab(view, top, rows, (first[0], first[1]), (shape[0], shape[1]), (low[0], low[1]), points)


def _filled(cells: Cells, slab: Slab, recipe: ProjectionRecipe, room: Room) -> Tensor:
    """Return the slab's raw grid, flat, with the rows and the room at the end that windows read."""
    (window, padding, reach), deep, wide = (_reach(recipe, axis) for axis in (_ROW, _SLICE, _COLUMN))
    lead, lead_slice, lead_column = (w - 1 + 2 * s for w, _, s in ((window, padding, reach), deep, wide))
    slice_step, row_step, _ = slab.steps
    row = cells.row[slab.view, slab.points].long() - (slab.top - reach - padding)
    layer = cells.layer[slab.view, slab.points] - slab.low[0] + lead_slice
    column = cells.column[slab.view, slab.points] - slab.low[1] + lead_column
    index = row * row_step + layer * slice_step + column
    depth = cells.depth[slab.view, slab.points]
    length = (slab.rows + lead) * row_step + lead_slice * slice_step + lead_column
    if recipe.collision == "last":
        depth = torch.where(_is_last(index, room.next(length)), depth, 0)
    # Points are few: spread over the window's slices here, they save whole passes over the box.
    index = torch.cat([index - back * slice_step for back in range(deep[0])])
    return room.next(length).zero_().scatter_reduce_(0, index, depth.repeat(deep[0]), "amax")


def _is_last(index: Tensor, cells: Tensor) -> Tensor:
    """Tell which points no later point shares its cell with; overwrites the cells."""
    order = torch.arange(1, len(index) + 1, dtype=torch.int32, device=index.device)
    last = cells.view(torch.int32).zero_().scatter_reduce_(0, index, order, "amax")
    return last[index] == order


def _dense(flat: Tensor, slab: Slab, recipe: ProjectionRecipe, room: Room) -> Tensor:
    for axis in (_COLUMN, _ROW):
        flat = window_maximum(flat, _reach(recipe, axis)[0], slab.steps[axis], room)
    reaches = [_reach(recipe, axis)[2] for axis in (_ROW, _SLICE, _COLUMN)]
    count = slab.rows + 2 * reaches[0]
    box = flat[: count * slab.steps[_ROW]].view(count, *slab.shape)
    starts = (slab.top - reaches[0], slab.first[0] + reaches[1], slab.first[1] + reaches[2])
    sizes = (recipe.image_size, recipe.slices, recipe.image_size)
    for axis, (start, reach, size) in enumerate(zip(starts, reaches, sizes, strict=True)):
        _clear_outside(box, axis, start if axis == 0 else start - 2 * reach, size)
    return flat


def _clear_outside(box: Tensor, axis: int, start: int, size: int) -> None:
    """Empty the part of an axis, whose position 0 is `start` in the grid, that lies outside 0 .. size - 1."""
    length = box.shape[axis]
    if start < 0:
        box.narrow(axis, 0, min(length, -start)).zero_()
    if start + length > size:
        keep = max(0, size - start)
        box.narrow(axis, keep, length - keep).zero_()


def _smoothed(flat: Tensor, slab: Slab, recipe: ProjectionRecipe, room: Room) -> Tensor:  # [rows, slices, columns]
    size = slab.rows * slab.steps[_ROW]
    if isinstance(recipe.smooth, Bilateral):
        flat = _bilateral(flat, size, recipe.smooth, slab)
    elif recipe.smooth is not None:
        for axis in (_ROW, _SLICE, _COLUMN):
            weights = gaussian_weights(recipe.smooth.window[axis], recipe.smooth.sigma[axis])
            flat = gaussian_pass(flat, weights, slab.steps[axis], room)
    return flat[:size].view(slab.rows, *slab.shape)


def _bilateral(flat: Tensor, size: int, smooth: Bilateral, slab: Slab) -> Tensor:
    taps = bilateral_taps(smooth, slab.steps, flat.device)
    touched = (flat > 0).byte()
    for axis in (_COLUMN, _SLICE, _ROW):
        touched = window_maximum(touched, smooth.window[axis], slab.steps[axis])
    result = flat.new_zeros(size)
    for part in torch.split(touched[:size].nonzero()[:, 0], SLAB_CELLS[flat.device.type] // len(taps.offsets)):
        result[part] = bilateral_at(flat, part, taps)
    return result


def _paste(image: Tensor, box: Tensor, slab: Slab) -> None:
    left, right = max(0, slab.first[1]), min(image.shape[1], slab.first[1] + slab.shape[1])
    nearest = box.amax(1)
    image[slab.top : slab.top + slab.rows, left:right] = nearest[:, left - slab.first[1] : right - slab.first[1]]


def _answer(answers: Tensor, probes: Tensor, box: Tensor, slab: Slab) -> None:
    """Fill in the answers of the probes that fall into this slab."""
    corner = torch.tensor([slab.first[0], slab.top, slab.first[1]], device=probes.device)
    extent = torch.tensor([slab.shape[0], slab.rows, slab.shape[1]], device=probes.device)
    place = probes - corner
    mine = ((place >= 0) & (place < extent)).all(1).nonzero()[:, 0]
    layer, row, column = place[mine].unbind(1)
    answers[mine] = box[row, layer, column]
