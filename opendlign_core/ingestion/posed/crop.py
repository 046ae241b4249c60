"""How a photo is scaled and cut around an object: to the pixel as ImageNet3D does it, or with its slips mended."""

import math
from dataclasses import dataclass

from opendlign_core.camera import Pose
from opendlign_core.ingestion.errors import UnreadableShape
from opendlign_core.ingestion.posed.annotations import Annotation, Box
from opendlign_core.ingestion.posed.recipe import CropRecipe

LARGEST_SCALED = 1 << 15
"""Most rows or columns that a scaled photo may have."""
FARTHEST = 4
"""How many times a photo's larger side an object's origin may lie outside of it."""
_ROUNDING = 1e-6


@dataclass(frozen=True)
class Sides:
    """Pixels at the four sides of a picture."""

    top: int = 0
    bottom: int = 0
    left: int = 0
    right: int = 0

    def listed(self) -> tuple[int, int, int, int]:
        return self.top, self.bottom, self.left, self.right


@dataclass(frozen=True)
class Crop:
    """How one photo becomes the picture of one object, and what its pose and box are there."""

    scale: float
    size: tuple[int, int]
    """Height and width of the result."""
    scaled: tuple[float, float]
    """Height and width of the whole photo once it is scaled."""
    offset: tuple[float, float]
    """Row and column of the result that the scaled photo's corner comes to."""
    padding: Sides
    """As the published annotations list it."""
    cropping: Sides
    pose: Pose
    """As it is published: nearer by the scale, with the annotated viewport, as far as perspective is weak."""
    box: Box

    @property
    def inside(self) -> Sides:
        """Rows top to bottom and columns left to right of the result that show the photo."""
        (height, width), (rows, columns), (top, left) = self.size, self.scaled, self.offset
        return Sides(
            min(height, max(0, _whole(top))),
            max(0, min(height, -_whole(-top - rows))),
            min(width, max(0, _whole(left))),
            max(0, min(width, -_whole(-left - columns))),
        )

    @property
    def exact_pose(self) -> Pose:
        """The same view with the annotated distance and a scaled viewport, which no perspective bends."""
        pose = self.pose
        return pose.model_copy(update={"distance": pose.distance * self.scale, "viewport": pose.viewport * self.scale})


def plan_crop(annotation: Annotation, height: int, width: int, recipe: CropRecipe) -> Crop:
    """The crop of an object of a photo of that height and width.

    Raises:
        UnreadableShape: the crop would show nothing of the photo, or the scaled photo could not be held.
    """
    scale = _scale(annotation.pose.distance, height, width, recipe)
    crop = (_faithful if recipe.arithmetic == "faithful" else _corrected)(annotation, height, width, scale, recipe)
    if not _is_usable(crop, recipe):
        at = f"{annotation.pose.px:g}, {annotation.pose.py:g}"
        raise UnreadableShape(f"has its origin at {at}, too far outside of the photo of {width} x {height} pixels")
    return crop


def _is_usable(crop: Crop, recipe: CropRecipe) -> bool:
    """Whether it shows something of the photo; the reference also writes black pictures, where it can hold them."""
    if recipe.arithmetic == "faithful":
        return max(*crop.padding.listed(), *crop.cropping.listed()) <= LARGEST_SCALED
    inside, (height, width), pose = crop.inside, crop.scaled, crop.pose
    top, left = crop.offset
    beyond = max(left - pose.px, pose.px - left - width, top - pose.py, pose.py - top - height)
    shown = inside.top < inside.bottom and inside.left < inside.right
    return shown and beyond <= FARTHEST * max(height, width)


def check_size(annotation: Annotation, height: int, width: int) -> None:
    """Refuse an annotation that was made on a photo of another size; raises UnreadableShape."""
    said = annotation.size or (height, width)
    if said != (height, width):
        raise UnreadableShape(f"was annotated on {said[1]} x {said[0]} pixels, but its photo has {width} x {height}")


def _scale(distance: float, height: int, width: int, recipe: CropRecipe) -> float:
    scale = distance / recipe.distance if recipe.centre else min(recipe.height / height, recipe.width / width)
    sides = (int(height * scale), int(width * scale))
    if min(sides) < 1 or max(sides) > LARGEST_SCALED:
        raise UnreadableShape(f"would be scaled to {sides[1]} x {sides[0]} pixels (its distance is {distance:g})")
    return scale


def _corrected(annotation: Annotation, height: int, width: int, scale: float, recipe: CropRecipe) -> Crop:
    """One scaling and one shift, to the fraction of a pixel, for picture, box and pose alike."""
    pose, rows, columns = annotation.pose, height * scale, width * scale
    row, column = (pose.py * scale, pose.px * scale) if recipe.centre else (rows / 2, columns / 2)
    top, left = recipe.height / 2 - row, recipe.width / 2 - column
    beyond = (top, recipe.height - top - rows, left, recipe.width - left - columns)
    return Crop(
        scale=scale,
        size=(recipe.height, recipe.width),
        scaled=(rows, columns),
        offset=(top, left),
        padding=Sides(*(max(0, _whole(side)) for side in beyond)),
        cropping=Sides(*(max(0, _whole(-side)) for side in beyond)),
        pose=_moved(pose, scale, pose.px * scale + left, pose.py * scale + top),
        box=_scaled_box(annotation.box, scale, left, top, top),
    )


def _whole(pixels: float) -> int:
    """Rounded up, but for what a sum of fractions is off."""
    return math.ceil(pixels - _ROUNDING)


def _faithful(annotation: Annotation, height: int, width: int, scale: float, recipe: CropRecipe) -> Crop:
    """The reference's arithmetic, slip by slip."""
    pose = annotation.pose
    rows, columns = int(height * scale), int(width * scale)
    row, column = (int(pose.py * scale), int(pose.px * scale)) if recipe.centre else (rows // 2, columns // 2)
    half_rows, half_columns = recipe.height // 2, recipe.width // 2
    padding = Sides(
        max(half_rows - row, 0),
        max(half_rows + row - rows, 0),
        max(half_columns - column, 0),
        max(half_columns + column - columns, 0),
    )
    padded = (rows + padding.top + padding.bottom, columns + padding.left + padding.right)
    # Centres are those before padding, so the last two are more than what is cut off.
    cropping = Sides(
        max(row - half_rows, 0),
        max(padded[0] - row - half_rows, 0),
        max(column - half_columns, 0),
        max(padded[1] - column - half_columns, 0),
    )
    size = (min(recipe.height, padded[0] - cropping.top), min(recipe.width, padded[1] - cropping.left))
    left, top = padding.left - cropping.left, padding.top - cropping.top
    middle = (recipe.width / 2, recipe.height / 2)
    principal = middle if recipe.centre else (pose.px * scale + left, pose.py * scale + top)
    return Crop(
        scale=scale,
        size=size,
        scaled=(rows, columns),
        offset=(top, left),
        padding=padding,
        cropping=cropping,
        pose=_moved(pose, scale, *principal),
        box=_scaled_box(annotation.box, scale, left, top, padding.bottom - cropping.top),
    )


def _moved(pose: Pose, scale: float, px: float, py: float) -> Pose:
    return pose.model_copy(update={"distance": pose.distance / scale, "px": px, "py": py})


def _scaled_box(box: Box, scale: float, left: float, top: float, bottom: float) -> Box:
    return (box[0] * scale + left, box[1] * scale + top, box[2] * scale + left, box[3] * scale + bottom)
