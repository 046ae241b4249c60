"""Solids: closed where they should be, of the right size, sampled uniformly by area."""

from collections import Counter

import numpy as np
import pytest

from opendlign_core.ingestion.procedural.paint import Paint
from opendlign_core.ingestion.procedural.primitives import (
    bar,
    box,
    cylinder,
    lathe,
    prism,
    sample_surface,
    sphere,
    spline,
    torus,
    tube,
)
from opendlign_core.ingestion.procedural.solid import Solid, around, both_sides, copies, join

CLOSED = {
    "box": box(1, 2, 3),
    "cylinder": cylinder(0.5, 2),
    "cone": cylinder(0.5, 2, 0.2),
    "torus": torus(1, 0.2),
    "tube": tube(spline([(0, 0, 0), (1, 1, 0), (2, 0, 1)], 9), 0.1),
    "bar": bar((0, 0, 0), (0, 3, 0), 0.1),
    "prism": prism([(0, 0), (2, 0), (2, 1), (0, 1)], 0.5),
    "prism along x": prism([(0, 0), (2, 0), (2, 1), (0, 1)], 0.5, "x"),
    "lathe": lathe([(0.3, 0), (0.5, 1), (0.2, 2)]),
}


def area(solid: Solid) -> float:
    corner = solid.vertices[solid.faces]
    normal = np.cross(corner[:, 1] - corner[:, 0], corner[:, 2] - corner[:, 0])
    return float(np.linalg.norm(normal, axis=1).sum() / 2)


def volume(solid: Solid) -> float:
    """Signed; positive when triangles are wound outwards."""
    a, b, c = (solid.vertices[solid.faces[:, k]] for k in range(3))
    return float(np.einsum("fi,fi->f", a, np.cross(b, c)).sum() / 6)


@pytest.mark.parametrize("name", CLOSED)
def test_solids_are_closed(name: str) -> None:
    faces = CLOSED[name].faces
    edges = Counter(tuple(edge) for face in faces.tolist() for edge in zip(face, (*face[1:], face[0]), strict=True))
    assert set(edges.values()) == {1}, "an edge is used twice in one direction"
    assert all((end, start) in edges for start, end in edges), "an edge has a triangle on one side only"


@pytest.mark.parametrize("name", [name for name in CLOSED if name != "prism along x"])
def test_triangles_are_wound_outwards(name: str) -> None:
    assert volume(CLOSED[name]) > 0
    assert volume(CLOSED[name].mirror("x")) > 0


@pytest.mark.parametrize(
    ("solid", "expected"),
    [
        (box(1, 2, 3), 22.0),
        (cylinder(1, 2, segments=64), 2 * np.pi + 4 * np.pi),
        (cylinder(1, 1, 0, segments=64), np.pi * (1 + np.sqrt(2))),
        (sphere(1, 64, 33), 4 * np.pi),
        (torus(1, 0.25, 64, 32), 4 * np.pi**2 * 0.25),
        (tube([(0, 0, 0), (0, 0, 2)], 0.5, segments=64), 2 * np.pi + np.pi / 2),
    ],
)
def test_areas_are_those_of_the_true_shapes(solid: Solid, expected: float) -> None:
    assert area(solid) == pytest.approx(expected, rel=0.01)


def test_moves_turns_and_mirrors() -> None:
    point = box(0, 0, 0, (1, 2, 3))
    assert np.allclose(point.move(1, -2, 0).vertices, (2, 0, 3))
    assert np.allclose(point.turn("y", 90).vertices, (3, 2, -1))
    assert np.allclose(point.turn("x", 90).vertices, (1, -3, 2))
    assert np.allclose(point.turn("z", 90).vertices, (-2, 1, 3))
    assert np.allclose(point.mirror("z").vertices, (1, 2, -3))
    assert np.allclose(point.bend(45).vertices, (1, 2, 5))


def test_copies_and_joins_keep_every_triangle_and_its_paint() -> None:
    red = box(1, 1, 1).painted(Paint.ACCENT)
    row = copies(red, [(0, 0, 0), (2, 0, 0), (4, 0, 0)])
    assert area(row) == pytest.approx(18)
    assert (row.paint == Paint.ACCENT).all()
    mixed = join(row, box(1, 1, 1).move(y=5))
    assert Counter(mixed.paint.tolist()) == {Paint.ACCENT: 36, Paint.BODY: 12}
    assert area(both_sides(red.move(x=3))) == pytest.approx(12)


def test_copies_around_an_axis_are_evenly_spread() -> None:
    ring = around(box(0.1, 0.1, 0.1, (0, 0, 1)), 4)
    centres = ring.vertices.reshape(4, 8, 3).mean(1)
    assert np.allclose(centres, [(0, 0, 1), (1, 0, 0), (0, 0, -1), (-1, 0, 0)], atol=1e-9)


def test_splines_pass_through_their_ends_and_controls() -> None:
    controls = [(0.0, 0.0), (1.0, 2.0), (3.0, 1.0)]
    curve = spline(controls, 21)
    assert np.allclose(curve[[0, 10, 20]], controls)


def test_points_are_drawn_uniformly_by_area() -> None:
    solid = join(box(1, 1, 1).painted(Paint.BODY), box(2, 2, 2).move(5).painted(Paint.ACCENT))
    points, face = sample_surface(solid, 40_000, np.random.default_rng(0))
    paint = solid.paint[face]
    assert (paint == Paint.ACCENT).mean() == pytest.approx(0.8, abs=0.01)
    small = points[paint == Paint.BODY]
    sides = [np.isclose(small[:, axis], side, atol=1e-9).mean() for axis in range(3) for side in (-0.5, 0.5)]
    assert np.allclose(sides, 1 / 6, atol=0.02)
    quarter = small[np.isclose(small[:, 0], 0.5)]
    assert ((quarter[:, 1] > 0) & (quarter[:, 2] > 0)).mean() == pytest.approx(0.25, abs=0.04)


def test_points_come_in_no_order() -> None:
    solid = join(box(1, 1, 1), box(1, 1, 1).move(5).painted(Paint.ACCENT))
    _, face = sample_surface(solid, 4000, np.random.default_rng(1))
    paint = solid.paint[face]
    assert (paint[:500] == Paint.ACCENT).mean() == pytest.approx(0.5, abs=0.1)
