"""A frozen CLIP with a trainable depth branch beside the last block of its image tower."""

import copy
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor, nn

from opendlign_core.clip.load import OpenClip
from opendlign_core.clip.tokens import Attention, attentions, block_outputs, embedded, projected, require_vit, through
from opendlign_core.errors import BadInput
from opendlign_core.training.depth_branch.attention import cls_row, supports_cls_row

Branch = Literal["base", "depth"]

LOG_SCALE = "logit_scale"
"""The name of a learned temperature among branch weights."""


class Prefix(NamedTuple):
    """What the frozen tower contributes to an image's features: everything a trainer needs to keep.

    `tokens` [..., L, D] enter the depth blocks: already through their LayerNorm when there is one depth block, raw
    when there are several. `rows` [..., 2, D] are the CLS rows that enter and leave the frozen blocks beside them.
    """

    tokens: Tensor
    rows: Tensor


class DepthAlignedCLIP(nn.Module):
    """`clip` (any open_clip model with a ViT image tower, frozen here) plus a copy of its last block(s).

    The depth branch outputs `blend * copy + (1 - blend) * last block`; the base branch is the plain tower. A new
    model's branches agree; only the attention of the copies is trainable. Features are not normalised.
    """

    def __init__(self, clip: OpenClip, blocks: int = 1, blend: float = 0.5) -> None:
        super().__init__()
        resblocks = _resblocks(clip)
        if not 1 <= blocks <= len(resblocks):
            raise BadInput(f"blocks must lie between 1 and the tower's {len(resblocks)}, got {blocks}")
        self.blend = blend
        self.clip: OpenClip = clip.requires_grad_(False).eval()
        self.depth_blocks: Any = nn.ModuleList(copy.deepcopy(block) for block in resblocks[-blocks:])
        for block in self.depth_blocks:
            block.attn.requires_grad_(True)
        visual = clip.visual
        self.cls_only = supports_cls_row(resblocks) and visual.attn_pool is None and visual.pool_type == "tok"

    @property
    def blocks(self) -> int:
        return len(self.depth_blocks)

    def encode_image(self, images: Tensor, branch: Branch = "base") -> Tensor:
        """Features [N, E] of normalised images [N, 3, H, W] through the plain tower or through the depth branch."""
        if branch not in ("base", "depth"):
            raise ValueError(f"branch must be 'base' or 'depth', got {branch!r}")
        if not self.cls_only:
            return self._encode_all_tokens(images, branch)
        if branch == "base":
            return self._project(self._last_row(self._embed(images)))
        return self.depth_features(self.prefix(images))

    def encode_both(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Base and depth features [N, E] of the same images, the frozen tower evaluated once."""
        if not self.cls_only:
            return self._encode_all_tokens(images, "base"), self._encode_all_tokens(images, "depth")
        prefix = self.prefix(images)
        return self.base_features(prefix), self.depth_features(prefix)

    def patch_tokens(
        self, images: Tensor, branch: Branch = "base", attention: Attention = "plain", blocks: int = 1
    ) -> Tensor:
        """Tokens [N, R, C, E] of the patches of images [N, 3, H, W] through the plain tower or the depth branch.

        As `opendlign_core.clip.tokens.patch_tokens`; the attention is that of the last blocks of both branches alike.
        """
        visual = require_vit(self.clip)
        layers = list(self._frozen())
        kinds, fork = attentions(len(layers), attention, blocks), len(layers) - self.blocks
        whole = through(layers[:fork], embedded(visual, images), kinds[:fork])
        output = through(layers[fork:], whole, kinds[fork:])
        if branch == "depth":
            output = self.blend * through(self.depth_blocks, whole, kinds[fork:]) + (1 - self.blend) * output
        return projected(visual, output, images.shape[-2:])

    def block_outputs(self, images: Tensor, branch: Branch, blocks: Sequence[int]) -> list[Tensor]:
        """Raw outputs [N, 1 + P, D] of some blocks, from 0, class token first; the tuned ones of the depth branch."""
        fork = self.depth - self.blocks
        entering = [fork - 1] if fork else []
        outputs = block_outputs(self.clip, images, [*entering, *blocks])
        frozen = outputs[len(entering) :]
        if branch == "base":
            return frozen
        tokens = outputs[0] if fork else embedded(self.clip.visual, images)
        tuned = {}
        for number, block in enumerate(self.depth_blocks, start=fork):
            tokens = block(tokens)
            tuned[number] = tokens
        blend = self.blend
        return [
            blend * tuned[number] + (1 - blend) * plain if number >= fork else plain
            for number, plain in zip(blocks, frozen, strict=True)
        ]

    @property
    def depth(self) -> int:
        """How many blocks the tower has."""
        return len(self._frozen())

    def encode_text(self, tokens: Tensor) -> Tensor:
        """Features [N, E] of token ids [N, context length]."""
        features: Tensor = self.clip.encode_text(tokens)
        return features

    def prefix(self, images: Tensor) -> Prefix:
        """Run the frozen tower on images [N, 3, H, W] as far as training needs it."""
        if not self.cls_only:
            raise BadInput(
                "this image tower does not pool its CLS token over plain attention blocks, so its tokens cannot be "
                "cached; use TrainRecipe(trainer='plain')"
            )
        entering = self._embed(images)
        rows = torch.stack([entering[:, 0].to(self.dtype), self._last_row(entering)], dim=1)
        tokens = self.depth_blocks[0].ln_1(entering) if self.blocks == 1 else entering
        return Prefix(tokens, rows)

    def depth_features(self, prefix: Prefix) -> Tensor:
        """Depth-branch features [..., E], differentiable in the depth blocks' attention."""
        lead = prefix.rows.shape[:-2]
        tokens, row = prefix.tokens.flatten(0, -3), prefix.rows[..., 0, :].flatten(0, -2)
        last: Any = self.depth_blocks[-1]
        if self.blocks > 1:
            tokens = tokens.to(self.dtype)
            for block in self.depth_blocks[:-1]:
                tokens = block(tokens)
            tokens, row = last.ln_1(tokens), tokens[:, 0]
        depth = cls_row(last, tokens, row).view(*lead, row.shape[-1])
        return self._project(self.blend * depth + (1 - self.blend) * prefix.rows[..., 1, :])

    def base_features(self, prefix: Prefix) -> Tensor:
        """Base-branch features [..., E]."""
        return self._project(prefix.rows[..., 1, :])

    def branch_state(self) -> dict[str, Tensor]:
        """The depth blocks' trained tensors by name, detached; with a learned temperature, all that training moves."""
        return {name: parameter.detach() for name, parameter in self.trainable().items()}

    def load_branch_state(self, tensors: Mapping[str, Tensor]) -> None:
        """Copy tensors by name into the depth blocks, and a learned temperature into the CLIP.

        Raises:
            BadInput: a tensor is missing, or has another shape.
        """
        own = self.trainable()
        if missing := own.keys() - tensors.keys():
            raise BadInput(
                f"the branch weights lack {', '.join(sorted(missing))}; was it trained with {self.blocks} blocks?"
            )
        for name, parameter in own.items():
            if parameter.shape != tensors[name].shape:
                found, expected = list(tensors[name].shape), list(parameter.shape)
                raise BadInput(f"branch tensor {name} has shape {found}, this CLIP needs {expected}")
            parameter.data.copy_(tensors[name])
        if LOG_SCALE in tensors:
            self.clip.logit_scale.data.copy_(tensors[LOG_SCALE].expand_as(self.clip.logit_scale))
        # Imported weights may bring further tensors of the depth blocks; those trained here hold the attention alone.
        state = {f"resblocks.{name}": tensor for name, tensor in self.depth_blocks.state_dict().items()}
        for name in tensors.keys() & state.keys() - own.keys():
            state[name].copy_(tensors[name])

    def trainable(self) -> dict[str, nn.Parameter]:
        """The parameters that training moves, in the reference's order."""
        return {
            f"resblocks.{index}.attn.{name}": parameter
            for index, block in enumerate(self.depth_blocks)
            for name, parameter in block.attn.named_parameters()
        }

    def learn_temperature(self, learned: bool) -> nn.Parameter:
        """The CLIP's logit scale before exp, which takes part in training where `learned`."""
        scale: nn.Parameter = self.clip.logit_scale
        scale.requires_grad_(learned)
        return scale

    @property
    def dtype(self) -> torch.dtype:
        dtype: torch.dtype = self.clip.visual.conv1.weight.dtype
        return dtype

    @property
    def device(self) -> torch.device:
        device: torch.device = self.clip.visual.conv1.weight.device
        return device

    def _embed(self, images: Tensor) -> Tensor:
        """Tokens [N, L, D] that enter the blocks beside the depth branch."""
        tokens: Tensor = self.clip.visual._embeds(images)
        for block in self._frozen()[: -self.blocks]:
            tokens = block(tokens)
        return tokens

    def _last_row(self, tokens: Tensor) -> Tensor:
        """CLS row [N, D] that leaves the frozen tower, the last block evaluated for that row alone."""
        *inner, last = self._frozen()[-self.blocks :]
        for block in inner:
            tokens = block(tokens)
        return cls_row(last, last.ln_1(tokens), tokens[:, 0])

    def _project(self, row: Tensor) -> Tensor:
        visual = self.clip.visual
        pooled: Tensor = visual.ln_post(row)
        return pooled if visual.proj is None else pooled @ visual.proj

    def _encode_all_tokens(self, images: Tensor, branch: Branch) -> Tensor:
        """The branch in its plainest form, for towers that pool something other than a CLS token."""
        visual, entering = self.clip.visual, self._embed(images)
        output = _run(self._frozen()[-self.blocks :], entering)
        if branch == "depth":
            output = self.blend * _run(self.depth_blocks, entering) + (1 - self.blend) * output
        pooled: Tensor = visual._pool(output)[0]
        return pooled if visual.proj is None else pooled @ visual.proj

    def _frozen(self) -> Any:
        return _resblocks(self.clip)

    def train(self, mode: bool = True) -> "DepthAlignedCLIP":
        """Switch the depth blocks; the frozen CLIP stays in eval mode."""
        super().train(mode)
        self.clip.eval()
        return self


def _run(blocks: Iterable[nn.Module], tokens: Tensor) -> Tensor:
    for block in blocks:
        tokens = block(tokens)
    return tokens


def _resblocks(clip: OpenClip) -> Any:
    transformer = getattr(getattr(clip, "visual", None), "transformer", None)
    if transformer is None or not hasattr(transformer, "resblocks") or not hasattr(clip.visual, "_embeds"):
        raise BadInput("the depth branch needs an open_clip model whose image tower is open_clip's own ViT")
    return transformer.resblocks
