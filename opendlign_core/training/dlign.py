"""CLIP embeddings of depth-aligned images, for projects that train point encoders on them."""

from typing import NamedTuple

import torch
from torch import Tensor

from opendlign_core.clip.features import object_features, unit
from opendlign_core.clip.load import OpenClip
from opendlign_core.clip.pixels import images_to_input, resize_pictures
from opendlign_core.clip.precision import frozen_precision
from opendlign_core.training.recipe import DlignRecipe


class DlignEmbeddings(NamedTuple):
    """Unit embeddings in float32 on the CPU: of every image [B, V, E], and of every object [B, E]."""

    views: Tensor
    objects: Tensor


def embed_images(clip: OpenClip, images: Tensor, recipe: DlignRecipe, views_per_forward: int = 80) -> DlignEmbeddings:
    """Embed uint8 depth-aligned images [B, V, H, W, 3] with any open_clip model, on the model's device.

    Images of another size than the model's are resized as open_clip does it, bicubic with antialiasing.
    """
    device = next(clip.parameters()).device
    parts = []
    for chunk in torch.split(images.flatten(0, 1), views_per_forward):
        pixels = images_to_input(resize_pictures(chunk.to(device), recipe.clip.image_size), recipe.clip)
        with frozen_precision(recipe.precision, device):
            parts.append(clip.encode_image(pixels).float().cpu())
    features = torch.cat(parts).view(*images.shape[:2], -1)
    return DlignEmbeddings(unit(features), object_features(features))
