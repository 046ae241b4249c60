"""What may be projected, and the one error for what may not."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from opendlign_core.errors import BadInput


class UnusableCloud(BadInput):
    """A cloud that has no depth map; `index` is its place in the batch, `reason` what is wrong with it."""

    def __init__(self, index: int, reason: str) -> None:
        super().__init__(f"sample {index}: {reason}")
        self.index = index
        self.reason = reason


def as_points(points: Tensor | NDArray[np.float32]) -> Tensor:
    """Return the batch as a float32 tensor [B, N, 3]; raise on another shape or dtype."""
    tensor = torch.from_numpy(points) if isinstance(points, np.ndarray) else points
    if tensor.ndim != 3 or tensor.shape[-1] != 3:
        raise ValueError(
            f"points must have the shape [clouds, points, 3], got {list(tensor.shape)}; "
            "add a leading axis to one cloud"
        )
    if tensor.dtype != torch.float32:
        raise ValueError(f"points must be float32, got {tensor.dtype}; convert them first")
    if tensor.shape[0] and not tensor.shape[1]:
        raise UnusableCloud(0, "the cloud has no points")
    return tensor


def unusable(points: Tensor) -> dict[int, str]:
    """Return the place and the reason of every cloud in [B, N, 3] that cannot be projected."""
    if not len(points):
        return {}
    span = points.amax(1) - points.amin(1)  # [B, 3]; NaN and inf in a cloud survive into its span
    finite = torch.isfinite(span).all(1)
    apart = (span > 0).any(1)
    return {
        index: "all points coincide; at least two distinct points are needed" if ok else _not_finite(points[index])
        for index, (ok, spread) in enumerate(zip(finite.tolist(), apart.tolist(), strict=True))
        if not (ok and spread)
    }


def refuse_unusable(points: Tensor) -> None:
    """Raise `UnusableCloud` for the first cloud that cannot be projected."""
    for index, reason in unusable(points).items():
        raise UnusableCloud(index, reason)


def _not_finite(cloud: Tensor) -> str:
    if not bool(torch.isfinite(cloud).all()):
        return "the cloud holds NaN or infinite coordinates"
    return "the coordinates are too large: their extent overflows float32"
