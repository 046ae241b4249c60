"""CADs as cameras with annotated poses see them."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from PIL import Image

from opendlign_core.camera import Pose
from opendlign_core.ingestion.cloud import Mesh
from opendlign_core.ingestion.readers import read_shape
from opendlign_core.projection.layers import depth_maps, rasterize_layers, seen_depth
from opendlign_core.projection.layers.cameras import clip_coordinates

BLUE = (39, 158, 255)
SIZE = (40, 60)


def poses(count: int, seed: int = 0, distance: float = 3.0) -> list[Pose]:
    generator = np.random.default_rng(seed)
    angles = generator.uniform(-np.pi, np.pi, (count, 3))
    return [
        Pose(azimuth=a, elevation=e / 2, theta=t, distance=distance, px=31.5, py=18.25, viewport=70)
        for a, e, t in angles
    ]


def cube() -> tuple[np.ndarray, np.ndarray]:
    corners = np.array([[x, y, z] for x in (-0.5, 0.5) for y in (-0.3, 0.3) for z in (-0.4, 0.4)])
    quads = [(0, 1, 3, 2), (4, 6, 7, 5), (0, 4, 5, 1), (2, 3, 7, 6), (0, 2, 6, 4), (1, 5, 7, 3)]
    return corners, np.array([half for a, b, c, d in quads for half in ((a, b, c), (a, c, d))])


def test_vertices_come_to_the_pixels_and_depths_that_the_pose_says() -> None:
    points = np.random.default_rng(1).uniform(-1, 1, (50, 3))
    clip = clip_coordinates(points, poses(8), SIZE)
    places = (clip[..., :2] / clip[..., 3:] + 1) / 2 * torch.tensor([SIZE[1], SIZE[0]])
    for pose, place, seen in zip(poses(8), places.numpy(), clip.numpy(), strict=True):
        np.testing.assert_allclose(place, pose.project(points), atol=1e-9)
        np.testing.assert_allclose(seen[:, 3], pose.depths(points), atol=1e-12)
        assert (np.abs(seen[:, 2]) <= seen[:, 3]).all()  # between the near and the far plane


def test_what_a_pixel_shows_lies_on_its_ray_at_its_depth() -> None:
    corners, faces = cube()
    clip = clip_coordinates(corners, poses(5), SIZE)
    where = torch.from_numpy(corners).float().expand(5, -1, -1)
    values, coverage = rasterize_layers(clip, torch.from_numpy(faces), where, SIZE, 4)
    depth = seen_depth(corners, faces, poses(5), SIZE)
    assert set(coverage.sum(-1).flatten().tolist()) == {0, 2}  # a convex thing is entered and left
    assert torch.equal(depth.isfinite(), coverage[..., 0])
    for number, pose in enumerate(poses(5)):
        row, column = coverage[number, ..., 0].nonzero(as_tuple=True)
        assert len(row) > 100
        points = values[number, row, column, 0].double().numpy()
        np.testing.assert_allclose(pose.project(points), np.stack([column + 0.5, row + 0.5], 1), atol=1 / 256)
        np.testing.assert_allclose(depth[number, row, column], pose.depths(points), atol=1e-5)


def test_a_camera_inside_sees_the_walls_before_it() -> None:
    corners, faces = cube()
    depth = seen_depth(corners, faces, poses(3, distance=0.01), SIZE)
    assert depth.isfinite().all()
    assert depth.max() < 1


def test_depth_maps_keep_the_farthest_surface_apart_from_nothing() -> None:
    corners, faces = cube()
    depth = seen_depth(corners, faces, poses(4), SIZE)
    maps = depth_maps(depth)
    there = depth.isfinite()
    assert (maps[~there] == 1).all()
    assert torch.equal(maps.amin((1, 2)), torch.zeros(4))
    torch.testing.assert_close(torch.where(there, maps, 0).amax((1, 2)), torch.full((4,), 1 / 1.2))
    nothing = torch.full((1, 3, 3), torch.inf)
    assert (depth_maps(nothing) == 1).all()


@pytest.fixture(scope="module")
def cads(data_dir: Path) -> list[tuple[Mesh, Pose, np.ndarray, str]]:
    """Real CADs, the pose of their published pictures, and where those are blue inside of the frame."""
    folder = data_dir / "pose_real/imagenet3d_cad"
    found = []
    for entry in json.loads((folder / "index.json").read_text()):
        path = folder / entry["category"] / f"{entry['cad_index']:02d}.off"
        mesh, said = read_shape(path), entry["preview"]
        assert isinstance(mesh, Mesh)
        angles = {name: np.radians(said[f"{name}_deg"]) for name in ("azimuth", "elevation", "theta")}
        pose = Pose(**angles, **{name: said[name] for name in ("distance", "px", "py", "viewport")})
        picture = np.asarray(Image.open(path.with_suffix(".png")).convert("RGB"))
        found.append((mesh, pose, (picture == BLUE).all(-1)[1:-1, 1:-1], entry["category"]))
    return found


def test_edges_of_real_cads_are_drawn_as_their_authors_drew_them(
    cads: list[tuple[Mesh, Pose, np.ndarray, str]],
) -> None:
    assert len(cads) == 40
    for mesh, pose, blue, name in cads:
        ends = np.trunc(pose.project(mesh.vertices)).astype(int).tolist()
        drawn = np.zeros((384, 384), np.uint8)
        sides = np.concatenate([mesh.faces[:, [a, b]] for a, b in ((0, 1), (0, 2), (1, 2))])
        for low, high in np.unique(np.sort(sides, 1), axis=0):
            cv2.line(drawn, ends[low], ends[high], 1)
        differing = (drawn[1:-1, 1:-1] != blue).sum() / blue.sum()
        assert differing <= 0.005, f"{name}: {differing:.4f}"


def test_surfaces_of_real_cads_fill_their_authors_edges(cads: list[tuple[Mesh, Pose, np.ndarray, str]]) -> None:
    for mesh, pose, blue, name in cads:
        shape = seen_depth(mesh.vertices, mesh.faces, [pose], (384, 384))[0].isfinite().numpy().astype(np.uint8)
        grown = cv2.dilate(shape, np.ones((3, 3)))[1:-1, 1:-1]  # edges are drawn a pixel wide, surfaces from centres
        assert (blue & (grown == 0)).sum() <= 0.005 * blue.sum(), name
        inside = cv2.erode(shape, np.ones((3, 3)))[1:-1, 1:-1]
        rim = (shape[1:-1, 1:-1] > inside) & (cv2.dilate(blue.astype(np.uint8), np.ones((3, 3))) == 0)
        assert rim.sum() <= 0.02 * max(1, (shape[1:-1, 1:-1] > inside).sum()), name
