"""What cameras see of meshes, hidden surfaces included."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from opendlign_core.errors import BadInput
from opendlign_core.projection.layers.clipping import clipped
from opendlign_core.projection.layers.fragments import fragments_of, triangle_of
from opendlign_core.projection.layers.peeling import NOTHING, peeled
from opendlign_core.projection.layers.picking import by_corner, picked
from opendlign_core.projection.layers.soup import Soup, soup_of
from opendlign_core.projection.layers.triangles import Triangles, triangles_of

MOST_PIXELS = 1 << 14
"""Rows or columns of an image: more, and edge functions would no longer be exact."""


class Layers(NamedTuple):
    """Surfaces along the ray of every pixel, the nearest first."""

    values: Tensor  # [B, H, W, L, C] float32, 0 where there is no surface
    coverage: Tensor  # [B, H, W, L] bool


@torch.no_grad()
def rasterize_layers(
    vertices_clip: Tensor | Sequence[Tensor],  # [B, N, 4], or B of [N_b, 4]
    faces: Tensor | Sequence[Tensor],  # [F, 3] of all, or B of [F_b, 3]
    attributes: Tensor | Sequence[Tensor],  # [B, N, C], or B of [N_b, C]
    size: int | tuple[int, int],
    layers: int,
) -> Layers:
    """Draw one image per mesh: attributes of the first `layers` surfaces along the ray through each pixel's centre.

    Vertices are in clip coordinates (x, y, z, w): a point is seen where -w <= x, y, z <= w, row 0 of `size` (rows,
    columns) is y = -w, column 0 x = -w, and depth z/w grows away from the camera. No face is culled. Neighbouring
    triangles neither overlap nor leave gaps; surfaces at the same float32 depth count once, the first triangle's.

    >>> square = torch.tensor([[-1.0, -1, 0, 1], [1, -1, 0, 1], [1, 1, 0, 1], [-1, 1, 0, 1]])
    >>> values, coverage = rasterize_layers(square[None], torch.tensor([[0, 1, 2], [0, 2, 3]]), square[None], 4, 2)
    >>> values.shape, coverage.sum((0, 1, 2)).tolist()
    (torch.Size([1, 4, 4, 2, 4]), [16, 0])

    Raises:
        BadInput: a shape does not fit, a face names no vertex, or a coordinate is not finite.
    """
    rows, columns = size if isinstance(size, tuple) else (size, size)
    if not (1 <= rows <= MOST_PIXELS and 1 <= columns <= MOST_PIXELS and layers >= 1):
        raise BadInput(f"an image of {rows} x {columns} pixels and {layers} layers cannot be drawn")
    soup = clipped(soup_of(vertices_clip, faces, attributes), (rows, columns))
    triangles = triangles_of(soup, (rows, columns))
    shape = (len(vertices_clip), rows, columns)
    fragments = fragments_of(triangles, (rows, columns))
    keys = peeled(fragments, shape[0] * rows * columns, layers, soup.faces.device)
    return _drawn(soup, triangles, keys, shape)


def _drawn(soup: Soup, triangles: Triangles, keys: Tensor, shape: tuple[int, int, int]) -> Layers:
    """The attributes of the fragments with these keys [L, B H W]."""
    layer, pixel = (keys != NOTHING).nonzero(as_tuple=True)
    triangle = triangle_of(keys[layer, pixel])
    place = pixel * len(keys) + layer
    values = soup.attributes.new_zeros(keys.numel(), soup.attributes.shape[1])
    values.index_copy_(0, place, _interpolated(soup, triangles, triangle, pixel, shape))
    coverage = (keys != NOTHING).T.reshape(*shape, len(keys))
    return Layers(values.view(*shape, len(keys), -1), coverage)


def _interpolated(
    soup: Soup, triangles: Triangles, triangle: Tensor, pixel: Tensor, shape: tuple[int, int, int]
) -> Tensor:  # [K, C]
    """Attributes at pixels [K] of triangles [K], correct in perspective."""
    column, row = pixel % shape[2], pixel // shape[2] % shape[1]
    corners = picked(triangles.corners, triangle)
    inner = triangles.inner.only(triangle)
    edges = (inner.across * column + inner.down * row + inner.base).clamp(min=0)  # the grid may reach out of it
    share = edges / by_corner(soup.vertices[:, 3].contiguous(), corners)
    share = (share / share.sum(0)).float()[..., None]
    a, b, c = (soup.attributes.index_select(0, corner) for corner in corners)
    return share[0] * a + share[1] * b + share[2] * c
