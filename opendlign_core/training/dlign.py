"""CLIP embeddings of depth-aligned images, for projects that train point encoders on them."""

from typing import NamedTuple

import torch
from torch import Tensor

from opendlign_core.clip.alone import each_alone
from opendlign_core.clip.features import object_features, unit
from opendlign_core.clip.load import OpenClip
from opendlign_core.clip.pixels import images_to_input, resize_pictures
from opendlign_core.clip.precision import frozen_precision
from opendlign_core.errors import BadInput
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

    def embed(chunk: Tensor) -> Tensor:
        pixels = images_to_input(resize_pictures(chunk.to(device), recipe.clip.image_size), recipe.clip)
        with frozen_precision(recipe.precision, device):
            features: Tensor = clip.encode_image(pixels).float().cpu()
        return features

    chunks = torch.split(images.flatten(0, 1), images.shape[1] if recipe.repeatable else views_per_forward)
    # Entered here as well, because the threads below share the mode that it sets.
    with frozen_precision(recipe.precision, device):
        parts = list(each_alone(embed, chunks, device) if recipe.repeatable else map(embed, chunks))
    features = torch.cat(parts).view(*images.shape[:2], -1)
    if not torch.isfinite(features).all():
        raise BadInput(f"{recipe.clip.model} gives features that are not finite: use float32, or other weights")
    return DlignEmbeddings(unit(features), object_features(features))
