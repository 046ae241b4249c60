"""CADs put into boxes, and coarser ones that look the same."""

import numpy as np
import pytest

from opendlign_core.projection.layers import seen_depth
from opendlign_core.projection.layers.fitting import coarse, pose_in_box
from tests.projection.layers.test_posed import cube


@pytest.mark.parametrize("angles", np.radians([[0, 0, 0], [130, 40, 20], [300, -60, -90]]))
def test_a_cad_fills_its_box_along_the_diagonal(angles: np.ndarray) -> None:
    corners = cube()[0] + np.array([3.0, -1.0, 2.0])
    places = pose_in_box(corners, angles, (12, 30, 90, 70)).project(corners)
    low, high = places.min(0), places.max(0)
    np.testing.assert_allclose((low + high) / 2, [51, 50])
    np.testing.assert_allclose(np.hypot(*(high - low)), np.hypot(78, 40))


def test_a_coarser_mesh_has_the_same_outline() -> None:
    u, v = np.meshgrid(np.linspace(0, np.pi, 120), np.linspace(0, 2 * np.pi, 240), indexing="ij")
    ball = np.stack([np.sin(u) * np.cos(v), np.sin(u) * np.sin(v), np.cos(u)], -1).reshape(-1, 3) * [1, 0.5, 0.7]
    number = np.arange(120 * 240).reshape(120, 240)
    a, b, c, d = (part.ravel() for part in (number[:-1, :-1], number[1:, :-1], number[1:, 1:], number[:-1, 1:]))
    faces = np.concatenate([np.stack([a, b, c], 1), np.stack([a, c, d], 1)])
    rougher, fewer = coarse(ball, faces, cells=32)
    assert len(fewer) < len(faces) / 5
    pose = pose_in_box(ball, np.radians([30, 20, 0]), (6, 6, 50, 50))
    fine = seen_depth(ball, faces, [pose], (56, 56))[0].isfinite()
    rough = seen_depth(rougher, fewer, [pose], (56, 56))[0].isfinite()
    assert (fine & rough).sum() / (fine | rough).sum() > 0.93
