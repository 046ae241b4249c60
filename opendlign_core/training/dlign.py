"""CLIP embeddings of depth-aligned images, for projects that train point encoders on them."""

from typing import NamedTuple

import torch
from torch import Tensor

from opendlign_core.training.clip import OpenClip
from opendlign_core.training.losses import object_features
from opendlign_core.training.precision import frozen_precision
from opendlign_core.training.preprocess import images_to_input
from opendlign_core.training.recipe import DlignRecipe


class DlignEmbeddings(NamedTuple):
    """Unit embeddings in float32 on the CPU: of every image [B, V, E], and of every object [B, E]."""

    views: Tensor
    objects: Tensor


def embed_images(clip: OpenClip, images: Tensor, recipe: DlignRecipe, views_per_forward: int = 80) -> DlignEmbeddings:
    """Embed uint8 depth-aligned images [B, V, H, W, 3] with any open_clip model, on the model's device."""
    device = next(clip.parameters()).device
    parts = []
    for chunk in torch.split(images.flatten(0, 1), views_per_forward):
        pixels = images_to_input(chunk.to(device), recipe.clip)
        with frozen_precision(recipe.precision, device):
            parts.append(clip.encode_image(pixels).float().cpu())
    features = torch.cat(parts).view(*images.shape[:2], -1)
    return DlignEmbeddings(torch.nn.functional.normalize(features, dim=-1), object_features(features))
