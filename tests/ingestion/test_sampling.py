import numpy as np
import pytest

from opendlign_core.chance import object_rng
from opendlign_core.ingestion import IngestRecipe, Mesh, SourceSpec, UnreadableShape
from opendlign_core.ingestion.cloud import Faces, Points
from opendlign_core.ingestion.orient import to_y_up
from opendlign_core.ingestion.polygons import strip_triangles, triangulate
from opendlign_core.ingestion.sampling import sample_surface
from opendlign_core.ingestion.surface import Surface
from storage.fingerprint import canonical
from tests.ingestion.samples import FAN, VERTICES

WEDGE = Mesh(VERTICES.astype(np.float32), FAN)


def test_points_lie_on_the_surface_in_proportion_to_area() -> None:
    # Two squares, one of nine times the area of the other, one above the other.
    square = np.array([[0, 0, 0], [1, 0, 0], [1, 0, 1], [0, 0, 1]], dtype=np.float32)
    mesh = Mesh(np.concatenate([square, square * 3 + (0, 5, 0)]).astype(np.float32), triangulate(range(8), [4, 4]))
    points = sample_surface(mesh, 20_000, object_rng(0, "a")).points
    assert set(np.unique(points[:, 1]).tolist()) == {0.0, 5.0}
    assert np.mean(points[:, 1] == 5) == pytest.approx(0.9, abs=0.01)
    upper = points[points[:, 1] == 5]
    quarters = np.histogram2d(upper[:, 0], upper[:, 2], bins=3, range=[[0, 3], [0, 3]])[0] / len(upper)
    assert np.abs(quarters - 1 / 9).max() < 0.01


def test_draws_depend_on_the_seed_and_the_object_alone() -> None:
    first, again = (sample_surface(WEDGE, 100, object_rng(1, "x/1")).points for _ in range(2))
    np.testing.assert_array_equal(first, again)
    for other in (object_rng(2, "x/1"), object_rng(1, "x/2")):
        assert not np.array_equal(first, sample_surface(WEDGE, 100, other).points)


def test_colours_are_interpolated() -> None:
    colors = np.zeros((6, 3), dtype=np.uint8)
    colors[:, 0] = VERTICES[:, 0] * 80
    sampled = sample_surface(Mesh(WEDGE.vertices, FAN, colors), 500, object_rng(0, "a"))
    points, shades = sampled.points, sampled.colors
    assert shades is not None
    np.testing.assert_allclose(shades[:, 0], points[:, 0] * 80, atol=0.51)


@pytest.mark.parametrize("third", [[2, 0, 0], [2, 1e-13, 0]])
def test_triangles_without_area_are_refused(third: list[float]) -> None:
    mesh = Mesh(np.array([[0, 0, 0], [1, 0, 0], third], dtype=np.float32), np.array([[0, 1, 2]]))
    with pytest.raises(UnreadableShape, match="without area"):
        sample_surface(mesh, 10, object_rng(0, "a"))


def test_polygons_become_fans_and_strips_keep_their_winding() -> None:
    assert triangulate([0, 1, 2, 3, 9, 4, 5, 6], [4, 1, 3]).tolist() == [[0, 1, 2], [0, 2, 3], [4, 5, 6]]
    assert strip_triangles([0, 1, 2, 3]).tolist() == [[0, 1, 2], [2, 1, 3]]


@pytest.mark.parametrize(
    ("axis", "up"),
    [("x", (1, 0, 0)), ("y", (0, 1, 0)), ("z", (0, 0, 1)), ("-x", (-1, 0, 0)), ("-y", (0, -1, 0)), ("-z", (0, 0, -1))],
)
def test_up_becomes_y_by_a_rotation(axis: str, up: tuple[int, int, int]) -> None:
    from typing import cast

    from opendlign_core.ingestion import UpAxis

    named = cast("UpAxis", axis)
    assert to_y_up(np.array([up], dtype=np.float32), named).tolist() == [[0, 1, 0]]
    turned = to_y_up(np.eye(3, dtype=np.float32), named)
    assert np.linalg.det(turned) == pytest.approx(1.0)


def area_of(points: np.ndarray[tuple[int, ...], np.dtype[np.float64]], faces: Faces) -> float:
    first, second, third = (points[faces[:, corner]] for corner in range(3))
    return float(np.linalg.norm(np.cross(second - first, third - first), axis=1).sum() / 2)


@pytest.mark.parametrize("axes", [(0, 1, 2), (2, 0, 1), (1, 2, 0), (1, 0, 2)])
@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("start", range(6))
def test_concave_polygons_are_covered_exactly(axes: tuple[int, int, int], reverse: bool, start: int) -> None:
    # An L: a square of side 2 without one quarter, lying in every plane, in both directions, from every corner.
    outline = np.array([[0, 0, 0], [2, 0, 0], [2, 1, 0], [1, 1, 0], [1, 2, 0], [0, 2, 0]], dtype=np.float64)[:, axes]
    order = np.roll(np.arange(6), start)[:: -1 if reverse else 1]
    faces = triangulate(order, [6], outline)
    assert area_of(outline, faces) == pytest.approx(3.0)
    middles = outline[faces].mean(axis=1)[:, np.argsort(axes)]
    assert not ((middles[:, 0] > 1) & (middles[:, 1] > 1)).any()


def test_convex_polygons_and_absent_vertices_stay_with_the_fan() -> None:
    square = np.array([[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0]], dtype=np.float64)
    assert triangulate(range(4), [4], square).tolist() == [[0, 1, 2], [0, 2, 3]]
    assert triangulate([0, 1, 2, 9], [4], square).tolist() == [[0, 1, 2], [0, 2, 9]]


def test_polygons_that_cross_themselves_still_end() -> None:
    bow = np.array([[0, 0, 0], [1, 1, 0], [1, 0, 0], [0, 1, 0], [0, 0, 0]], dtype=np.float64)
    assert triangulate(range(5), [5], bow).shape == (3, 3)


def quads(*places: tuple[tuple[float, float, float], float]) -> Mesh:
    """Squares of these sides at these places, none connected to another."""
    square = np.array([[0, 0, 0], [1, 0, 0], [1, 0, 1], [0, 0, 1]], dtype=np.float32)
    vertices = np.concatenate([square * side + np.asarray(place) for place, side in places]).astype(np.float32)
    return Mesh(vertices, triangulate(range(len(vertices)), [4] * len(places)))


def reached(mesh: Mesh, points: Points) -> int:
    """How many of the squares hold a point, told by the height of each."""
    return len(set(np.round(mesh.vertices[:, 1], 4).tolist()) & set(np.round(points[:, 1], 4).tolist()))


def test_stratified_draws_leave_no_connected_part_out() -> None:
    far = quads(((0, 0, 0), 10.0), *(((0, height, 0), 0.01) for height in range(1, 200)))
    by_chance, stratified = (
        sample_surface(far, 1000, object_rng(0, "a"), sampling).points for sampling in ("area", "stratified")
    )
    assert reached(far, by_chance) < 5
    assert reached(far, stratified) == 200
    assert stratified.shape == (1000, 3)


def test_stratified_draws_reach_as_far_as_the_shape() -> None:
    # A needle of next to no area, connected to the square that it stands on.
    vertices = np.array([[0, 0, 0], [1, 0, 0], [1, 0, 1], [0, 0, 1], [0, 2, 0], [0.001, 0, 0]], dtype=np.float32)
    mesh = Mesh(vertices, np.array([[0, 1, 2], [0, 2, 3], [0, 5, 4]]))
    surface = Surface(mesh)
    by_chance, stratified = (
        surface.shrinkage(sample_surface(mesh, 500, object_rng(0, "a"), sampling).points)
        for sampling in ("area", "stratified")
    )
    assert by_chance > 0.5
    assert stratified == 0


def test_triangles_without_area_reach_nowhere() -> None:
    vertices = np.array([[0, 0, 0], [1, 0, 0], [1, 0, 1], [0, 50, 0]], dtype=np.float32)
    mesh = Mesh(vertices, np.array([[0, 1, 2], [0, 3, 3]]))
    points = sample_surface(mesh, 300, object_rng(0, "a"), "stratified").points
    assert points[:, 1].max() == 0
    assert Surface(mesh).shrinkage(points) == 0


def test_stratified_draws_are_even_over_large_parts() -> None:
    mesh = quads(((0, 0, 0), 1.0), ((0, 5, 0), 3.0))
    points = sample_surface(mesh, 20_000, object_rng(0, "a"), "stratified").points
    assert np.mean(points[:, 1] == 5) == pytest.approx(0.9, abs=0.002)
    upper = points[points[:, 1] == 5]
    quarters = np.histogram2d(upper[:, 0], upper[:, 2], bins=3, range=[[0, 3], [0, 3]])[0] / len(upper)
    assert np.abs(quarters - 1 / 9).max() < 0.01


def test_more_parts_than_points_still_give_as_many_points_as_wanted() -> None:
    crowd = quads(*(((0, height, 0), 1.0) for height in range(400)))
    for count in (1, 2, 7, 100):
        points = sample_surface(crowd, count, object_rng(0, "a"), "stratified").points
        assert points.shape == (count, 3)
        assert reached(crowd, points) >= count // 2


def test_parts_are_joined_by_place_not_by_number() -> None:
    """Files without shared vertices (STL) are one part where their triangles touch."""
    soup = Mesh(WEDGE.vertices[WEDGE.faces].reshape(-1, 3), np.arange(WEDGE.faces.size).reshape(-1, 3))
    first, second = (sample_surface(mesh, 50, object_rng(0, "a"), "stratified").points for mesh in (WEDGE, soup))
    np.testing.assert_allclose(first, second)


def test_corners_bring_their_own_colours_and_the_parts_of_their_faces() -> None:
    mesh = quads(((0, 0, 0), 10.0), ((0, 5, 0), 0.01))
    colors = np.zeros((8, 3), dtype=np.uint8)
    colors[4:] = 200
    painted = Mesh(mesh.vertices, mesh.faces, colors, parts=np.array([0, 0, 1, 1], np.int32), part_names=("a", "b"))
    cloud = sample_surface(painted, 100, object_rng(0, "a"), "stratified")
    above = cloud.points[:, 1] == 5
    assert cloud.colors is not None
    assert cloud.parts is not None
    assert above.any()
    assert (cloud.colors[above] == 200).all()
    assert (cloud.parts == above).all()


def test_recipes_from_before_there_was_a_choice_keep_their_identity() -> None:
    recipe = IngestRecipe(source=SourceSpec(adapter="folder"))
    assert recipe.sampling == "area"
    assert "sampling" not in canonical(recipe)
