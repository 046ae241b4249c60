"""Triangles on the image: who covers what is decided on a grid of 1/256 pixel, values are those of the true triangle.

Vertices snapped to the grid give edge functions whose values are whole numbers below 2**53: float64 holds them exactly
and every device decides alike. What a triangle carries is interpolated over its unsnapped corners.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from opendlign_core.projection.layers.picking import by_corner, picked, places
from opendlign_core.projection.layers.soup import Soup

SUBPIXELS = 256
"""Positions that a vertex may take along a pixel's side: the grid of OpenGL."""

FLAT = 1e-3
"""A triangle that loses this much of its snapped area without the grid has no inside to interpolate over."""


@dataclass(frozen=True)
class Edges:
    """Edge i lies opposite corner i: `across * column + down * row + base` at a pixel's centre is positive inside."""

    across: Tensor  # [3, T] float64
    down: Tensor  # [3, T]
    base: Tensor  # [3, T]

    def only(self, which: Tensor) -> "Edges":
        return Edges(*(picked(table, which) for table in (self.across, self.down, self.base)))

    def where(self, chosen: Tensor, other: "Edges") -> "Edges":
        """These edges of the triangles that are chosen [T], the other ones of the rest."""
        pairs = ((self.across, other.across), (self.down, other.down), (self.base, other.base))
        return Edges(*(torch.where(chosen, mine, theirs) for mine, theirs in pairs))

    @property
    def owned(self) -> Tensor:  # [3, T] bool
        """Whether pixels exactly on an edge are the triangle's: those on its left and top edges."""
        return (self.across > 0) | ((self.across == 0) & (self.down > 0))


@dataclass(frozen=True)
class Triangles:
    """Triangles whose bounding boxes hold a pixel's centre."""

    image: Tensor  # [T] int64
    corners: Tensor  # [3, T] int64 vertices
    first: Tensor  # [2, T] int64: the first row and column of the bounding box
    last: Tensor  # [2, T]
    cover: Edges  # snapped and whole: which pixels are covered
    inner: Edges  # unsnapped: the shares of the corners
    depth: Tensor  # [3, T] float64 z/w, a column, a row and at 0, 0
    nearest: Tensor  # [T] float64 z/w of the corners
    farthest: Tensor  # [T]


def triangles_of(soup: Soup, size: tuple[int, int]) -> Triangles:
    """Set up the triangles of a clipped soup for an image of `size` rows and columns."""
    height, width = size
    w = soup.vertices[:, 3]
    column, row = _placed(soup.vertices[:, 0] / w, width), _placed(soup.vertices[:, 1] / w, height)
    corners = soup.faces.T.contiguous()  # [3, F]
    x, y = by_corner(column.round(), corners), by_corner(row.round(), corners)
    first = torch.stack([_first_centre(y), _first_centre(x)])
    last = torch.stack([_last_centre(y, height), _last_centre(x, width)])
    kept = places((first <= last).all(0))
    corners = picked(corners, kept)
    snapped, snapped_area = _edges(picked(x, kept), picked(y, kept))
    exact, area = _edges(by_corner(column, corners), by_corner(row, corners))
    solid = area > snapped_area * FLAT
    inner = exact.where(solid, snapped)
    z = by_corner(soup.vertices[:, 2] / w, corners)
    share = z / torch.where(solid, area, snapped_area.clamp(min=1))
    depth = torch.stack([(change * share).sum(0) for change in (inner.across, inner.down, inner.base)])
    box = (picked(first, kept).long(), picked(last, kept).long())
    return Triangles(picked(soup.image, kept), corners, *box, snapped, inner, depth, z.amin(0), z.amax(0))


def _placed(ndc: Tensor, pixels: int) -> Tensor:
    """Sub-pixels from the image's first edge, of coordinates that are -1 there and 1 at its last."""
    return (ndc + 1) * (pixels * SUBPIXELS / 2)


def _first_centre(place: Tensor) -> Tensor:  # [3, F] -> [F]
    return ((place.amin(0) - SUBPIXELS / 2) / SUBPIXELS).ceil().clamp(min=0)


def _last_centre(place: Tensor, pixels: int) -> Tensor:  # [3, F] -> [F]
    return ((place.amax(0) - SUBPIXELS / 2) / SUBPIXELS).floor().clamp(max=pixels - 1)


def _edges(x: Tensor, y: Tensor) -> tuple[Edges, Tensor]:
    """Edges of corners [3, T], turned to be positive inside, and the sum [T] of their values anywhere.

    Of a triangle without area they are all zero, so that no pixel lies inside.
    """
    across, down = y.roll(-1, 0) - y.roll(-2, 0), x.roll(-2, 0) - x.roll(-1, 0)
    base = -(across * x.roll(-1, 0) + down * y.roll(-1, 0))
    area = across[0] * x[0] + down[0] * y[0] + base[0]
    sign = area.sign()
    across, down, base = across * sign, down * sign, base * sign
    base += (across + down) * (SUBPIXELS / 2)
    return Edges(across * SUBPIXELS, down * SUBPIXELS, base), area.abs()
