"""What training the depth branch is made of: the CLIP it starts from, its token cache, its schedule. Torch-free.

The defaults of `TrainRecipe` are the constants of the published training script; where script and paper differ the
script's value is the default and the paper's is an option. Each field says where its value comes from.
"""

from typing import Any, Literal, Self

from pydantic import Field, model_validator

from opendlign_core.clip.spec import OFFICIAL_MODELS, ClipSpec, Dtype, Precision
from opendlign_core.errors import BadInput
from opendlign_core.recipe import Recipe

STAGE_VERSION = 1
CACHE_STAGE_VERSION = 1


class CacheRecipe(Recipe):
    """Everything the bytes of the token cache depend on, besides the aligned shards it is computed from."""

    clip: ClipSpec = ClipSpec()
    blocks: int = Field(default=1, ge=1)
    dtype: Dtype = "float32"
    precision: Precision = "float32"
    repeatable: bool = Field(default=False, json_schema_extra={"added": True})
    """Every object by itself: the same bytes whatever the batch and, on a CPU, the number of threads."""


class TrainRecipe(Recipe):
    """How the depth block is trained. The defaults reproduce the reference's ViT-H-14 run."""

    clip: ClipSpec = ClipSpec()
    trainer: Literal["cached", "plain"] = "cached"
    """`cached` trains on frozen tokens computed once, `plain` runs the frozen tower at every step: the same result."""

    blocks: int = Field(
        default=1, ge=1, description="copied last blocks in the depth branch (paper: 1; ablation: 2, 3)"
    )
    blend: float = Field(default=0.5, gt=0, le=1, description="share of the depth branch in the average (reference)")

    epochs: int = Field(default=10, ge=1, description="passes over the training objects (reference: 10)")
    batch_size: int = Field(default=60, ge=1, description="objects per step (reference: 60 to 128, by model)")
    seed: int = Field(default=42, description="of the order of objects and of every draw (reference: 42)")
    shuffle_shards: int | None = Field(default=None, ge=1)
    """Shards mixed at a time; None is the reference's uniform shuffle, a number suits caches larger than memory."""
    augment: Literal["none", "flip"] = "none"
    """`flip` mirrors an object's views, with the plain trainer alone (reference: none)."""

    peak_lr: float = Field(default=3e-4, gt=0)
    """Highest learning rate (reference and paper; the script's own lr of 3e-5 never takes effect)."""
    warmup: float = Field(default=0.3, gt=0, lt=1, description="share of the steps that the learning rate rises")
    start_divisor: float = Field(default=25.0, gt=0, description="first learning rate = peak / this (OneCycle)")
    end_divisor: float = Field(default=1e4, gt=0, description="last learning rate = first / this (OneCycle)")
    beta1_low: float = Field(default=0.85, ge=0, lt=1)
    """AdamW's first momentum at the peak (OneCycle default; the script's 0.9 never takes effect)."""
    beta1_high: float = Field(default=0.95, ge=0, lt=1, description="the same at both ends (OneCycle default)")
    beta2: float = Field(default=0.98, ge=0, lt=1, description="AdamW's second momentum (reference)")
    eps: float = Field(default=1e-8, gt=0, description="AdamW's epsilon (reference)")
    weight_decay: float = Field(default=0.1, ge=0, description="of weights and, as in the reference, of biases")

    contrastive_weight: float = Field(default=1.0, ge=0, description="weight of the contrastive loss (reference)")
    distance: Literal["mse", "l2"] = "mse"
    """Reference: mean over all entries; paper: L2 norm of the difference."""
    distance_weight: float = Field(default=1.0, ge=0, description="weight of the distance loss (reference)")
    temperature: Literal["frozen", "learned"] = "frozen"
    """Reference: never unfrozen; paper: learnable."""

    precision: Precision = "float32"
    """Of the frozen tower; reference: float32 (TF32 on the authors' card)."""
    cache_dtype: Dtype = "float32"
    """Of the cached tokens; float32 where weights must match the reference's."""

    repeatable: bool = Field(default=False, json_schema_extra={"added": True})
    """Of the cached tokens: the same bytes whatever batch and threads; without it, the last bits may differ."""

    validate_every: int = Field(default=1, ge=0, description="epochs between validations, 0 for never (reference: 1)")
    patience: int | None = Field(default=None, ge=1, description="validations without progress before stopping early")

    @classmethod
    def official(cls, model: str = "ViT-H-14-quickgelu", **changes: Any) -> Self:
        """Return the reference's recipe for one of its four models, with any field changed."""
        if model not in OFFICIAL_MODELS:
            raise BadInput(f"no published recipe for {model!r}; choose one of {', '.join(OFFICIAL_MODELS)}")
        official = OFFICIAL_MODELS[model]
        clip = ClipSpec(model=model, weights=official.tag, revision=official.revision)
        return cls(**{"clip": clip, "batch_size": official.batch_size, **changes})

    def cache_recipe(self) -> CacheRecipe:
        """Return the part of this recipe that the token cache depends on."""
        return CacheRecipe(
            clip=self.clip,
            blocks=self.blocks,
            dtype=self.cache_dtype,
            precision=self.precision,
            repeatable=self.repeatable,
        )

    @model_validator(mode="after")
    def _augmentation_needs_pixels(self) -> Self:
        if self.augment != "none" and self.trainer == "cached":
            raise ValueError("augment needs pixels at every step: set trainer='plain', or augment='none'")
        return self
