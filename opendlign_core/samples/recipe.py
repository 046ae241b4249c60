"""How samples are stored, where there is a choice."""

from typing import Literal

from pydantic import Field

from opendlign_core.recipe import Recipe


class ImageRecipe(Recipe):
    """How images are stored."""

    format: Literal["webp", "jpeg", "png"] = "webp"
    """JPEG is encoded some eight times as fast as WebP."""
    quality: int = Field(90, ge=1, le=100)
    """Of the lossy formats; PNG is lossless and ignores it."""

    @property
    def extension(self) -> str:
        return {"webp": "webp", "jpeg": "jpg", "png": "png"}[self.format]
