"""From asked points to all that a shape has."""

import numpy as np

from opendlign_core.evaluation.segmentation import carrying
from opendlign_core.evaluation.segmentation.carrying import Carrier

SQUARE = np.array([[-1, -1, 0], [1, -1, 0], [1, 1, 0], [-1, 1, 0]], np.float32)
TWO = np.array([[0, 1, 2], [0, 2, 3]])


def halves() -> Carrier:
    """Part 0 where x is below 0.2, part 1 beyond."""
    rng = np.random.default_rng(0)
    asked = np.concatenate([rng.uniform(-1, 1, (4000, 2)), np.zeros((4000, 1))], axis=1).astype(np.float32)
    return Carrier((asked[:, 0] > 0.2).astype(np.int64), asked)


def test_points_take_the_part_of_the_nearest_in_blocks_of_any_size() -> None:
    points = np.random.default_rng(1).uniform(-1, 1, (500, 3)).astype(np.float32)
    whole = halves().to_points(points)
    clear = np.abs(points[:, 0] - 0.2) > 0.15
    assert np.array_equal(whole[clear], (points[clear, 0] > 0.2).astype(np.int32))
    before = carrying._AT_ONCE
    try:
        carrying._AT_ONCE = 7
        assert np.array_equal(halves().to_points(points), whole)
        assert halves().to_faces(SQUARE, TWO).tolist() == [1, 0]
    finally:
        carrying._AT_ONCE = before


def test_a_triangle_is_of_the_part_that_most_of_it_is_of() -> None:
    assert halves().to_faces(SQUARE, TWO).tolist() == [1, 0]
    even = Carrier(np.array([1, 0]), np.array([[-1, 0, 0], [1, 0, 0]], np.float32))
    middle = np.array([[-1, 0, 0], [1, 0, 0], [0, 1, 0]], np.float32)
    assert even.to_faces(middle, np.array([[0, 1, 2]])).tolist() in ([0], [1])


def test_triangles_across_parts_are_split_until_each_has_one_and_the_surface_stays() -> None:
    vertices, faces = halves().split(SQUARE, TWO)
    corners = vertices[faces]
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])[:, 2]
    assert (normals > 0).all() and np.isclose(normals.sum() / 2, 4.0)  # no hole, no overlap, none turned over
    assert np.array_equal(vertices[:4], SQUARE)
    parts, centres = halves().to_faces(vertices, faces), corners.mean(1)
    wrong = parts != (centres[:, 0] > 0.2)
    assert normals[wrong].sum() / 2 < 0.1
    assert 50 < len(faces) < 5000


def test_a_mesh_of_one_part_stays_as_it_is() -> None:
    one = Carrier(np.zeros(3, np.int64), SQUARE[:3])
    vertices, faces = one.split(SQUARE, TWO)
    assert np.array_equal(vertices, SQUARE) and np.array_equal(np.sort(faces, 0), np.sort(TWO, 0))
