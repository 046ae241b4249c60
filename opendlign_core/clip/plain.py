"""The CLIP that open_clip builds from a plain configuration, without open_clip, whose import costs seconds.

A ViT of pre-norm blocks with a class token beside a causal text transformer. Names of parameters and the order of
operations are open_clip's, so that checkpoints fit and features are the same to the last bit.
"""

from collections import OrderedDict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from torch import Tensor, nn

_KNOWN = {
    "": {"embed_dim", "vision_cfg", "text_cfg"},
    "vision_cfg": {
        "image_size", "layers", "width", "head_width", "patch_size", "mlp_ratio", "patch_dropout", "pos_embed_type",
    },
    "text_cfg": {"context_length", "vocab_size", "width", "heads", "layers", "mlp_ratio"},
}  # fmt: skip
"""What a plain configuration says; whatever says more is open_clip's to build."""

_LANES = 16
"""Texts are cut to a multiple of it: processors add so many numbers side by side, so sums keep their last bits."""


def is_plain(config: Mapping[str, Any]) -> bool:
    """Whether this module builds what open_clip would build from a configuration."""
    groups = {"": config, "vision_cfg": config["vision_cfg"], "text_cfg": config["text_cfg"]}
    return all(set(group) <= _KNOWN[name] for name, group in groups.items()) and all(
        isinstance(group.get("layers", 12), int) for group in groups.values()
    )


def load_plain(config: Mapping[str, Any], weights: Path) -> "PlainClip":
    """The CLIP of a configuration with the weights of a .safetensors file, as float32."""
    with torch.random.fork_rng(devices=[]):  # what is drawn here is replaced
        clip = PlainClip(config["embed_dim"], config["vision_cfg"], config["text_cfg"])
    clip.load_state_dict(load_file(weights))
    return clip


class PlainClip(nn.Module):
    """Both towers and the temperature; features are not normalised unless that is asked for."""

    def __init__(self, width: int, vision: Mapping[str, Any], text: Mapping[str, Any]) -> None:
        super().__init__()
        self.visual = _Vision(width, **vision)
        self.context_length, across = text.get("context_length", 77), text.get("width", 512)
        self.token_embedding = nn.Embedding(text.get("vocab_size", 49408), across)
        self.positional_embedding = nn.Parameter(torch.empty(self.context_length, across))
        heads, layers = text.get("heads", 8), text.get("layers", 12)
        self.transformer = _Transformer(across, layers, heads, text.get("mlp_ratio", 4.0))
        self.ln_final = _LayerNorm(across)
        self.text_projection = nn.Parameter(torch.empty(across, width))
        self.logit_scale = nn.Parameter(torch.empty([]))

    def encode_image(self, images: Tensor, normalize: bool = False) -> Tensor:
        """Features [N, E] of normalised images [N, 3, S, S]."""
        features: Tensor = self.visual(images)
        return F.normalize(features, dim=-1) if normalize else features

    def encode_text(self, tokens: Tensor, normalize: bool = False) -> Tensor:
        """Features [N, E] of token ids [N, L]: those at the end of each text, whose id is the highest.

        No token sees those after it, so what pads all texts alike is left out.
        """
        last = tokens.argmax(dim=-1)
        length = min(self.context_length, _LANES * (int(last.max()) // _LANES + 1)) if len(last) else 0
        later = torch.full((length, length), float("-inf"), device=tokens.device).triu_(1)
        entering = self.token_embedding(tokens[:, :length]) + self.positional_embedding[:length]
        whole = self.ln_final(self.transformer(entering, later))
        ends: Tensor = whole[torch.arange(len(whole), device=whole.device), last]
        features = ends @ self.text_projection
        return F.normalize(features, dim=-1) if normalize else features


class _Vision(nn.Module):
    attn_pool = None
    pool_type = "tok"

    def __init__(
        self,
        output: int,
        image_size: int,
        width: int = 768,
        layers: int = 12,
        patch_size: int = 16,
        head_width: int = 64,
        mlp_ratio: float = 4.0,
        **_trained_with: Any,  # what shapes training alone, and positions, which come with the weights
    ) -> None:
        super().__init__()
        self.image_size, self.patch_size = (image_size, image_size), (patch_size, patch_size)
        self.grid_size = (image_size // patch_size, image_size // patch_size)
        self.conv1 = nn.Conv2d(3, width, patch_size, patch_size, bias=False)
        self.class_embedding = nn.Parameter(torch.empty(width))
        self.positional_embedding = nn.Parameter(torch.empty(self.grid_size[0] * self.grid_size[1] + 1, width))
        self.patch_dropout, self.ln_pre = nn.Identity(), _LayerNorm(width)
        self.transformer = _Transformer(width, layers, width // head_width, mlp_ratio)
        self.ln_post = _LayerNorm(width)
        self.proj = nn.Parameter(torch.empty(width, output))

    def forward(self, images: Tensor) -> Tensor:
        return self._pool(self.transformer(self._embeds(images)))[0] @ self.proj

    def _embeds(self, images: Tensor) -> Tensor:  # [N, 1 + R * C, D]
        patches = self.conv1(images).flatten(2).transpose(1, 2)
        first = self.class_embedding.to(patches.dtype).expand(len(patches), 1, -1)
        tokens = torch.cat([first, patches], dim=1) + self.positional_embedding.to(patches.dtype)
        entering: Tensor = self.ln_pre(tokens)
        return entering

    def _pool(self, tokens: Tensor) -> tuple[Tensor, Tensor]:  # [N, D], [N, R * C, D]
        normed = self.ln_post(tokens)
        return normed[:, 0], normed[:, 1:]


class _Transformer(nn.Module):
    def __init__(self, width: int, layers: int, heads: int, ratio: float) -> None:
        super().__init__()
        self.resblocks = nn.ModuleList(_Block(width, heads, ratio) for _ in range(layers))

    def forward(self, tokens: Tensor, mask: Tensor | None = None) -> Tensor:
        for block in self.resblocks:
            tokens = block(tokens, mask)
        return tokens


class _Block(nn.Module):
    def __init__(self, width: int, heads: int, ratio: float) -> None:
        super().__init__()
        inner = int(width * ratio)
        self.ln_1, self.attn = _LayerNorm(width), nn.MultiheadAttention(width, heads, batch_first=True)
        self.ls_1, self.ln_2 = nn.Identity(), _LayerNorm(width)
        steps = [("c_fc", nn.Linear(width, inner)), ("gelu", nn.GELU()), ("c_proj", nn.Linear(inner, width))]
        self.mlp, self.ls_2 = nn.Sequential(OrderedDict(steps)), nn.Identity()

    def forward(self, tokens: Tensor, mask: Tensor | None = None) -> Tensor:
        normed = self.ln_1(tokens)
        seen = None if mask is None else mask.to(normed.dtype)
        tokens = tokens + self.ls_1(self.attn(normed, normed, normed, need_weights=False, attn_mask=seen)[0])
        output: Tensor = tokens + self.ls_2(self.mlp(self.ln_2(tokens)))
        return output


class _LayerNorm(nn.LayerNorm):
    """What leaves has the type of what entered, also where a GPU's autocast norms in float32."""

    def forward(self, tokens: Tensor) -> Tensor:
        return F.layer_norm(tokens, self.normalized_shape, self.weight, self.bias, self.eps).to(tokens.dtype)
