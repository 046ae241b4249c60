import subprocess
import sys

import numpy as np
import pytest
import torch
from torch import Tensor

from bench.projection import dense_project, opencv_bilateral, torch_bilateral
from opendlign_core.projection import RECIPES, UnusableCloud, engine, filters, project, slicewise, volume
from opendlign_core.projection.grid import cell_range, cells_of
from opendlign_core.projection.recipe import Bilateral, Gaussian, ProjectionRecipe, WindowMax
from opendlign_core.projection.views import rotate, rotation_stages
from tests.projection.shapes import blob

SMALL: dict[str, ProjectionRecipe] = {
    "opendlign": RECIPES["opendlign"].replace(size=64),
    "opendlign-3d": RECIPES["opendlign-3d"].replace(size=24, views=RECIPES["opendlign"].views[:2]),
    "pointclip-v2": RECIPES["pointclip-v2"].replace(size=56),
    "pointclip-v2-seg": RECIPES["pointclip-v2-seg"].replace(size=56, slices=28),
    "square": RECIPES["opendlign"].replace(size=64, smooth=Bilateral(support="square")),
    "filling": RECIPES["pointclip-v2"].replace(size=24, scale=1.0),
    "filling-bilateral": RECIPES["opendlign"].replace(size=24, scale=1.0),
    "filling-3d": RECIPES["pointclip-v2-seg"].replace(size=24, slices=12, scale=1.0),
    "one-sided": RECIPES["pointclip-v2"].replace(
        size=48, densify=WindowMax(window=(1, 4, 4), padding=(0, 1, 1)), smooth=Gaussian(window=(1, 5, 5))
    ),
    "unsmoothed": RECIPES["opendlign"].replace(size=48, smooth=None),
    "unsmoothed-3d": RECIPES["pointclip-v2-seg"].replace(size=24, slices=12, scale=1.0, smooth=None),
    "flat-smoothing-3d": RECIPES["pointclip-v2-seg"].replace(
        size=24, slices=12, scale=1.0, smooth=Gaussian(window=(3, 7, 7), sigma=(2.0, 1.0, 1.0))
    ),
    "deep-smoothing-3d": RECIPES["opendlign-3d"].replace(
        size=24,
        slices=12,
        scale=1.0,
        densify=WindowMax(window=(3, 7, 7), padding=(1, 3, 3)),
        smooth=Gaussian(window=(7, 3, 3), sigma=(2.0, 1.0, 1.0)),
        views=RECIPES["opendlign"].views[:2],
    ),
}
WINDOWS = sorted(SMALL)
ALL = {
    **SMALL,
    "pointclip": RECIPES["pointclip"].replace(size=64),
    "filling-pointclip": RECIPES["pointclip"].replace(size=24, scale=1.0),
}


def batch(count: int = 3, points: int = 300) -> Tensor:
    return torch.stack([blob(points, seed) for seed in range(count)])


@pytest.mark.parametrize("name", WINDOWS)
def test_agrees_with_the_dense_grid(name: str) -> None:
    recipe = SMALL[name]
    expected = dense_project(batch(), recipe, torch_bilateral)
    torch.testing.assert_close(project(batch(), recipe), expected, atol=1e-5, rtol=0)


def test_bilateral_agrees_with_opencv() -> None:
    recipe = RECIPES["opendlign"].replace(size=160)  # large enough for its border rule not to matter
    expected = dense_project(batch(1), recipe, opencv_bilateral)
    torch.testing.assert_close(project(batch(1), recipe), expected, atol=2e-4, rtol=0)


@pytest.mark.parametrize("name", sorted(ALL))
def test_background_is_one_and_the_nearest_point_zero(name: str) -> None:
    maps = project(batch(), ALL[name])
    assert maps.shape == (3, len(ALL[name].views), ALL[name].image_size, ALL[name].image_size)
    assert maps.dtype == torch.float32
    assert (maps.amin((2, 3)) == 0).all()
    assert maps.max() <= 1
    if ALL[name].scale < 1:
        assert (maps[..., 0, 0] == 1).all()


@pytest.mark.parametrize("name", sorted(ALL))
def test_the_order_of_points_does_not_matter(name: str) -> None:
    recipe = ALL[name].replace(collision="nearest")
    shuffled = batch()[:, torch.randperm(300, generator=torch.Generator().manual_seed(5))]
    torch.testing.assert_close(project(shuffled, recipe), project(batch(), recipe), atol=0, rtol=0)


@pytest.mark.parametrize("name", WINDOWS)
def test_repeated_points_do_not_matter(name: str) -> None:
    twice = torch.cat([batch(), batch()], 1)
    assert torch.equal(project(twice, SMALL[name]), project(batch(), SMALL[name]))


@pytest.mark.parametrize("name", sorted(ALL))
def test_a_cloud_does_not_depend_on_its_batch(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    together = project(batch(4), ALL[name])
    alone = torch.cat([project(cloud[None], ALL[name]) for cloud in batch(4)])
    monkeypatch.setitem(engine.POINTS_AT_ONCE, "cpu", 1)
    monkeypatch.setitem(slicewise.CHUNK_CELLS, "cpu", 1)
    monkeypatch.setitem(volume.SLAB_CELLS, "cpu", 1 << 10)
    monkeypatch.setitem(filters._EVALUATED_AT_ONCE, "cpu", 1 << 10)
    chunked = project(batch(4), ALL[name])
    assert torch.equal(together, alone)
    assert torch.equal(together, chunked)


@pytest.mark.parametrize(("factor", "shift"), [(0.37, 0.0), (1.0, 0.25), (250.0, -13.0)])
def test_scale_and_place_move_only_points_at_cell_borders_and_to_either_side(factor: float, shift: float) -> None:
    recipe = RECIPES["pointclip-v2"].replace(first_points=None)
    points = batch(8, 2000)
    still, moved = cells_of(points, recipe), cells_of(points * factor + shift, recipe)
    flips = torch.zeros(2, dtype=torch.int64)
    for axis, where in (("row", exact_pixels(points, recipe, 0)), ("column", exact_pixels(points, recipe, 1))):
        jump = getattr(moved, axis) - getattr(still, axis)
        band = (where - where.round()).abs() < 2e-4  # cells; float32 coordinates of 112 cells carry 1e-5
        assert band.float().mean() < 0.002
        assert not jump[~band].any(), axis
        assert jump.abs().max() <= 1
        flips += torch.tensor([(jump > 0).sum(), (jump < 0).sum()])
    assert flips.min() >= flips.max() // 4, "rounding favours one side"
    difference = (project(points * factor + shift, recipe) - project(points, recipe)).abs()
    same = ~((moved.row != still.row) | (moved.column != still.column) | (moved.layer != still.layer)).any(-1)
    assert same.any()
    assert difference[same].max() < 1e-5


def exact_pixels(points: Tensor, recipe: ProjectionRecipe, axis: int) -> Tensor:  # [B, V, N]
    """Image coordinates in double precision, before they are rounded up to cells."""
    place = rotate(points.double().transpose(1, 2), [stage.double() for stage in rotation_stages(recipe)])
    high, low = place.amax(-1, keepdim=True), place.amin(-1, keepdim=True)
    place = (place - (high + low) / 2) / (high - low).amax(2, keepdim=True) * 2
    return (place[:, :, axis] * recipe.scale + 1) / 2 * recipe.size


def test_pointclip_v2_takes_the_first_1024_points_as_its_reference_does() -> None:
    points = batch(2, 2048)
    first = project(points[:, :1024], "pointclip-v2")
    assert torch.equal(project(points, "pointclip-v2"), first)
    every = project(points, RECIPES["pointclip-v2"].replace(first_points=None))
    assert not torch.equal(every, first)
    beyond = points.clone()
    beyond[:, 1500] = float("nan")
    assert torch.equal(project(beyond, "pointclip-v2"), first), "what is not taken does not matter"
    assert torch.equal(project(points[:, :300], "pointclip-v2"), project(points[:, :300], RECIPES["pointclip-v2"]))


def test_a_power_of_two_changes_nothing_but_the_shift_s_rounding() -> None:
    assert (project(batch() * 4, "pointclip-v2") - project(batch(), "pointclip-v2")).abs().max() < 1e-5


MEMORY = """
import resource, sys, torch
from opendlign_core.projection import project

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024

torch.set_num_threads(1)
batch = torch.randn(int(sys.argv[1]), int(sys.argv[2]), 3, generator=torch.Generator().manual_seed(0))
project(batch[:1, :50], "pointclip-v2")
before = peak()
output = project(batch, "pointclip-v2")
print(peak() - before - output.numel() * 4 / 2**20)
"""


def test_memory_beside_the_output_does_not_grow_with_the_batch() -> None:
    def megabytes(clouds: int) -> float:
        command = [sys.executable, "-c", MEMORY, str(clouds), "1024"]
        return float(subprocess.run(command, capture_output=True, text=True, check=True).stdout)

    assert megabytes(32) < 100
    assert megabytes(256) < 150  # 118 MB of output, 31 MB for each copy of all coordinates of all views


def test_depth_does_not_hide_the_collision_rule() -> None:
    recipe = SMALL["pointclip-v2-seg"]
    first = project(batch(1, 3000), recipe)
    assert not torch.equal(project(batch(1, 3000).flip(1), recipe), first)
    nearest = recipe.replace(collision="nearest")
    assert torch.equal(project(batch(1, 3000).flip(1), nearest), project(batch(1, 3000), nearest))


def test_median_is_part_of_the_recipe() -> None:
    plain = project(batch(1), SMALL["opendlign"])
    sharpened = project(batch(1), SMALL["opendlign"].replace(median=7))
    assert sharpened.shape == plain.shape
    assert not torch.equal(sharpened, plain)


def test_bad_clouds_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    good = batch(3)
    for spoil, words in ((float("nan"), "NaN or infinite"), (float("inf"), "NaN or infinite")):
        spoilt = good.clone()
        spoilt[1, 7, 2] = spoil
        with pytest.raises(UnusableCloud, match=f"sample 1: .*{words}"):
            project(spoilt)
    same = good.clone()
    same[2] = 0.5
    with pytest.raises(UnusableCloud, match="sample 2: all points coincide"):
        project(same)
    with pytest.raises(UnusableCloud, match="sample 0: all points coincide"):
        project(good[:, :1])
    with pytest.raises(UnusableCloud, match="too large"):
        project(good / good.abs().max() * 3e38)
    with pytest.raises(UnusableCloud, match="sample 0: the points coincide within float32 rounding"):
        project(torch.tensor([[[1e-8, 0.0, 0.0], [0.0, 0.0, 0.0]]]))
    monkeypatch.setitem(engine.POINTS_AT_ONCE, "cpu", 1)
    good[2] = torch.tensor([1.0, 2.0, 3.0])
    good[2, 0, 0] += 1e-6
    with pytest.raises(UnusableCloud, match="sample 2: the points coincide within float32 rounding"):
        project(good * 1e-3, SMALL["opendlign"])


def test_two_points_a_line_and_a_plane_are_clouds() -> None:
    line = torch.linspace(0, 1, 50)[:, None] * torch.tensor([1.0, 0.0, 0.0])
    plane = batch(1) * torch.tensor([1.0, 0.0, 1.0])
    for cloud in (line[None], line[None, :2], plane):
        for recipe in ALL.values():
            maps = project(cloud, recipe)
            assert torch.isfinite(maps).all()
            assert (maps.amin((2, 3)) == 0).all()


def test_wrong_arguments_are_named() -> None:
    with pytest.raises(ValueError, match=r"\[clouds, points, 3\], got \[300, 3\]"):
        project(batch()[0])
    with pytest.raises(ValueError, match=r"float32, got torch\.float64"):
        project(batch().double())
    with pytest.raises(ValueError, match="unknown projection recipe 'x'; choose one of opendlign"):
        project(batch(), "x")
    with pytest.raises(ValueError, match="unknown backend 'x'"):
        project(batch(), backend="x")
    with pytest.raises(ValueError, match="needs points on a CUDA device, got cpu"):
        project(batch(), backend="triton")
    with pytest.raises(ValueError, match="no weighted splats"):
        project(batch(), "pointclip", backend="triton")


def test_an_empty_batch_and_an_array_are_fine() -> None:
    assert project(torch.empty(0, 100, 3), SMALL["opendlign"]).shape == (0, 10, 64, 64)
    assert torch.equal(project(batch(1).numpy(), SMALL["opendlign"]), project(batch(1), SMALL["opendlign"]))
    assert np.isfinite(project(batch(1), SMALL["opendlign"]).numpy()).all()


def test_as_many_clouds_are_placed_at_once_as_points_are_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    recipe, sizes = SMALL["unsmoothed"], []
    render = engine._rendered

    def noting(points: Tensor, recipe: ProjectionRecipe, backend: str) -> Tensor:
        sizes.append(len(points))
        return render(points, recipe, backend)

    monkeypatch.setattr(engine, "_rendered", noting)
    of_one = 300 * len(recipe.views)
    for allowed in (1, of_one, 2 * of_one, 3 * of_one - 1, 3 * of_one):
        monkeypatch.setitem(engine.POINTS_AT_ONCE, "cpu", allowed)
        project(batch(3), recipe)
    assert sizes == [1, 1, 1, 1, 1, 1, 2, 1, 2, 1, 3]


def test_nothing_is_kept_for_a_gradient() -> None:
    assert not project(batch(1).requires_grad_(), SMALL["unsmoothed"]).requires_grad


def test_a_cloud_without_points_is_named() -> None:
    with pytest.raises(UnusableCloud, match="sample 0: the cloud has no points"):
        project(torch.empty(2, 0, 3))


def test_the_first_of_several_bad_clouds_is_named() -> None:
    close = batch(3)
    close[1:] = torch.tensor([1.0, 2.0, 3.0])
    close[1:, 0, 0] += 1e-6
    with pytest.raises(UnusableCloud, match="sample 1: the points coincide within float32 rounding"):
        project(close * 1e-3, SMALL["opendlign"])


def test_whole_grids_are_filtered_only_where_slices_meet() -> None:
    deep = {name for name, recipe in SMALL.items() if volume.is_volumetric(recipe)}
    assert deep == {name for name in SMALL if "3d" in name or "seg" in name}


@pytest.mark.parametrize("scale", [0.55, 0.7, 0.9, 1.0])
@pytest.mark.parametrize("size", [24, 56, 57])
def test_points_fall_into_all_of_the_range_that_is_told_and_nowhere_else(size: int, scale: float) -> None:
    recipe = RECIPES["opendlign"].replace(size=size, scale=scale, views=((),), slices=20, depth_bias=0.0)
    cross = torch.linspace(-1, 1, 4001)[None, :, None] * torch.eye(3)[:, None]  # [axis, point, 3]
    cells = cells_of(cross.reshape(1, -1, 3), recipe)
    first, last = cell_range(recipe)
    for place in (cells.row, cells.column):
        assert (int(place.min()), int(place.max())) == (first, last)
    assert (float(cells.depth.min()), float(cells.depth.max())) == (1, 18), "of 20 slices the outer ones stay empty"
