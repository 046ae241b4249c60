"""Contact sheets and drawn clouds."""

import numpy as np
import pytest

from opendlign_core.pictures import cloud_picture, contact_sheet, depth_picture


def plane(z: float, count: int = 4000) -> np.ndarray:
    side = np.random.default_rng(0).uniform(-1, 1, (count, 2))
    return np.column_stack([side, np.full(count, z)])


def test_a_sheet_lays_images_out_in_rows() -> None:
    red = np.full((20, 20, 3), (255, 0, 0), np.uint8)
    blue = np.full((20, 20, 3), (0, 0, 255), np.uint8)
    sheet = np.asarray(contact_sheet([red, red, blue], columns=2, tile=40))
    assert tuple(sheet[20, 20]) == (255, 0, 0)
    assert tuple(sheet[20, 62]) == (255, 0, 0)
    assert tuple(sheet[62, 20]) == (0, 0, 255)
    assert tuple(sheet[62, 62]) == (255, 255, 255)


def test_captions_are_drawn_below_and_cut_to_their_lines() -> None:
    image = np.full((30, 30), 255, np.uint8)
    short = np.asarray(contact_sheet([image], ["mug"], tile=64))
    long = np.asarray(contact_sheet([image], ["a very long caption that cannot fit " * 3], tile=64, caption_lines=2))
    assert (short[:60] == 255).all()
    assert (short[66:] < 128).any()
    assert long.shape[0] > short.shape[0]
    assert long.shape[1] == short.shape[1]


def test_images_of_any_proportion_fit_their_tile() -> None:
    wide = np.zeros((10, 40, 3), np.uint8)
    sheet = np.asarray(contact_sheet([wide], tile=40))
    black = (sheet == 0).all(-1)
    assert 9 <= black.any(1).sum() <= 11
    assert black.any(0).sum() == 40


def test_bad_input_is_named() -> None:
    with pytest.raises(ValueError, match="at least one image"):
        contact_sheet([])
    with pytest.raises(ValueError, match="1 images but 2 captions"):
        contact_sheet([np.zeros((4, 4), np.uint8)], ["a", "b"])
    with pytest.raises(ValueError, match="uint8"):
        contact_sheet([np.zeros((4, 4), np.float32)])


def test_near_points_hide_far_ones() -> None:
    points = np.concatenate([plane(0.5), plane(-0.5)])
    colors = np.repeat(np.array([(220, 0, 0), (0, 0, 220)], np.uint8), 4000, axis=0)
    front = cloud_picture(points, colors, size=64, azimuth=0, elevation=0)
    back = cloud_picture(points, colors, size=64, azimuth=180, elevation=0)
    assert front[32, 32, 0] > 100 > front[32, 32, 2]
    assert back[32, 32, 2] > 100 > back[32, 32, 0]


def test_clouds_are_drawn_upright_on_white() -> None:
    rng = np.random.default_rng(0)
    cone = rng.uniform(-1, 1, (6000, 3))
    cone = cone[np.hypot(cone[:, 0], cone[:, 2]) < (1 - cone[:, 1]) / 2]
    picture = cloud_picture(cone, size=64, elevation=0)
    inked = np.asarray((picture < 250).any(-1))
    assert picture.shape == (64, 64, 3)
    assert picture.dtype == np.uint8
    assert not inked[:, 0].any()
    assert inked[50].sum() > 2 * inked[14].sum() > 0


def test_a_single_point_can_be_drawn() -> None:
    assert (cloud_picture(np.zeros((1, 3)), size=16) < 250).any()


def test_depth_maps_turn_into_grey_pictures() -> None:
    picture = depth_picture(np.array([[0.0, 1.0], [0.5, 2.0]], np.float32))
    assert picture[..., 0].tolist() == [[0, 255], [128, 255]]
    assert (picture[..., 0] == picture[..., 2]).all()
