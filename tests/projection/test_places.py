"""Maps with the places of points: of any number of points, as many views at a time as memory takes."""

import numpy as np
import pytest
import torch

from opendlign_core.projection import RECIPES, UnusableCloud, project_points
from opendlign_core.projection import points as points_module
from opendlign_core.projection.filters import Room, gaussian_pass, gaussian_weights
from opendlign_core.projection.points import maps_and_places
from opendlign_core.projection.recipe import ProjectionRecipe
from opendlign_core.samples import LOOKUPS
from tests.projection.shapes import blob

SMALL: ProjectionRecipe = RECIPES["pointclip-v2-seg"].replace(size=48, slices=24, places=LOOKUPS)


@pytest.mark.parametrize("at_once", [1, 700, 1 << 19])
def test_a_cloud_has_the_same_maps_and_places_however_many_views_are_placed_at_a_time(
    at_once: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    cloud = blob()
    monkeypatch.setattr(points_module, "PLACED_AT_ONCE", at_once)
    maps, places = maps_and_places(cloud, SMALL)
    for lookup in LOOKUPS:
        found = project_points(cloud[None], SMALL, lookup)
        assert torch.equal(maps, found.depth[0])
        assert np.array_equal(places.seen[lookup], found.seen[0].numpy())
    true = project_points(cloud[None], SMALL)
    assert np.array_equal(places.row, true.rows[0].numpy())
    assert np.array_equal(places.column, true.columns[0].numpy())


def test_a_cloud_without_points_is_refused_by_what_it_lacks() -> None:
    with pytest.raises(UnusableCloud, match="has no points"):
        maps_and_places(torch.zeros(0, 3), SMALL)


def test_places_are_of_maps_as_points_make_them() -> None:
    with pytest.raises(ValueError, match="leave the median filter out"):
        SMALL.replace(median=3)


@pytest.mark.parametrize("window", [3, 5, 9])
def test_passes_that_share_their_memory_say_what_passes_say_that_do_not(window: int) -> None:
    flat, weights = torch.rand(4000, generator=torch.Generator().manual_seed(0)), gaussian_weights(window, 1.5)
    room = Room(flat.device)
    shared = gaussian_pass(gaussian_pass(room.next(len(flat)).copy_(flat), weights, 1, room), weights, 50, room)
    apart = gaussian_pass(gaussian_pass(flat, weights, 1), weights, 50)
    assert torch.equal(shared, apart)
