"""Entries by number. `index_select` along one contiguous axis is five times faster on a CPU than indexing."""

import torch
from torch import Tensor


def picked(table: Tensor, which: Tensor) -> Tensor:  # [N] or [K, N] by [S] -> [S] or [K, S]
    """Entries of the last axis."""
    if table.ndim == 1:
        return table.index_select(0, which)
    return torch.stack([row.index_select(0, which) for row in table])


def by_corner(of_vertices: Tensor, corners: Tensor) -> Tensor:  # [N] by [3, T] -> [3, T]
    """What the corners of triangles have."""
    return of_vertices.index_select(0, corners.reshape(-1)).view_as(corners)


def places(mask: Tensor) -> Tensor:  # [S] bool -> [K] int64
    """Where a mask holds."""
    return mask.nonzero()[:, 0]
