"""What cameras with annotated poses see of a CAD: silhouettes and depth maps."""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from opendlign_core.camera import Pose
from opendlign_core.projection.layers.cameras import clip_coordinates
from opendlign_core.projection.layers.rasterize import rasterize_layers

DEPTH_BIAS = 0.2
"""How far from nothing the farthest surface is, in shares of the object's depth, as in the depth maps of clouds."""


def seen_depth(
    vertices: NDArray[np.floating], faces: NDArray[np.integer], poses: Sequence[Pose], size: tuple[int, int]
) -> Tensor:  # [N, 3], [F, 3] -> [B, H, W] float32
    """How far ahead of each camera the CAD's surface is, in its units; infinity where there is none."""
    clip = clip_coordinates(vertices, poses, size)
    values, coverage = rasterize_layers(clip, torch.from_numpy(faces), clip[..., 3:], size, 1)
    return torch.where(coverage[..., 0], values[..., 0, 0], torch.inf)


def depth_maps(depth: Tensor, bias: float = DEPTH_BIAS) -> Tensor:  # [B, H, W]
    """Distances as depth maps: the nearest surface of each image 0, the farthest nearly 1, nothing 1.

    >>> depth_maps(torch.tensor([[[2.0, 3.0], [4.0, torch.inf]]]), bias=0.25)
    tensor([[[0.0000, 0.4000],
             [0.8000, 1.0000]]])
    """
    there = depth.isfinite()
    near = depth.amin((1, 2), keepdim=True)
    far = torch.where(there, depth, -torch.inf).amax((1, 2), keepdim=True)
    behind = (depth - near) / (far - near).clamp(min=torch.finfo(depth.dtype).tiny) / (1 + bias)
    return torch.where(there, behind, 1.0)
