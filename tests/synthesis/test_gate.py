import numpy as np
import pytest
from numpy.typing import NDArray

from opendlign_core.synthesis import GateRecipe, load_synthesizer
from opendlign_core.synthesis.gate import edge_agreement, judge
from tests.synthesis.scenes import scene


@pytest.fixture(scope="module")
def painted() -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    depth = np.stack([scene(number, 112) for number in range(24)])
    return load_synthesizer("shaded").generate(depth, ["a chair"] * 24, range(24)), depth


def test_good_images_pass(painted: tuple[NDArray[np.uint8], NDArray[np.float32]]) -> None:
    scores = [judge(image, depth, True, GateRecipe()) for image, depth in zip(*painted, strict=True)]
    assert [score.reason for score in scores] == [None] * 24


def test_black_flat_and_broken_images_are_named(painted: tuple[NDArray[np.uint8], NDArray[np.float32]]) -> None:
    image, depth = painted[0][0], painted[1][0]
    assert str(judge(np.zeros_like(image), depth, True, GateRecipe()).reason).startswith("black")
    assert str(judge(np.full_like(image, 128), depth, True, GateRecipe()).reason).startswith("flat")
    assert str(judge(image, depth, False, GateRecipe()).reason).endswith("not finite")


def test_brightness_and_variation_are_the_mean_and_the_deviation() -> None:
    image = np.zeros((64, 64, 3), np.uint8)
    image[:32] = 200
    score = judge(image, scene(0, 64), True, GateRecipe())
    assert score.brightness == pytest.approx(100 / 255, abs=0.01)
    assert score.variation == pytest.approx(100 / 255, abs=0.01)


def test_images_of_other_depth_maps_are_misaligned(painted: tuple[NDArray[np.uint8], NDArray[np.float32]]) -> None:
    images, depth = painted
    rolled = [edge_agreement(image, np.roll(view, 12, (0, 1))) for image, view in zip(images, depth, strict=True)]
    aligned = [edge_agreement(image, view) for image, view in zip(images, depth, strict=True)]
    assert np.median(aligned) > 0.9
    assert np.median(rolled) < 0.6
    assert sum(one > 0.6 for one in rolled) <= 3


def test_noise_agrees_with_nothing() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (112, 112, 3), dtype=np.uint8)
    assert edge_agreement(noise, scene(1, 112)) == pytest.approx(0.5, abs=0.05)


def test_edges_one_pixel_away_count_and_farther_ones_do_not() -> None:
    depth = np.ones((64, 64), np.float32)
    depth[20:44, 20:44] = 0.3
    image = np.where(depth < 1, 200, 50).astype(np.uint8)[..., None].repeat(3, 2)
    assert edge_agreement(image, depth) == 1.0
    assert edge_agreement(np.roll(image, 1, (0, 1)), depth) > 0.9
    assert edge_agreement(np.roll(image, 6, (0, 1)), depth) < 0.6


def test_a_map_without_contours_scores_nothing() -> None:
    image = np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=np.uint8)
    assert edge_agreement(image, np.ones((32, 32), np.float32)) == 0.0
