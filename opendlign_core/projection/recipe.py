"""What a projection is, as data: views, grid, densify, smooth. Nothing in here imports torch."""

from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, Field, model_validator

from opendlign_core.errors import BadInput
from opendlign_core.recipe import SETTINGS, Execution, Recipe
from opendlign_core.samples.places import Lookup

STAGE_VERSION = 1

Euler = tuple[float, float, float]
"""Degrees (a, b, c) of the rotation X(a) Y(b) Z(c), each about its own axis, right-handed, on column vectors."""

View = tuple[Euler, ...]
"""Rotations applied one after the other; afterwards +x points down the image, +y right, +z at the observer."""

Cells = tuple[int, int, int]
"""Extent along (slice, row, column)."""


class _Part(BaseModel):
    model_config = SETTINGS


class WindowMax(_Part):
    """Every cell takes the nearest value within `window`; `padding` cells of nothing surround the grid.

    The native image has `size + 2 * padding - window + 1` rows and columns.
    """

    kind: Literal["window-max"] = "window-max"
    window: Cells = Field(default=(1, 7, 7), description="cells along (slice, row, column)")
    padding: Cells = Field(default=(0, 3, 3), description="empty cells around the grid along (slice, row, column)")


class WeightedSplat(_Part):
    """Every point covers `window` x `window` pixels; a pixel is the mean depth, near points weighing more."""

    kind: Literal["weighted-splat"] = "weighted-splat"
    window: int = Field(default=5, ge=1, description="pixels along a side")


class Gaussian(_Part):
    """A normalised Gaussian over `window`; outside the grid is background."""

    kind: Literal["gaussian"] = "gaussian"
    window: Cells = Field(default=(1, 3, 3), description="cells along (slice, row, column)")
    sigma: tuple[float, float, float] = Field(default=(1.0, 3.0, 3.0), description="cells, along the same axes")


class Bilateral(_Part):
    """A bilateral filter over `window`; outside the grid is background.

    `disc` drops the cells farther than the window's radius, as OpenCV does; `square` keeps them all.
    """

    kind: Literal["bilateral"] = "bilateral"
    window: Cells = Field(default=(1, 5, 5), description="cells along (slice, row, column)")
    sigma_space: float = Field(default=2.823, gt=0, description="in cells")
    sigma_value: float = Field(default=2.823, gt=0, description="in differences of depth")
    support: Literal["disc", "square"] = Field(default="disc", description="which cells of the window count")


Densify = Annotated[WindowMax | WeightedSplat, Field(discriminator="kind")]
Smooth = Annotated[Gaussian | Bilateral, Field(discriminator="kind")]


class ProjectionRecipe(Recipe):
    """Everything that decides the depth maps of a cloud."""

    views: tuple[View, ...] = Field(min_length=1)
    """One list per depth map: rotations in degrees, applied one after the other."""
    size: int = Field(ge=8, le=2048, description="rows and columns of the grid")
    slices: int = Field(default=8, ge=3, le=512, description="depth slices of the grid")
    scale: float = Field(gt=0, le=1, description="in-plane size of the object; 1 fills the image")
    depth_bias: float = Field(default=0.2, ge=0, description="distance of the farthest point from nothing")
    densify: Densify = Field(default=WindowMax(), description="how points become surfaces")
    smooth: Smooth | None = Field(default=None, description="the filter over the dense grid; none leaves it out")
    collision: Literal["nearest", "last"] = Field(
        default="nearest", description="which point of a cell counts: the nearest, or the last in input order"
    )
    first_points: int | None = Field(
        default=None,
        ge=2,
        description="how many of a cloud's points are projected, the first; none for all",
        json_schema_extra={"added": True},
    )
    places: tuple[Lookup, ...] = Field(default=(), json_schema_extra={"added": True})
    """Look-ups that tell whether a map shows a point; with any of them, pixels of points are kept beside the maps."""
    median: int = Field(default=0, ge=0, description="odd window of a closing median filter; 0 leaves it out")

    @model_validator(mode="after")
    def _windows_fit(self) -> Self:
        if self.median and self.median % 2 == 0:
            raise ValueError(f"median must be odd or 0, got {self.median}")
        if self.smooth is not None and any(extent % 2 == 0 for extent in self.smooth.window):
            raise ValueError(f"a smoothing window must be odd along every axis, got {self.smooth.window}")
        if isinstance(self.densify, WindowMax):
            self._check_window(self.densify)
        return self

    @model_validator(mode="after")
    def _places_have_maps_of_their_own(self) -> Self:
        if self.places and isinstance(self.densify, WeightedSplat):
            raise ValueError("places are kept of recipes whose points cover a window, not of weighted splats")
        if self.places and self.median:
            raise ValueError("places are kept of maps as points make them: leave the median filter out (median=0)")
        return self

    def _check_window(self, densify: WindowMax) -> None:
        depth, rows, columns = densify.window
        if rows != columns or densify.padding[1] != densify.padding[2]:
            raise ValueError(f"the window must be square in the image plane, got {densify.window}")
        if self.smooth is not None and self.smooth.window[1] != self.smooth.window[2]:
            raise ValueError(f"the smoothing window must be square in the image plane, got {self.smooth.window}")
        if densify.padding[0] * 2 + 1 != depth:
            raise ValueError(f"along depth the window must be centred: {depth} slices need padding {depth // 2}")
        if densify.padding[1] >= rows or rows > self.size:
            raise ValueError(f"padding {densify.padding[1]} and window {rows} do not fit a grid of {self.size}")

    def replace(self, **changes: Any) -> Self:
        """Return this recipe with some fields changed, validated anew: `recipe.replace(size=96)`."""
        return self.model_validate(self.model_dump() | changes)

    @property
    def image_shift(self) -> int:
        """What is added to a grid cell's row or column to get the pixel that is centred on it."""
        if isinstance(self.densify, WeightedSplat):
            return 0
        return self.densify.padding[1] - (self.densify.window[1] - 1) // 2

    @property
    def image_size(self) -> int:
        """Rows and columns of the native image."""
        if isinstance(self.densify, WeightedSplat):
            return self.size
        return self.size + 2 * self.densify.padding[1] - self.densify.window[1] + 1


class ProjectionExecution(Execution):
    """How clouds are projected; none of it changes a byte of the CPU result."""

    backend: Literal["auto", "torch", "triton"] = "auto"
    """`auto`: triton on a GPU, else torch."""
    device: str = Field(default="auto", description="auto, cpu, cuda or cuda:N")
    batch_size: int = Field(default=16, ge=1, description="clouds projected together")
    encode_workers: int = Field(default=2, ge=1, description="threads that encode depth maps")
    prefetch: int = Field(default=2, ge=1, description="batches prepared ahead of the computation")


def _ring(azimuths: tuple[float, ...], elevation: float) -> tuple[View, ...]:
    return tuple(((azimuth, 0.0, 90.0), (0.0, elevation, 0.0)) for azimuth in azimuths)


def _opendlign_views() -> tuple[View, ...]:
    return _ring(tuple(range(30, 300, 30)), 20.0) + _ring((300.0,), 12.0)


def _pointclip_v2_views() -> tuple[View, ...]:
    poles: tuple[View, ...] = (((0.0, -90.0, 90.0), (0.0, 12.0, 0.0)), ((0.0, 90.0, 90.0), (0.0, 12.0, 0.0)))
    return _ring((45.0, 135.0, 225.0, 315.0, 0.0, 90.0, 180.0, 270.0), 20.0) + poles


def _pointclip_v2_seg_views() -> tuple[View, ...]:
    tilt: Euler = (0.0, 20.0, 0.0)
    quarters = (0.0, 90.0, 180.0, 270.0)
    diagonal: tuple[View, ...] = tuple(((q, 0.0, 90.0), (45.0, 0.0, 0.0), tilt) for q in quarters)
    straight: tuple[View, ...] = tuple(((q, 0.0, 90.0), (0.0, 0.0, 0.0), tilt) for q in quarters)
    poles: tuple[View, ...] = tuple(((0.0, b, 90.0), (12.0, 0.0, 0.0), (0.0, 12.0, 0.0)) for b in (-90.0, 90.0))
    return diagonal + straight + poles


def _pointclip_views() -> tuple[View, ...]:
    return (*_ring((0.0, 90.0, 180.0, 270.0), 0.0), ((0.0, -90.0, 90.0),), ((0.0, 90.0, 90.0),))


RECIPES: dict[str, ProjectionRecipe] = {
    "opendlign": ProjectionRecipe(views=_opendlign_views(), size=224, scale=0.9, smooth=Bilateral()),
    "opendlign-3d": ProjectionRecipe(
        views=_opendlign_views(),
        size=224,
        scale=0.9,
        densify=WindowMax(window=(7, 7, 7), padding=(3, 3, 3)),
        smooth=Bilateral(window=(5, 5, 5), support="square"),
    ),
    "pointclip-v2": ProjectionRecipe(
        views=_pointclip_v2_views(),
        size=112,
        scale=0.8,
        densify=WindowMax(window=(1, 7, 7), padding=(0, 2, 2)),
        smooth=Gaussian(),
        first_points=1024,
    ),
    "pointclip-v2-seg": ProjectionRecipe(
        views=_pointclip_v2_seg_views(),
        size=224,
        slices=112,
        scale=0.7,
        depth_bias=0.3,
        densify=WindowMax(window=(5, 11, 11), padding=(2, 5, 5)),
        smooth=Gaussian(window=(5, 5, 5), sigma=(2.0, 1.0, 1.0)),
        collision="last",
    ),
    "pointclip": ProjectionRecipe(views=_pointclip_views(), size=224, scale=0.9, densify=WeightedSplat(), smooth=None),
}
"""The published recipes; `RECIPES["opendlign"].replace(size=96)` makes a smaller one."""


def resolve_recipe(recipe: "str | ProjectionRecipe") -> ProjectionRecipe:
    """Return the recipe of that name, or the recipe itself; raise `BadInput` for an unknown name."""
    if isinstance(recipe, ProjectionRecipe):
        return recipe
    if recipe not in RECIPES:
        raise BadInput(f"unknown projection recipe {recipe!r}; choose one of {', '.join(sorted(RECIPES))}")
    return RECIPES[recipe]
