"""Poses found by comparing views of a CAD with a photo."""

from collections.abc import Iterator

import numpy as np
import pytest
from numpy.typing import NDArray
from torch import Tensor

import opendlign_core as od
from opendlign_core.camera import Pose
from opendlign_core.errors import BadInput
from opendlign_core.evaluation.pose.comparing.colours import Colours, UInt8
from opendlign_core.evaluation.pose.comparing.likeness import likeness_to
from opendlign_core.evaluation.pose.comparing.recipe import ComparisonRecipe
from opendlign_core.evaluation.pose.comparing.search import ComparedPose, Draw, Likeness, compare
from opendlign_core.pose import Floats, pose_error
from opendlign_core.projection.layers import depth_maps, seen_depth
from tests.threads import torch_threads

SIDE = 40
RECIPE = ComparisonRecipe(azimuths=16, elevations=(0, 25), kept=3, likeness=0.003)
Span = tuple[float, float]
Mesh = tuple[Floats, NDArray[np.int64]]
POSES = np.radians([[20, 10, 5], [155, 30, -8], [250, -5, 0]])


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> Iterator[None]:
    with torch_threads(1):
        yield


def boxes(*spans: tuple[Span, Span, Span]) -> Mesh:
    """Boxes from spans along x, y and z, as one mesh."""
    quads = [(0, 1, 3, 2), (4, 6, 7, 5), (0, 4, 5, 1), (2, 3, 7, 6), (0, 2, 6, 4), (1, 5, 7, 3)]
    faces = np.array([half for a, b, c, d in quads for half in ((a, b, c), (a, c, d))])
    corners = [np.array([[x, y, z] for x in xs for y in ys for z in zs]) for xs, ys, zs in spans]
    return np.concatenate(corners), np.concatenate([faces + 8 * number for number in range(len(spans))])


SEAT = boxes(
    ((-0.3, 0.3), (-0.3, 0.3), (-0.1, 0.0)),
    ((-0.3, 0.3), (0.2, 0.3), (0.0, 0.5)),
    ((-0.3, -0.2), (-0.3, 0.2), (0, 0.2)),
)  # with a back and one arm: no two views are alike


def draw_of(mesh: Mesh, aside: float = 0.0) -> Draw:
    def draw(angles: Floats) -> Tensor:
        poses = [
            Pose(azimuth=a, elevation=e, theta=t, distance=4, px=SIDE / 2 + aside, py=SIDE / 2, viewport=150)
            for a, e, t in angles
        ]
        return depth_maps(seen_depth(*mesh, poses, (SIDE, SIDE)))

    return draw


def photo_of(draw: Draw, angles: Floats, noise: float = 40) -> UInt8:
    """A speckled thing before a ground of two colours."""
    inside = (draw(angles[None])[0] < 1).numpy()
    picture = np.where(inside[..., None], [150, 90, 60], [90, 120, 150]).astype(float)
    picture[SIDE // 2 :][~inside[SIDE // 2 :]] = [60, 140, 70]
    noisy = picture + np.random.default_rng(0).normal(0, noise, picture.shape)
    return noisy.clip(0, 255).astype(np.uint8)


def errors(found: list[ComparedPose], true: Floats) -> Floats:
    return np.degrees(pose_error(np.stack([pose.angles for pose in found]), true))


@pytest.mark.parametrize("true", POSES, ids=["front", "back", "side"])
def test_the_pose_is_found_in_a_photo_that_nobody_segmented(true: Floats) -> None:
    draw = draw_of(SEAT)
    found = compare(Colours.of(photo_of(draw, true), 16), draw, RECIPE)
    assert errors(found, true)[0] < 6
    assert found[0].fit >= max(pose.fit for pose in found[1:])
    assert len(found) == RECIPE.kept


def test_a_mask_does_as_well_as_a_photo_and_fits_wholly() -> None:
    draw = draw_of(SEAT)
    mask = (draw(POSES[:1])[0] < 1).numpy().astype(np.uint8)[..., None].repeat(3, 2)
    (best, *_) = found = compare(Colours.of(mask, 16), draw, RECIPE)
    assert errors(found, POSES[0])[0] < 3
    assert best.fit > 0.8


def test_padding_says_nothing() -> None:
    draw = draw_of(SEAT)
    photo, shown = photo_of(draw, POSES[1]), np.ones((SIDE, SIDE), bool)
    shown[:, : SIDE // 2] = False
    photo[~shown] = np.random.default_rng(1).integers(0, 2, (int((~shown).sum()), 1)) * 255  # of any colours
    other = photo.copy()
    other[~shown] = 0
    found = compare(Colours.of(photo, 16, shown), draw, RECIPE)
    assert errors(found, POSES[1])[0] < 15
    assert [pose.fit for pose in found] == [pose.fit for pose in compare(Colours.of(other, 16, shown), draw, RECIPE)]


def nearness_to(depth: Tensor) -> Likeness:  # [1, H, W]
    return lambda maps: -(maps - depth).abs().mean((1, 2)).double().numpy()


def test_likeness_decides_where_silhouettes_cannot() -> None:
    """A panel with a knob on its front has the same outline from both sides."""
    panel = boxes(((-0.4, 0.4), (-0.05, 0.05), (-0.3, 0.3)), ((-0.2, 0.1), (-0.3, -0.05), (-0.1, 0.15)))
    draw = draw_of(panel)
    sure = RECIPE.model_copy(update={"likeness": 0.1})
    for true in np.radians([[0, 0, 0], [180, 0, 0]]):
        photo = photo_of(draw, true)
        found = compare(Colours.of(photo, 16), draw, sure, nearness_to(draw(true[None])))
        assert errors(found, true)[0] < 8
        assert found[0].cosine == max(pose.cosine for pose in found)


def test_no_silhouette_tells_more_than_one_that_divides_all_colours() -> None:
    draw = draw_of(SEAT)
    silhouettes = draw(POSES) < 1
    shown = np.ones((SIDE, SIDE), bool)
    shown[:, : SIDE // 2] = False
    for silhouette in silhouettes:
        mask = silhouette.numpy().astype(np.uint8)[..., None].repeat(3, 2)
        for colours in (Colours.of(mask, 4), Colours.of(mask, 4, shown)):
            told, most = colours.told_by(silhouettes), colours.most_told_by(silhouettes)
            assert (told <= most + 1e-6).all()
            own = silhouette[None]
            np.testing.assert_allclose(colours.told_by(own), colours.most_told_by(own), rtol=1e-5)


def test_a_cad_out_of_sight_and_a_photo_of_nothing_are_refused() -> None:
    colours = Colours.of(photo_of(draw_of(SEAT), POSES[0]), 16)
    with pytest.raises(BadInput, match="seen in no view"):
        compare(colours, draw_of(SEAT, aside=500), RECIPE)
    with pytest.raises(BadInput, match="shows nothing"):
        Colours.of(np.zeros((4, 4, 3), np.uint8), 4, np.zeros((4, 4), bool))


def test_embeddings_know_the_view_that_the_photo_is() -> None:
    """The branch of a CLIP that was not trained sees maps as it sees pictures: the same map is alike wholly."""
    maps = draw_of(SEAT)(POSES)
    photo = (maps[1].numpy() * 255).astype(np.uint8)[..., None].repeat(3, 2)
    cosines = likeness_to(photo, od.load("package:mini").encoders)(maps)
    assert cosines.argmax() == 1
    assert cosines[1] > 0.99
    assert cosines.min() < 0.98
