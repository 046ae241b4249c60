"""The widths of a 3DETR-m, most of which its tensors tell."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class DetrShape:
    """The published model for ScanNet by default."""

    encoder: int = 256
    encoder_hidden: int = 128
    decoder: int = 256
    decoder_hidden: int = 256
    layers: int = 8
    classes: int = 18
    bins: int = 1
    """Of angles: with one all boxes lie along the axes."""
    heads: int = 4
    tokens: int = 2048
    queries: int = 256

    @classmethod
    def of(cls, state: Mapping[str, Tensor], tokens: int = 2048, queries: int = 256) -> "DetrShape":
        """The shape of these tensors; how many tokens and queries there are, none of them says.

        Raises `KeyError` where a tensor is missing.
        """
        decoders = {found[1] for name in state if (found := re.match(r"decoder\.layers\.(\d+)\.", name))}
        return cls(
            encoder=len(state["encoder.layers.0.norm1.weight"]),
            encoder_hidden=len(state["encoder.layers.0.linear1.weight"]),
            decoder=len(state["decoder.norm.weight"]),
            decoder_hidden=len(state["decoder.layers.0.linear1.weight"]),
            layers=len(decoders),
            classes=len(state["mlp_heads.sem_cls_head.layers.8.bias"]) - 1,
            bins=len(state["mlp_heads.angle_cls_head.layers.8.bias"]),
            tokens=tokens,
            queries=queries,
        )
