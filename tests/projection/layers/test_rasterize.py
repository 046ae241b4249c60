"""The layered rasteriser against solving every pixel of every triangle by itself."""

from typing import Any

import numpy as np
import pytest
import torch
from scipy.spatial import Delaunay
from torch import Tensor

from opendlign_core.errors import BadInput
from opendlign_core.projection.layers import fragments, rasterize_layers
from opendlign_core.projection.layers.soup import soup_of
from opendlign_core.projection.layers.triangles import triangles_of

SIDE = 24


def triangles(count: int, seed: int, nearest: float = 1.0) -> tuple[Tensor, Tensor]:
    """Triangles of random corners before a camera (near plane 0.5, far plane 6), each with its own vertices."""
    generator = np.random.default_rng(seed)
    x, y = generator.uniform(-2.5, 2.5, (2, count * 3))
    z = -generator.uniform(nearest, 7.0, count * 3)
    clip = np.stack([1.5 * x, 1.5 * y, -(6.5 / 5.5) * z - 6 / 5.5, -z], 1)
    return torch.from_numpy(clip.astype(np.float32)), torch.arange(count * 3).view(-1, 3)


def solved(clip: Tensor, faces: Tensor, layers: int) -> tuple[Tensor, Tensor]:
    """The nearest triangle numbers [S, S, L] (-1 none), and where no answer hangs on rounding."""
    corners = clip.double()[faces]  # [F, 3, 4]; a point with w = 1 is shares of corners, however they lie
    place = (2 * torch.arange(SIDE).double() + 1) / SIDE - 1
    rays = torch.stack([place.repeat(SIDE), place.repeat_interleave(SIDE), torch.ones(SIDE**2).double()])
    shares = torch.linalg.solve(corners[:, :, [0, 1, 3]].mT, rays)  # [F, 3, pixels]
    depth = (shares * corners[:, :, 2:3]).sum(1)
    margin = torch.minimum(shares.amin(1) / shares.abs().amax(1), 1 - depth.abs())
    sure = (margin.abs() > 0.02).all(0)
    ordered, who = torch.where(margin > 0, depth, torch.inf).sort(0)
    who[ordered.isinf()] = -1
    return who[:layers].T.reshape(SIDE, SIDE, layers), sure.view(SIDE, SIDE)


@pytest.mark.parametrize("nearest", [1.0, -3.0], ids=["before", "through the camera's plane"])
def test_every_surface_along_the_ray_is_found_in_order(nearest: float) -> None:
    compared = 0
    for seed in range(12):
        clip, faces = triangles(6, seed, nearest)
        number = torch.arange(6.0).repeat_interleave(3)[:, None]
        expected, sure = solved(clip, faces, 4)
        values, coverage = rasterize_layers(clip[None], faces, number[None], SIDE, 4)
        assert (coverage[0] == (expected >= 0))[sure].all()
        found = torch.where(coverage[0], values[0, ..., 0].round().long(), -1)
        assert (found == expected)[sure].all()
        compared += int(coverage[0][sure].sum())
    assert compared > 1000


def test_attributes_are_correct_in_perspective() -> None:
    """A floor that recedes: what lies under a pixel is known from the camera alone."""
    world = torch.tensor([[-9.0, -1, -1], [9, -1, -1], [9, -1, -50], [-9, -1, -50]])
    x, y, z = world.unbind(1)
    clip = torch.stack([x, -y, -(60.1 / 59.9) * z - 12 / 59.9, -z], 1)
    values, coverage = rasterize_layers(clip[None], torch.tensor([[0, 1, 2], [0, 2, 3]]), world[None], 64, 1)
    row, column = coverage[0, ..., 0].nonzero(as_tuple=True)
    down, right = (2 * row + 1) / 64 - 1, (2 * column + 1) / 64 - 1
    torch.testing.assert_close(values[0, row, column, 0], torch.stack([right / down, 0 * down - 1, -1 / down], 1))
    assert row.min() == 33
    assert row.max() == 63  # from half a degree under the horizon to beside the camera


def test_a_box_on_pixel_centres_is_exactly_its_pixels() -> None:
    """Corners, edges and diagonals all run through pixel centres; left and top edges are the triangle's own."""
    lattice = torch.arange(3, 18, 3)
    y, x = torch.meshgrid(lattice, lattice, indexing="ij")
    x, y = (2 * x + 1) / 20 - 1, (2 * y + 1) / 20 - 1
    front = torch.stack([x, y, torch.full(x.shape, -0.5), torch.ones(x.shape)], -1).view(-1, 4)
    clip = torch.cat([front, front * torch.tensor([1, 1, -1, 1])])
    index = torch.arange(25).view(5, 5)
    a, b, c, d = (part.flatten() for part in (index[:-1, :-1], index[:-1, 1:], index[1:, 1:], index[1:, :-1]))
    side = torch.cat([torch.stack([a, b, c], 1), torch.stack([a, c, d], 1)])
    rim = torch.stack([index[0, :-1], index[0, 1:], index[0, 1:] + 25], 1)  # edge-on: covers nothing
    _, coverage = rasterize_layers(clip[None], torch.cat([side, side.flip(1) + 25, rim]), clip[None], 20, 8)
    expected = torch.zeros(20, 20, dtype=torch.long)
    expected[3:15, 3:15] = 2
    assert torch.equal(coverage[0].sum(-1), expected)


@pytest.mark.parametrize("grid", [None, 64], ids=["anywhere", "on a coarse grid, many corners on centres"])
def test_neighbours_neither_overlap_nor_leave_gaps(grid: int | None) -> None:
    places = np.random.default_rng(3).uniform(-1.4, 1.4, (400, 2))
    places = places if grid is None else np.round(places * grid) / grid
    mesh = Delaunay(np.unique(np.concatenate([places, [[-3, -3], [3, -3], [3, 3], [-3, 3]]]), axis=0))
    flat = torch.from_numpy(mesh.points).float()
    clip = torch.cat([flat, torch.zeros(len(flat), 1), torch.ones(len(flat), 1)], 1)
    faces = torch.from_numpy(mesh.simplices).long()
    faces[::2] = faces[::2].flip(1)  # which way a face turns must not matter
    soup = soup_of(clip[None], faces, clip[None])
    found = torch.cat([part.pixel for part in fragments.fragments_of(triangles_of(soup, (32, 32)), (32, 32))])
    assert (torch.bincount(found, minlength=32 * 32) == 1).all()


def test_coincident_surfaces_count_once_and_the_first_is_seen() -> None:
    clip, _ = triangles(1, 5)
    number = torch.tensor([[1.0]] * 3 + [[2.0]] * 3)
    values, coverage = rasterize_layers(
        clip.repeat(2, 1)[None], torch.tensor([[3, 4, 5], [0, 1, 2]]), number[None], SIDE, 3
    )
    assert coverage[0, ..., 0].any()
    assert not coverage[0, ..., 1].any()
    assert (values[0, ..., 0, 0].round() == 2 * coverage[0, ..., 0]).all()


def test_meshes_of_a_batch_are_drawn_as_if_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    meshes = [triangles(count, count, -2.0) for count in (7, 1, 12)]
    clips, faces = [clip for clip, _ in meshes], [face for _, face in meshes]
    together = rasterize_layers(clips, faces, clips, (SIDE, 2 * SIDE), 5)
    monkeypatch.setattr(fragments, "AT_ONCE", 100)  # drawn in many pieces
    for number, (clip, face) in enumerate(meshes):
        alone = rasterize_layers(clip[None], face, clip[None], (SIDE, 2 * SIDE), 5)
        assert torch.equal(together.values[number], alone.values[0])
        assert torch.equal(together.coverage[number], alone.coverage[0])


def test_nothing_in_sight_is_an_empty_image() -> None:
    behind = torch.tensor([[0.0, 0, 0, -1], [1, 0, 0, -1], [0, 1, 0, -1]])
    for faces in (torch.tensor([[0, 1, 2]]), torch.zeros(0, 3, dtype=torch.long)):
        values, coverage = rasterize_layers(behind[None], faces, behind[None], 8, 2)
        assert values.shape == (1, 8, 8, 2, 4)
        assert not values.any()
        assert not coverage.any()


CLIP, FACES = triangles(2, 0)
BAD: dict[str, tuple[tuple[Any, ...], str]] = {
    "fits": ((CLIP[None, :, :3], FACES, CLIP[None], 8, 1), r"mesh 0: vertices \[N, 4\]"),
    "lists": (([CLIP], [FACES, FACES], [CLIP], 8, 1), "1 lists of vertices, 2 of faces"),
    "rows": ((CLIP[None], FACES, CLIP[None, :4], 8, 1), "6 vertices but 4 rows"),
    "integers": ((CLIP[None], FACES.float(), CLIP[None], 8, 1), "faces must be integers"),
    "names": ((CLIP[None], FACES + 1, CLIP[None], 8, 1), "outside 0 to 5"),
    "finite": ((CLIP[None] * torch.nan, FACES, CLIP[None], 8, 1), "NaN or infinite"),
    "size": ((CLIP[None], FACES, CLIP[None], 0, 1), "0 x 0 pixels"),
}


@pytest.mark.parametrize("name", BAD)
def test_what_cannot_be_drawn_is_named(name: str) -> None:
    arguments, message = BAD[name]
    with pytest.raises(BadInput, match=message):
        rasterize_layers(*arguments)
