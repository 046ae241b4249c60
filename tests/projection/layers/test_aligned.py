"""Photos with the depth of their CADs: what is aligned, and what cannot be."""

import json

import numpy as np
import pytest

from opendlign_core.camera import Pose
from opendlign_core.errors import BadInput
from opendlign_core.projection.layers import AlignRecipe, aligned_photo, seen_depth
from opendlign_core.samples import ImageRecipe, Painted, PhotoMeta, PosedPhoto, encode_image
from tests.projection.layers.test_posed import cube

HEIGHT, WIDTH = 120, 160
RED = np.array([220, 30, 30], np.uint8)
CORNERS, FACES = cube()
RECIPE = AlignRecipe(size=64, image=ImageRecipe(format="png"))


def photographed(px: float, py: float, distance: float = 3.0, padded: int = 0) -> PosedPhoto:
    """A photo in which the cube is red, the rest grey, and the first columns are padding."""
    pose = Pose(azimuth=0.7, elevation=0.4, theta=0.3, distance=distance, px=px, py=py, viewport=150)
    picture = np.full((HEIGHT, WIDTH, 3), 128, np.uint8)
    picture[seen_depth(CORNERS, FACES, [pose], (HEIGHT, WIDTH))[0].isfinite().numpy()] = RED
    picture[:, :padded] = 0
    meta = PhotoMeta(
        object_id="street/cube", source="street", split="train", label="cube", height=HEIGHT, width=WIDTH,
        shown=(0, HEIGHT, padded, WIDTH), box=(0, 0, 1, 1), pose=pose, status="status_good",
    )  # fmt: skip
    return PosedPhoto(meta, encode_image(picture, ImageRecipe(format="png")), "png")


def agreement(painted: Painted) -> float:
    """How far red and depth cover the same pixels: shared pixels among all of either."""
    red = np.abs(painted.picture(0).astype(int) - RED).sum(-1) < 120
    deep = painted.maps()[0] < 1
    return float((red & deep).sum() / (red | deep).sum())


@pytest.mark.parametrize(("px", "py"), [(80.25, 60.5), (20.0, 100.0)], ids=["whole", "cut off by the photo's corner"])
def test_the_depth_lies_where_the_photo_shows_the_thing(px: float, py: float) -> None:
    painted = aligned_photo(photographed(px, py), CORNERS, FACES, RECIPE)
    assert agreement(painted) > 0.95
    assert painted.maps().min() == 0
    seen = (painted.maps()[0] < 1).any(0)
    assert seen.sum() > 40  # of 64 columns: the thing fills its window
    if px == 80.25:
        assert 1 <= seen.argmax() <= 5  # a twentieth is left around it


def test_nothing_lies_where_the_photo_is_padded() -> None:
    padded = aligned_photo(photographed(60, 60, padded=60), CORNERS, FACES, AlignRecipe(size=64, least_shown=0.1))
    whole = aligned_photo(photographed(60, 60), CORNERS, FACES, RECIPE)
    assert agreement(padded) > 0.95
    assert 0.3 < (padded.maps() < 1).sum() / (whole.maps() < 1).sum() < 0.7


def test_it_is_a_sample_to_train_on_that_says_all_that_the_photo_said() -> None:
    photo = photographed(80, 60)
    painted = aligned_photo(photo, CORNERS, FACES, RECIPE)
    again = Painted.read(painted.key, painted.fields())
    assert (again.maps() == painted.maps()).all()
    said = again.meta.as_dict()
    assert {name: said[name] for name in photo.meta.as_dict()} == json.loads(json.dumps(photo.meta.as_dict()))
    assert (again.meta.views, again.meta.size) == (1, 64)


@pytest.mark.parametrize(
    ("photo", "message"),
    [
        (photographed(-20, 60), "holds [0-9]+% of its CAD"),
        (photographed(-120, 60), "holds 0% of its CAD"),
        (photographed(-500, 60), "holds 0% of its CAD"),
        (photographed(80, 60, distance=0.3), "behind the camera"),
        (photographed(80, 60, distance=0.68), "far beyond its photo"),
    ],
    ids=["mostly outside", "outside", "far outside", "inside the thing", "too near"],
)
def test_what_cannot_be_aligned_is_said(photo: PosedPhoto, message: str) -> None:
    with pytest.raises(BadInput, match=message):
        aligned_photo(photo, CORNERS, FACES, RECIPE)
