"""Coloured models: what is written is what other programs, and this one, read back."""

from pathlib import Path

import numpy as np
import pytest
import trimesh

from opendlign_core.ingestion import Mesh, PointCloud, read_shape
from opendlign_core.pictures import PALETTE, Named, Piece, colour_of, colours_of, turned, write_glb, write_ply

CORNERS = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]], np.float32)
SIDES = np.array([[0, 1, 2], [0, 1, 3], [0, 2, 3], [1, 2, 3]])
PARTS = np.array([0, 0, 1, 2], np.int32)


def test_a_cloud_is_read_back_with_its_colours_and_parts(tmp_path: Path) -> None:
    write_ply(tmp_path / "cloud.ply", CORNERS, colours_of(PARTS), PARTS, names=["seat", "back rest", "leg"])
    found = read_shape(tmp_path / "cloud.ply", parts=True)
    assert isinstance(found, PointCloud)
    assert np.array_equal(found.points, CORNERS)
    assert found.colors is not None and np.array_equal(found.colors, colours_of(PARTS))
    assert found.parts is not None and found.parts.tolist() == PARTS.tolist()
    assert found.part_names == ("seat", "back rest", "leg")


def test_a_mesh_is_read_back_with_the_parts_of_its_triangles(tmp_path: Path) -> None:
    write_ply(tmp_path / "mesh.ply", CORNERS, colours_of(PARTS), PARTS, SIDES)
    found = read_shape(tmp_path / "mesh.ply", parts=True)
    assert isinstance(found, Mesh)
    assert np.array_equal(found.vertices, CORNERS) and np.array_equal(found.faces, SIDES)
    assert found.parts is not None and found.parts.tolist() == PARTS.tolist()
    other = trimesh.load(tmp_path / "mesh.ply", process=False)
    assert np.array_equal(other.visual.face_colors[:, :3], colours_of(PARTS))


def test_a_model_has_one_named_and_coloured_piece_for_each_part(tmp_path: Path) -> None:
    names = enumerate(("seat", "back", "leg"))
    pieces = [Piece.cut(name, CORNERS, SIDES[part == PARTS], PALETTE[part]) for part, name in names]
    write_glb(tmp_path / "model.glb", pieces)
    scene = trimesh.load(tmp_path / "model.glb", process=False)
    assert {name: len(mesh.faces) for name, mesh in scene.geometry.items()} == {"seat": 2, "back": 1, "leg": 1}
    assert len(scene.geometry["leg"].vertices) == 3
    assert scene.geometry["back"].visual.material.name == "back"
    found = read_shape(tmp_path / "model.glb")
    assert isinstance(found, Mesh) and len(found.faces) == 4
    areas = trimesh.Trimesh(found.vertices, found.faces).area, trimesh.Trimesh(CORNERS, SIDES).area
    assert areas[0] == pytest.approx(areas[1])


def test_colours_of_models_are_linear_as_gltf_wants_them(tmp_path: Path) -> None:
    write_glb(tmp_path / "one.glb", [Piece("one", CORNERS, SIDES, (188, 0, 255))])
    material = trimesh.load(tmp_path / "one.glb", process=False).geometry["one"].visual.material
    # trimesh holds factors as bytes; 188 of sRGB is half of the light.
    assert np.asarray(material.baseColorFactor)[:3] == pytest.approx([128, 0, 255], abs=1)


def test_a_model_of_nothing_is_refused(tmp_path: Path) -> None:
    for pieces in ([], [Piece("none", CORNERS, SIDES[:0], (0, 0, 0))]):
        with pytest.raises(ValueError, match="needs pieces"):
            write_glb(tmp_path / "none.glb", pieces)
    assert not list(tmp_path.iterdir())


def test_points_without_a_part_are_grey_and_colours_repeat_after_the_last() -> None:
    found = colours_of(np.array([-1, 0, 2 * len(PALETTE), *range(2 * len(PALETTE))]))
    assert found[0].tolist() == [215, 215, 215]
    assert found[1].tolist() == found[2].tolist() == list(PALETTE[0])
    assert len({tuple(colour) for colour in found[3:].tolist()}) == 24
    assert found[3 + 15].tolist() == list(colour_of(15))


def test_a_picture_shows_a_shape_from_four_sides_above_its_legend() -> None:
    """A cloud that is red where x is large: from the front right it is mostly red, from behind left it is not."""
    cloud = np.random.default_rng(0).uniform(-1, 1, (6000, 3))
    colours = np.where(cloud[:, :1] > 0.0, (200, 0, 0), (0, 0, 200)).astype(np.uint8)
    picture = np.asarray(turned(cloud, colours, [Named((200, 0, 0), "right"), Named((0, 0, 200), "left")], side=120))
    assert picture.shape == (144, 480, 3)
    red = [(view[..., 0] > view[..., 2] + 30).mean() for view in np.split(picture[:120].astype(int), 4, axis=1)]
    assert red[1] > 2 * red[3]
    assert picture[132, 15].tolist() == [200, 0, 0]


def test_a_long_legend_takes_more_lines() -> None:
    cloud = np.random.default_rng(0).normal(size=(50, 3))
    entries = [Named((9, 9, 9), f"a rather long name {number}") for number in range(12)]
    picture = turned(cloud, np.zeros((50, 3), np.uint8), entries, "title", side=100)
    assert picture.width == 400 and picture.height >= 100 + 24 * 5
