"""Building blocks of 3DETR-m; their names are those of the published state dict. Channels first where `conv` is."""

from itertools import pairwise
from typing import NamedTuple

import torch
from torch import Tensor, nn

from opendlign_core.proposal.detr.sampling import balls, farthest_points


class Tokens(NamedTuple):
    """Features at places of the scene."""

    places: Tensor  # [n, 3]
    features: Tensor  # [n, D]


class ConvNorm(nn.Module):
    """A linear map of every point, normalised, positive."""

    class _Norm(nn.Module):
        def __init__(self, width: int) -> None:
            super().__init__()
            self.bn = nn.BatchNorm2d(width)

    def __init__(self, width_in: int, width: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(width_in, width, 1, bias=False)
        self.bn = self._Norm(width)

    def forward(self, features: Tensor) -> Tensor:  # [1, C, S, n] -> [1, D, S, n]
        normalised: Tensor = self.bn.bn(self.conv(features))
        return normalised.relu_()


class SetAbstraction(nn.Module):
    """Fewer points, each with what a small network and a maximum make of the points around it."""

    def __init__(self, widths: tuple[int, ...], count: int, radius: float, neighbours: int) -> None:
        super().__init__()
        self.count, self.radius, self.neighbours = count, radius, neighbours
        self.mlp_module = nn.Sequential()
        for index, (width_in, width) in enumerate(pairwise(widths)):
            self.mlp_module.add_module(f"layer{index}", ConvNorm(width_in, width))

    def forward(self, points: Tensor, features: Tensor | None = None) -> Tokens:  # [N, 3], [N, D]
        centres = points[farthest_points(points, self.count)]
        near = balls(points, centres, self.radius, self.neighbours)
        grouped = [near.offsets] if features is None else [near.offsets, features[near.indices]]
        # Neighbours before points: the maximum then runs over whole rows.
        rows = torch.cat(grouped, dim=-1).permute(2, 1, 0)[None].contiguous()
        return Tokens(centres, self.mlp_module(rows).amax(2)[0].T.contiguous())


class EncoderLayer(nn.Module):
    """Self-attention among tokens, some of which do not see each other, then a feed-forward network."""

    def __init__(self, width: int, heads: int, hidden: int) -> None:
        super().__init__()
        self.self_attn = nn.MultiheadAttention(width, heads)
        self.linear1, self.linear2 = nn.Linear(width, hidden), nn.Linear(hidden, width)
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)

    def forward(self, tokens: Tensor, blocked: Tensor) -> Tensor:  # [n, D], [n, n]
        seen = self.norm1(tokens)
        tokens = tokens + self.self_attn(seen, seen, seen, attn_mask=blocked, need_weights=False)[0]
        changed: Tensor = tokens + self.linear2(self.linear1(self.norm2(tokens)).relu())
        return changed


class DecoderLayer(nn.Module):
    """Queries look at each other, then at the scene, then a feed-forward network; positions are not in the values."""

    def __init__(self, width: int, heads: int, hidden: int) -> None:
        super().__init__()
        self.self_attn = nn.MultiheadAttention(width, heads)
        self.multihead_attn = nn.MultiheadAttention(width, heads)
        self.norm1, self.norm2, self.norm3 = (nn.LayerNorm(width) for _ in range(3))
        self.linear1, self.linear2 = nn.Linear(width, hidden), nn.Linear(hidden, width)

    def forward(self, state: Tensor, queries: Tensor, memory: Tensor, places: Tensor) -> Tensor:  # [Q, D] and [n, D]
        own = self.norm1(state)
        state = state + self.self_attn(own + queries, own + queries, own, need_weights=False)[0]
        asked = self.norm2(state) + queries
        state = state + self.multihead_attn(asked, memory + places, memory, need_weights=False)[0]
        changed: Tensor = state + self.linear2(self.linear1(self.norm3(state)).relu())
        return changed


class FourierPlaces(nn.Module):
    """Places in the scene's extent as sines and cosines of fixed random directions."""

    gauss_B: Tensor  # [3, D / 2]

    def __init__(self, width: int) -> None:
        super().__init__()
        self.register_buffer("gauss_B", torch.zeros(3, width // 2))

    def forward(self, places: Tensor, low: Tensor, high: Tensor) -> Tensor:  # [n, 3] -> [n, D]
        angles = ((places - low) / (high - low) * (2 * torch.pi)) @ self.gauss_B
        return torch.cat([angles.sin(), angles.cos()], dim=1)


class Layers(nn.Module):
    """Linear maps of rows under the published name `layers`, which keeps them as convolutions."""

    def __init__(self, *modules: nn.Module) -> None:
        super().__init__()
        self.layers = nn.Sequential(*modules)

    def forward(self, rows: Tensor) -> Tensor:  # [n, C] -> [n, D]
        mapped: Tensor = self.layers(rows.T[None])
        return mapped[0].T


def normed(width_in: int, width: int) -> tuple[nn.Module, ...]:
    """A linear map without bias, normalised, positive."""
    return nn.Conv1d(width_in, width, 1, bias=False), nn.BatchNorm1d(width), nn.ReLU()


def plain(width_in: int, width: int) -> nn.Module:
    """A linear map with bias."""
    return nn.Conv1d(width_in, width, 1)
