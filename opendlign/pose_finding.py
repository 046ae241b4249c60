"""`opendlign pose find`: the pose of a thing in a photo, by comparing views of its CAD with it."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import numpy as np
from cyclopts import Parameter

from opendlign.named_files import require_picture, shape_files
from opendlign.posed import Box, Said, UInt8, overlays, read_cad, read_picture, told
from opendlign.show import console, plain
from opendlign_core.camera import Pose
from opendlign_core.errors import BadInput
from opendlign_core.ingestion.entry import UpAxis

if TYPE_CHECKING:
    from torch import Tensor

    from opendlign_core.evaluation.pose.comparing.search import ComparedPose
    from opendlign_core.pose import Floats
    from opendlign_core.projection.posed_pictures import Cad

SIDE = 56
"""Rows and columns of what is compared."""
AROUND = 0.35
"""How much of the photo is looked at around the box, in shares of its larger side."""
MANY = 5_000
"""A CAD of more triangles is compared as a coarser one."""


@dataclass(frozen=True)
class Found:
    """The best pose of one CAD."""

    path: Path
    cad: "Cad"
    pose: Pose
    compared: "ComparedPose"


def find(
    image: Path,
    /,
    *,
    cad: Annotated[Path, Parameter(help="The mesh, or a folder of which the one that fits best is taken")],
    box: Annotated[tuple[float, float, float, float] | None, Parameter(help="Left, top, right, bottom")] = None,
    mask: Annotated[Path | None, Parameter(help="A picture that is bright where the thing is")] = None,
    up: Annotated[UpAxis, Parameter(help="The axis that points up in the mesh")] = "z",
    out: Path = Path("pose.png"),
) -> int:
    """Find how the thing in a photo is turned, given its CAD; nothing is trained.

    Views from all around are ranked by how well their outlines divide the photo's colours, or fit a mask, and the best
    are turned until they fit. Say where the thing is by a box or a mask: without either it is taken to fill all but a
    tenth of the photo at each side. Fronts that outline as their backs do are easily taken for them.

    Parameters
    ----------
    out
        Where the picture of the CAD over the photo goes.
    """
    require_picture(out)
    photo = read_picture(image)
    shown = read_picture(mask) if mask is not None else None
    if shown is not None and shown.shape != photo.shape:
        sizes = [f"{one.shape[1]} x {one.shape[0]}" for one in (shown, photo)]
        raise BadInput(f"{mask} has {sizes[0]} pixels, but {image} has {sizes[1]}")
    where = checked_box(box or _box_of(shown, photo, mask), photo)
    looked_at = photo if shown is None else np.where(shown > 127, 255, 0).astype(np.uint8)
    found = max(
        (find_one(path, looked_at, where, up) for path in shape_files([cad])), key=lambda one: one.compared.fit
    )
    from PIL import Image

    Image.fromarray(overlays(photo, found.cad, Said(found.pose, where), "shaded")).save(out)
    fit = f"its outline tells {found.compared.fit:.0%} of what it could of the {'mask' if mask else 'colours'}"
    console.print(plain(f"{found.path.name}: {told(found.pose)}; {fit}; {out} shows it"), soft_wrap=True)
    return 0


def find_one(path: Path, photo: UInt8, box: Box, up: UpAxis) -> Found:
    """The best pose of the CAD in a file."""
    import torch

    from opendlign_core.evaluation.pose.comparing.colours import Colours
    from opendlign_core.evaluation.pose.comparing.recipe import ComparisonRecipe
    from opendlign_core.evaluation.pose.comparing.search import compare
    from opendlign_core.projection.layers import depth_maps, seen_depth
    from opendlign_core.projection.layers.aligned import Window
    from opendlign_core.projection.layers.fitting import coarse, pose_in_box

    cad, recipe = read_cad(path, up), ComparisonRecipe()
    vertices, faces = coarse(cad.vertices, cad.faces) if len(cad.faces) > MANY else (cad.vertices, cad.faces)
    used = np.asarray(vertices[np.unique(faces)], np.float64)
    side = int(np.ceil(max(box[2] - box[0], box[3] - box[1]) * (1 + 2 * AROUND)))
    window = Window(round((box[1] + box[3] - side) / 2), round((box[0] + box[2] - side) / 2), side)

    def draw(angles: "Floats") -> "Tensor":
        poses = [window.seen_through(pose_in_box(used, one, box), SIDE) for one in angles]
        return depth_maps(seen_depth(vertices, faces, poses, (SIDE, SIDE)))

    within = window.of(np.zeros(photo.shape[:2], np.uint8), SIDE, fill=1) == 0
    with torch.no_grad():
        best = compare(Colours.of(window.of(photo, SIDE), recipe.colours, within), draw, recipe)[0]
    return Found(path, cad, pose_in_box(used, best.angles, box), best)


def checked_box(box: Box, photo: UInt8) -> Box:
    """The box, if the photo shows some of it; raises BadInput."""
    left, top, right, bottom = box
    height, width = photo.shape[:2]
    if not (left < right and top < bottom and left < width and top < height and right > 0 and bottom > 0):
        raise BadInput(
            f"box {left:g} {top:g} {right:g} {bottom:g}: left, top, right and bottom of a place in a photo of "
            f"{width} x {height} pixels are needed"
        )
    return box


def _box_of(mask: UInt8 | None, photo: UInt8, named: Path | None) -> Box:
    """The box of a mask; without one, all of the photo but a tenth at each side."""
    height, width = photo.shape[:2]
    if mask is None:
        return width / 10, height / 10, width * 9 / 10, height * 9 / 10
    rows, columns = np.nonzero(mask.max(-1) > 127)
    if not len(rows):
        raise BadInput(f"{named} is dark everywhere: a mask is bright where the thing is")
    return float(columns.min()), float(rows.min()), float(columns.max() + 1), float(rows.max() + 1)
