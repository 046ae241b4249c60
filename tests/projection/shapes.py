"""Clouds whose every view can be told apart."""

import torch
from torch import Tensor


def blob(points: int = 300, seed: int = 0) -> Tensor:  # [N, 3]
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(points, 3, generator=generator) * torch.tensor([1.0, 0.8, 0.5])


def flag() -> Tensor:  # [N, 3]
    """Return a pole along y with a flag at its top towards +x and a knob at the bottom towards +z."""
    step = torch.linspace(0, 1, 60)
    zero = torch.zeros_like(step)
    pole = torch.stack([zero, 2 * step - 1, zero], 1)
    sheet = torch.cartesian_prod(torch.linspace(0, 0.7, 25), torch.linspace(0.6, 1, 20), torch.zeros(1))
    knob = torch.stack([zero, zero - 1, 0.7 * step], 1)
    return torch.cat([pole, sheet, knob])


def distinct_views(maps: Tensor) -> Tensor:  # [V, S, S] -> [V, V]
    return (maps[:, None] - maps[None]).abs().mean((2, 3))
