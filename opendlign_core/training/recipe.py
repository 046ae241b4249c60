"""What embeds images for other projects, and how training uses its machine. Torch-free."""

from typing import Literal

from pydantic import Field

from opendlign_core.clip.spec import ClipSpec, Precision
from opendlign_core.recipe import Execution, Recipe

DLIGN_STAGE_VERSION = 1


class DlignRecipe(Recipe):
    """Which CLIP embeds the depth-aligned images for point-encoder projects to train on."""

    clip: ClipSpec = ClipSpec()
    precision: Precision = Field(default="float32", description="of the image encoder")
    repeatable: bool = Field(default=False, json_schema_extra={"added": True})
    """Every object by itself: the same bytes whatever the batch and, on a CPU, the number of threads."""


class TrainExecution(Execution):
    """How a training run uses its machine; none of it changes the result beyond rounding."""

    device: str = Field(default="auto", description="auto, cpu, cuda or cuda:N")
    objects_per_forward: int = Field(default=8, ge=1, description="objects that pass the frozen tower together")
    cache_placement: Literal["auto", "device", "host"] = "auto"
    """Where the cached tokens lie while training; auto takes the device where they fit."""
    checkpoint_every_steps: int | None = Field(default=None, ge=1, description="beside the one after each epoch")
    keep_checkpoints: int = Field(default=3, ge=1, description="older ones are removed")
    log_every: int = Field(default=3, ge=1, description="steps averaged into one line of metrics (reference: 3)")
    tensorboard: bool = Field(default=False, description="write event files beside the metrics")
