"""`opendlign pose show`: a CAD over a photo at a pose that is given, or as an annotation of ImageNet3D says it."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import numpy as np
from cyclopts import Parameter
from numpy.typing import NDArray

from opendlign.named_files import require_picture
from opendlign.show import console, plain
from opendlign_core.camera import Pose
from opendlign_core.errors import BadInput
from opendlign_core.ingestion.entry import UpAxis

if TYPE_CHECKING:
    from opendlign_core.projection.posed_pictures import Cad

UInt8 = NDArray[np.uint8]
Box = tuple[float, float, float, float]
Style = Literal["shaded", "wireframe", "both"]
TO_Z_UP: dict[str, tuple[int, int, int]] = {"z": (0, 1, 2), "y": (0, 2, 1), "x": (1, 2, 0)}
"""Which axes of a file become x, y and z."""


@dataclass(frozen=True)
class Said:
    """A pose, and what else its annotation says of the picture."""

    pose: Pose
    box: Box | None = None
    good: bool = True


def show(
    image: Path,
    /,
    *,
    cad: Annotated[Path, Parameter(help="The mesh, any format; its front faces -y")],
    annotation: Annotated[Path | None, Parameter(help="ImageNet3D's .npz, raw or preprocessed, for the pose")] = None,
    thing: Annotated[int, Parameter(help="Which object of a raw annotation")] = 0,
    azimuth: float | None = None,
    elevation: float = 0.0,
    theta: float = 0.0,
    distance: float = 4.0,
    px: float | None = None,
    py: float | None = None,
    viewport: float = 2000.0,
    up: Annotated[UpAxis, Parameter(help="The axis that points up in the mesh")] = "z",
    style: Annotated[Style, Parameter(help="What is drawn over the photo")] = "both",
    out: Path = Path("pose.png"),
) -> int:
    """Draw a CAD over a photo at a pose, to see whether it fits.

    The wireframe is ImageNet3D's own picture: all edges, hidden ones too. The shaded one hides what cannot be seen,
    inks sharp edges and names the CAD's axes.

    Parameters
    ----------
    azimuth
        Degrees: the camera is before the object at 0, and goes round to its +x.
    elevation
        Degrees above the object.
    theta
        Degrees by which the picture is turned counter-clockwise.
    distance
        From the camera to the CAD's origin, in units of the CAD.
    px
        Column where that origin is seen (default: the middle).
    py
        Row where that origin is seen (default: the middle).
    viewport
        Focal length in pixels.
    out
        Where the picture goes.
    """
    if (azimuth is None) == (annotation is None):
        raise BadInput("say the pose either by --azimuth and the other angles or by --annotation")
    require_picture(out)
    photo = read_picture(image)
    if annotation is not None:
        said = annotated(annotation, thing, photo)
    else:
        middle = (photo.shape[1] / 2 if px is None else px, photo.shape[0] / 2 if py is None else py)
        said = Said(posed((azimuth or 0.0, elevation, theta), distance, middle, viewport))
    mesh = read_cad(cad, up)
    from PIL import Image

    Image.fromarray(overlays(photo, mesh, said, style)).save(out)
    console.print(plain(f"{told(said.pose)}; {out} shows it"), soft_wrap=True)
    return 0


def read_picture(path: Path) -> UInt8:  # [H, W, 3]
    """A photo of the user's; BadInput names it where it is none."""
    from opendlign_core.ingestion.errors import UnreadableShape
    from opendlign_core.ingestion.posed.pixels import read_photo

    try:
        return np.array(read_photo(path.read_bytes()))
    except UnreadableShape as error:
        raise BadInput(f"{path} {error}") from None


def read_cad(path: Path, up: UpAxis = "z") -> "Cad":
    """A mesh of the user's with z up; BadInput for a cloud."""
    from opendlign_core.ingestion.cloud import Mesh
    from opendlign_core.ingestion.recipe import IngestExecution, IngestRecipe, SourceSpec
    from opendlign_core.ingestion.whole import read_whole
    from opendlign_core.projection.posed_pictures import Cad

    shape = read_whole(path, IngestRecipe(source=SourceSpec(adapter="folder")), IngestExecution())
    if not isinstance(shape, Mesh):
        raise BadInput(f"{path} is a cloud of points; a CAD needs triangles")
    return Cad(z_up(shape.vertices, up), shape.faces)


def z_up(vertices: NDArray[np.float32], up: UpAxis) -> NDArray[np.float32]:  # [V, 3]
    """Vertices turned so that their upper axis is z; the front of a mesh that had y up and faced +z faces -y."""
    turned = vertices[:, TO_Z_UP[up[-1]]]
    if up[-1] == "y":
        turned = turned * np.array([1, -1, 1], np.float32)
    return turned * np.array([1, -1, -1], np.float32) if up.startswith("-") else turned


def posed(angles: tuple[float, float, float], distance: float, middle: tuple[float, float], viewport: float) -> Pose:
    """A pose of angles in degrees; BadInput for what is no pose."""
    numbers = (*angles, distance, *middle, viewport)
    if not np.isfinite(numbers).all() or distance <= 0 or viewport <= 0:
        raise BadInput(
            f"distance {distance:g} and viewport {viewport:g}: both must be above 0, and all numbers of a pose finite"
        )
    azimuth, elevation, theta = np.radians(angles).tolist()
    px, py = middle
    return Pose(azimuth=azimuth, elevation=elevation, theta=theta, distance=distance, px=px, py=py, viewport=viewport)


def annotated(path: Path, number: int, photo: UInt8) -> Said:
    """What an annotation file says of one of its objects; BadInput names the file and what is wrong."""
    from opendlign_core.ingestion.errors import UnreadableShape
    from opendlign_core.ingestion.posed.annotations import LeftOut, read_any

    try:
        found = read_any(path.read_bytes())
    except UnreadableShape as error:
        raise BadInput(f"{path} {error}") from None
    if not 0 <= number < len(found):
        raise BadInput(f"{path} has {len(found)} objects; --thing takes 0 to {len(found) - 1}")
    item = found[number]
    if isinstance(item, LeftOut):
        raise BadInput(f"{path}: object {number} {item.reason}")
    if item.size not in (None, photo.shape[:2]):
        raise BadInput(f"{path} speaks of a photo of {item.size[1]} x {item.size[0]} pixels, not of this one")
    return Said(item.pose, item.box)


def overlays(photo: UInt8, mesh: "Cad", said: Said, style: Style) -> UInt8:
    """One overlay, or both side by side."""
    from opendlign_core.pictures.wireframe import boxed, wireframe
    from opendlign_core.projection.posed_pictures import shaded_overlay

    drawn = []
    if style != "wireframe":
        drawn.append(shaded_overlay(photo, mesh, said.pose))
    if style != "shaded":
        framed = photo if said.box is None else boxed(photo, said.box)
        drawn.append(wireframe(framed, mesh.vertices, mesh.faces, said.pose))
    return np.concatenate(drawn, axis=1)


def told(pose: Pose) -> str:
    """A pose in a line, in degrees."""
    azimuth, elevation, theta = np.degrees([pose.azimuth, pose.elevation, pose.theta])
    return (
        f"azimuth {azimuth:.1f}, elevation {elevation:.1f}, theta {theta:.1f} degrees, distance {pose.distance:.3g}, "
        f"origin at {pose.px:.1f}, {pose.py:.1f}, viewport {pose.viewport:g}"
    )
