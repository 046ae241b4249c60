"""Draws the pictures of pose.md and prints its numbers: `python -m docs.pose_pictures`."""

import io
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from bench.pose_comparing import photos_to_pose, poses_in
from opendlign_core.camera import Pose
from opendlign_core.ingestion.posed.annotations import Annotation, annotation_of
from opendlign_core.ingestion.posed.crop import Crop, plan_crop
from opendlign_core.ingestion.posed.painted.cads import POSED, PaintedCad, build_cad
from opendlign_core.ingestion.posed.painted.photo import paint_photo
from opendlign_core.ingestion.posed.published import cropped
from opendlign_core.ingestion.posed.recipe import CropRecipe
from opendlign_core.pictures import contact_sheet
from opendlign_core.pictures.wireframe import boxed, wireframe
from opendlign_core.pose import pose_error
from opendlign_core.projection.layers.aligned import Window
from opendlign_core.projection.posed_pictures import Cad, shaded_overlay

IMAGES = Path(__file__).parent / "images"
UInt8 = NDArray[np.uint8]
LABEL, NUMBER = "car", 3


def example() -> tuple[Image.Image, Annotation, PaintedCad]:
    """A photo whose object stands far from the middle, so that crops need padding above or below it."""
    for attempt in range(200):
        painted = paint_photo(0, f"docs-{attempt}", LABEL, NUMBER, POSED)
        found = annotation_of(painted.rows[0], 0)
        photo = Image.open(io.BytesIO(painted.jpeg)).convert("RGB")
        if len(painted.rows) > 1 or not isinstance(found, Annotation) or found.status != "status_good":
            continue
        if abs(found.pose.py / photo.height - 0.5) > 0.1 and photo.width > photo.height:
            return photo, found, build_cad(0, LABEL, NUMBER)
    raise LookupError("no photo of the kind among the first 200")


def crop_of(photo: Image.Image, found: Annotation, recipe: CropRecipe) -> tuple[UInt8, Crop]:
    crop = plan_crop(found, photo.height, photo.width, recipe)
    return cropped(photo, crop, recipe), crop


def strip() -> Image.Image:
    photo, found, painted = example()
    cad = painted.mesh
    size = {"height": 512, "width": 640, "distance": 6.0}
    slips, faithful = crop_of(photo, found, CropRecipe(**size, arithmetic="faithful"))
    mended, corrected = crop_of(photo, found, CropRecipe(**size))
    pictures = [
        boxed(np.asarray(photo), found.box),
        wireframe(boxed(slips, faithful.box), cad.vertices, cad.faces, faithful.pose),
        wireframe(boxed(mended, corrected.box), cad.vertices, cad.faces, corrected.exact_pose),
        shaded_overlay(mended, Cad(cad.vertices, cad.faces), corrected.exact_pose),
    ]
    captions = ["the photo and its box", "faithful", "corrected", "corrected, shaded"]
    return contact_sheet(pictures, captions, columns=4, tile=260)


def bending(distance: float, target: float) -> float:
    """By how many pixels at most a vertex of a cube of unit diagonal is off where perspective is taken to be weak."""
    corners = np.array([[x, y, z] for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)]) / (2 * np.sqrt(3))
    angles = np.random.default_rng(0).uniform(0, 2 * np.pi, (200, 3))
    scale, worst = distance / target, 0.0
    for azimuth, elevation, theta in angles.tolist():
        given = Pose(azimuth=azimuth, elevation=elevation, theta=theta, distance=distance, px=0, py=0)
        published = given.model_copy(update={"distance": target})
        off = published.project(corners) - scale * given.project(corners)
        worst = max(worst, float(np.linalg.norm(off, axis=1).max()))
    return worst


def found(photos: int = 7) -> Image.Image:
    """Photos of unseen shapes with their CADs at the poses that comparing tells, right and wrong as they come."""
    pictures, captions = [], []
    for photo, cad in islice(photos_to_pose(5, 40), photos):
        best = poses_in(photo, cad)[0]
        azimuth, elevation, theta = best.angles.tolist()
        pose = photo.meta.pose.model_copy(update={"azimuth": azimuth, "elevation": elevation, "theta": theta})
        seen = np.asarray(Image.fromarray(photo.picture()).resize((288, 288), Image.Resampling.BICUBIC))
        larger = Window(0, 0, photo.meta.width).seen_through(pose, 288)
        pictures += [seen, shaded_overlay(seen, Cad(cad.vertices, cad.faces), larger)]
        captions += [photo.meta.label, f"{np.degrees(pose_error(best.angles, photo.angles())):.0f} degrees off"]
    order = [*range(0, 2 * photos, 2), *range(1, 2 * photos, 2)]
    return contact_sheet([pictures[i] for i in order], [captions[i] for i in order], columns=photos, tile=150)


def main() -> None:
    found().save(IMAGES / "pose-found.jpg", quality=88)
    strip().save(IMAGES / "pose-crops.jpg", quality=88)
    for distance in (5, 6, 8, 12):
        print(f"distance {distance} brought to 4: {bending(distance, 4):.1f} pixels at most")


if __name__ == "__main__":
    main()
