"""What a synthesis will cost, said before it starts."""

from dataclasses import dataclass

from opendlign_core.samples.recipe import ImageRecipe
from opendlign_core.synthesis.recipe import SynthesisRecipe

_BYTES = {"webp": 11_000, "jpeg": 20_000, "png": 100_000}
_SIDE = 224


def image_bytes(image: ImageRecipe, size: int = _SIDE) -> int:
    """Typical size of one image at quality 90; a measured figure is better."""
    return round(_BYTES[image.format] * (size / _SIDE) ** 2)


@dataclass(frozen=True)
class CostEstimate:
    """Device time and storage of a synthesis; times are in seconds of one device unless they say hours."""

    images: int
    gpu_hours: float
    image_bytes: int
    shards: int
    shard_seconds: float
    """The work lost with a worker: at most one shard."""

    def sentence(self) -> str:
        """The estimate in words."""
        return (
            f"{self.images:,} images: {self.gpu_hours:,.2f} device hours ({self.images_per_hour:,.0f} images per "
            f"device hour) and {self.image_bytes / 1e9:,.2f} GB in {self.shards:,} shards; "
            f"a lost worker costs at most {self.shard_seconds:,.0f} s of work."
        )

    @property
    def images_per_hour(self) -> float:
        """Images of one device in an hour."""
        return self.images / self.gpu_hours if self.gpu_hours else 0.0


def estimate_cost(
    recipe: SynthesisRecipe,
    images_per_second: float,
    objects: int,
    views: int,
    bytes_per_image: float | None = None,
) -> CostEstimate:
    """The cost of `objects` x `views` images at a measured rate of one device.

    Rejections are not foreseen: a gate that rejects a tenth of the images makes the run about a tenth longer.
    """
    if images_per_second <= 0:
        raise ValueError(f"images_per_second must be positive, not {images_per_second}: measure a few batches first")
    images = objects * views
    size = bytes_per_image if bytes_per_image is not None else image_bytes(recipe.image)
    return CostEstimate(
        images=images,
        gpu_hours=images / images_per_second / 3600,
        image_bytes=round(images * size),
        shards=-(-objects // recipe.shard_size),
        shard_seconds=min(recipe.shard_size, objects) * views / images_per_second,
    )
