"""How views of a CAD are compared with a photo. Nothing in here imports torch."""

from pydantic import Field

from opendlign_core.recipe import Recipe


class ComparisonRecipe(Recipe):
    """First views all around, then the best of them turned until their silhouettes fit. Angles are in degrees."""

    azimuths: int = Field(default=36, ge=1, description="views around the thing, evenly")
    elevations: tuple[float, ...] = (-10.0, 5.0, 20.0, 35.0, 55.0)
    thetas: tuple[float, ...] = (0.0,)
    colours: int = Field(default=16, ge=2, le=256, description="classes that the photo's colours fall into")
    kept: int = Field(default=5, ge=1, description="views that are refined")
    apart: float = Field(default=25.0, ge=0, description="least turn between two of them")
    steps: tuple[float, ...] = (8.0, 4.0, 2.0, 1.0)
    """By how much all three angles are turned at a time, twice each."""
    likeness: float = Field(default=0.003, ge=0)
    """What a deviation of the embedding's cosine over all views is worth, in nats a pixel of what silhouettes tell."""
