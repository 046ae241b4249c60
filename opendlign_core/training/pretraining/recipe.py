"""What the small CLIP of the mini preset is and how it is trained from scratch. Torch-free."""

from typing import Any

from pydantic import Field

from opendlign_core.clip.spec import IMAGENET_MEAN, IMAGENET_STD
from opendlign_core.recipe import FrozenMapping, Recipe


def mini_architecture(
    *, image_size: int = 64, patch_size: int = 8, width: int = 128, layers: int = 4, embed_dim: int = 64
) -> dict[str, Any]:
    """An open_clip configuration that fits 10 MB in float16: 1 million parameters for pixels, 3.3 million for words.

    The text tower keeps open_clip's whole vocabulary, which is most of the file, at width 64 and 32 tokens.
    """
    return {
        "embed_dim": embed_dim,
        "vision_cfg": {
            "image_size": image_size,
            "patch_size": patch_size,
            "width": width,
            "layers": layers,
            "head_width": 32,
        },
        "text_cfg": {"context_length": 32, "vocab_size": 49408, "width": 64, "heads": 2, "layers": 2},
    }


class PretrainRecipe(Recipe):
    """Contrastive training of a small CLIP on (image, caption) pairs."""

    architecture: FrozenMapping[Any] = Field(default_factory=mini_architecture, validate_default=True)
    mean: tuple[float, float, float] = IMAGENET_MEAN
    std: tuple[float, float, float] = IMAGENET_STD
    steps: int = Field(default=1000, ge=1)
    batch_size: int = Field(default=128, ge=2)
    peak_lr: float = Field(default=1e-3, gt=0)
    warmup: float = Field(default=0.1, gt=0, lt=1)
    beta1: float = Field(default=0.9, ge=0, lt=1)
    beta2: float = Field(default=0.98, ge=0, lt=1)
    weight_decay: float = Field(default=0.1, ge=0, description="on matrices only")
    max_logit_scale: float = Field(default=100.0, gt=1, description="CLIP's bound on the learned temperature")
    patches: float = Field(
        default=0.0, ge=0, description="weight of the loss that asks the patches what it asks the image"
    )
    unmixed: int = Field(default=3, ge=1, description="last blocks in which those patches see only themselves")
    seed: int = 0
