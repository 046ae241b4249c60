"""A photo and the depth of its CAD at the annotated pose: real pairs to align, in place of painted ones."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from opendlign_core.camera import Pose
from opendlign_core.errors import BadInput
from opendlign_core.projection.layers.posed import depth_maps, seen_depth
from opendlign_core.projection.layers.recipe import AlignRecipe
from opendlign_core.samples import Painted, PaintedMeta, PosedPhoto, encode_depth, encode_image

MOST_TIMES = 8
"""How many times as large as its photo a CAD may be seen."""


@dataclass(frozen=True)
class Window:
    """A square of a photo, in whole pixels; parts of it may lie outside."""

    top: int
    left: int
    side: int

    def seen_through(self, pose: Pose, size: int) -> Pose:
        """The same camera, in pixels of the window scaled to `size`."""
        scale = size / self.side
        place = {"px": (pose.px - self.left) * scale, "py": (pose.py - self.top) * scale}
        return pose.model_copy(update={**place, "viewport": pose.viewport * scale})

    def of(self, picture: NDArray[np.generic], size: int, fill: int = 0) -> NDArray[Any]:  # [H, W, ...] uint8 or bool
        """What a picture shows in the window, scaled to `size` and smoothed where it shrinks; outside is `fill`."""
        square = np.full((self.side, self.side, *picture.shape[2:]), fill, np.uint8)
        rows, into_rows = _shared(self.top, self.side, picture.shape[0])
        columns, into_columns = _shared(self.left, self.side, picture.shape[1])
        square[into_rows, into_columns] = picture[rows, columns]
        return np.asarray(Image.fromarray(square).resize((size, size), Image.Resampling.BICUBIC))


def _shared(first: int, side: int, length: int) -> tuple[slice, slice]:
    """What a window and a picture share along one axis, in numbers of the picture and of the window."""
    start, stop = max(0, first), min(length, first + side)
    stop = max(start, stop)
    return slice(start, stop), slice(start - first, stop - first)


def window_around(vertices: NDArray[np.floating[Any]], pose: Pose, margin: float) -> Window:
    """The square about a CAD [N, 3] as its photo shows it; raises BadInput where it reaches behind the camera."""
    if float(pose.depths(vertices).min()) <= 0:
        raise BadInput("its CAD reaches behind the camera: the distance is too small for it")
    places = pose.project(vertices)
    low, high = places.min(0), places.max(0)
    side = int(np.ceil((high - low).max() * (1 + 2 * margin)))
    left, top = np.round((low + high - side) / 2).astype(int).tolist()
    return Window(top, left, max(side, 1))


def aligned_photo(
    photo: PosedPhoto,
    vertices: NDArray[np.floating[Any]],  # [N, 3] of its CAD, z up
    faces: NDArray[np.integer[Any]],  # [F, 3]
    recipe: AlignRecipe,
) -> Painted:
    """The part of a photo about its CAD, and the CAD's depth there: a sample of one view, as painted ones are.

    Where the photo ends the depth map shows nothing either.

    Raises:
        BadInput: the photo holds too little of the CAD, or the camera stands inside of it.
    """
    window = window_around(vertices[np.unique(faces)], photo.meta.pose, recipe.margin)
    if window.side > MOST_TIMES * max(photo.meta.height, photo.meta.width):
        raise BadInput(f"its CAD is {window.side} pixels large there, far beyond its photo")
    pose = window.seen_through(photo.meta.pose, recipe.size)
    depth = seen_depth(vertices, faces, [pose], (recipe.size, recipe.size))
    outside = torch.from_numpy(window.of(photo.padding(), recipe.size, fill=1) > 0)
    shown = torch.where(outside, torch.inf, depth)
    share = float(shown.isfinite().sum()) / max(1, int(depth.isfinite().sum()))
    if not shown.isfinite().any() or share < recipe.least_shown:
        raise BadInput(f"its photo holds {share:.0%} of its CAD, less than the {recipe.least_shown:.0%} asked for")
    picture = encode_image(window.of(photo.picture(), recipe.size), recipe.image)
    maps = depth_maps(shown, recipe.depth_bias).numpy()
    meta = PaintedMeta.of(photo.meta, views=1, size=recipe.size, window=(window.top, window.left, window.side))
    return Painted(meta, encode_depth(maps), (picture,), recipe.image.extension)
