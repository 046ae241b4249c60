"""The network of 3DETR-m: points in, raw boxes out."""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from opendlign_core.proposal.detr.blocks import (
    DecoderLayer,
    EncoderLayer,
    FourierPlaces,
    Layers,
    SetAbstraction,
    Tokens,
    normed,
    plain,
)
from opendlign_core.proposal.detr.sampling import farthest_points
from opendlign_core.proposal.detr.shape import DetrShape

SIGHT = (0.16, 0.64, 1.44)
"""How far tokens of each encoder layer see, in metres: the squares of 0.4, 0.8 and 1.2, held against distances."""
HEADS = ("sem_cls", "center", "size", "angle_cls", "angle_residual")


class Extent(NamedTuple):
    """Lowest and highest corner of the points that a scene was seen with."""

    low: Tensor  # [3]
    high: Tensor  # [3]

    @classmethod
    def of(cls, points: Tensor) -> "Extent":  # [N, 3]
        return cls(points.amin(0), points.amax(0))


class RawBoxes(NamedTuple):
    """What the heads say of every query, before it means anything."""

    classes: Tensor  # [Q, C + 1], logits; the last is for no object
    centre: Tensor  # [Q, 3], before the sigmoid
    size: Tensor  # [Q, 3], before the sigmoid
    angle: Tensor  # [Q, A], logits of the bins
    turn: Tensor  # [Q, A], within each bin


class Encoder(nn.Module):
    """Three layers of masked attention; after the first there are half as many tokens."""

    def __init__(self, shape: DetrShape) -> None:
        super().__init__()
        self.layers = nn.ModuleList(
            EncoderLayer(shape.encoder, shape.heads, shape.encoder_hidden) for _ in range(len(SIGHT))
        )
        widths = (shape.encoder + 3, 256, 256, shape.encoder)
        self.interim_downsampling = SetAbstraction(widths, shape.tokens // 2, radius=0.4, neighbours=32)

    def forward(self, tokens: Tokens) -> Tokens:
        for index, (layer, sight) in enumerate(zip(self.layers, SIGHT, strict=True)):
            tokens = Tokens(tokens.places, layer(tokens.features, blocked(tokens.places, sight)))
            if index == 0:
                tokens = self.interim_downsampling(*tokens)
        return tokens


class Decoder(nn.Module):
    """Queries that ask the scene, layer after layer."""

    def __init__(self, shape: DetrShape) -> None:
        super().__init__()
        self.layers = nn.ModuleList(
            DecoderLayer(shape.decoder, shape.heads, shape.decoder_hidden) for _ in range(shape.layers)
        )
        self.norm = nn.LayerNorm(shape.decoder)

    def forward(self, queries: Tensor, memory: Tensor, places: Tensor) -> Tensor:  # [Q, D], [n, D], [n, D] -> [Q, D]
        state = torch.zeros_like(queries)
        for layer in self.layers:
            state = layer(state, queries, memory, places)
        answers: Tensor = self.norm(state)
        return answers


class Detr3d(nn.Module):
    """3DETR-m; every tensor has the name it has in the published checkpoint."""

    def __init__(self, shape: DetrShape) -> None:
        super().__init__()
        self.shape, width = shape, shape.decoder
        self.pre_encoder = SetAbstraction((3, 64, 128, shape.encoder), shape.tokens, radius=0.2, neighbours=64)
        self.encoder = Encoder(shape)
        self.encoder_to_decoder_projection = Layers(
            *normed(shape.encoder, shape.encoder), *normed(shape.encoder, width)
        )
        self.pos_embedding = FourierPlaces(width)
        self.query_projection = Layers(plain(width, width), nn.ReLU(), plain(width, width), nn.ReLU())
        self.decoder = Decoder(shape)
        outputs = (shape.classes + 1, 3, 3, shape.bins, shape.bins)
        self.mlp_heads = nn.ModuleDict(
            {f"{name}_head": _head(width, output) for name, output in zip(HEADS, outputs, strict=True)}
        )

    def forward(self, points: Tensor) -> tuple[Tensor, RawBoxes]:  # [N, 3] z up -> [Q, 3] and the heads
        """Where the queries are, and what the heads say of them."""
        extent, tokens = Extent.of(points), self.encoder(self.pre_encoder(points))
        memory = self.encoder_to_decoder_projection(tokens.features)
        queries = tokens.places[farthest_points(tokens.places, self.shape.queries)]
        asked = self.query_projection(self.pos_embedding(queries, *extent))
        answers = self.decoder(asked, memory, self.pos_embedding(tokens.places, *extent))
        return queries, RawBoxes(*(head(answers) for head in self.mlp_heads.values()))


def blocked(places: Tensor, sight: float) -> Tensor:  # [n, 3] -> [n, n]
    """Which tokens do not see which."""
    return torch.cdist(places, places, compute_mode="donot_use_mm_for_euclid_dist") >= sight


def _head(width: int, output: int) -> Layers:
    # Dropout does nothing here and holds its place in the published numbering.
    return Layers(*normed(width, width), nn.Dropout(), *normed(width, width), nn.Dropout(), plain(width, output))
