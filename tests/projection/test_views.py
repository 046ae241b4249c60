import math

import numpy as np
import pytest
import torch
from torch import Tensor

from opendlign_core.projection import RECIPES, project
from opendlign_core.projection.views import observer_directions
from tests.projection.shapes import distinct_views, flag


def _azimuth_and_elevation(direction: np.ndarray) -> tuple[float, float]:
    x, y, z = direction
    return math.degrees(math.atan2(x, z)) % 360, math.degrees(math.asin(y))


def test_opendlign_looks_from_a_ring() -> None:
    seen = [_azimuth_and_elevation(direction) for direction in observer_directions(RECIPES["opendlign"])]
    expected = [(azimuth, 20) for azimuth in range(30, 300, 30)] + [(300, 12)]
    np.testing.assert_allclose(seen, expected, atol=1e-4)


def test_pointclip_v2_looks_from_a_ring_and_the_poles() -> None:
    directions = observer_directions(RECIPES["pointclip-v2"])
    seen = [_azimuth_and_elevation(direction) for direction in directions[:8]]
    np.testing.assert_allclose(seen, [(a, 20) for a in (45, 135, 225, 315, 0, 90, 180, 270)], atol=1e-4)
    np.testing.assert_allclose(directions[8:], [(0, -0.978, 0.208), (0, 0.978, -0.208)], atol=1e-3)
    poles = observer_directions(RECIPES["pointclip-v2-seg"])[8:]
    np.testing.assert_allclose(poles, [(0.203, -0.957, 0.208), (0.203, 0.957, -0.208)], atol=1e-3)


def test_up_is_up_and_left_is_left() -> None:
    views = RECIPES["pointclip-v2"].views[4:8]  # azimuths 0, 90, 180, 270
    front, right, back, left = project(flag()[None], RECIPES["opendlign"].replace(size=96, views=views))[0]
    for image, side in ((front, 1), (back, -1)):
        flag_column, pole_column = _column(image, 15, 30), _column(image, 45, 70)
        assert side * (flag_column - pole_column) > 5, "from +z a flag towards +x is on the right, from -z on the left"
        widths = (image < 1).sum(1)
        assert widths[15:30].max() > 2 * widths[45:70].max(), "the flag is at the top"
    for image, side in ((right, -1), (left, 1)):
        knob_column, pole_column = _column(image, 72, 96), _column(image, 20, 45)
        assert side * (knob_column - pole_column) > 3, "from +x a knob towards +z is on the left, from -x on the right"


def _column(image: Tensor, top: int, bottom: int) -> float:
    return float((image[top:bottom] < 1).nonzero()[:, 1].float().mean())


def test_nearer_is_darker() -> None:
    ball = torch.nn.functional.normalize(torch.randn(4000, 3, generator=torch.Generator().manual_seed(0)), dim=1)
    image = project(ball[None], "opendlign")[0, 0]
    assert image[112, 112] < 0.05 < image[112, 30] < 1


@pytest.mark.parametrize("name", ["opendlign", "pointclip-v2"])
def test_turning_the_object_by_a_view_step_moves_the_views(name: str) -> None:
    step = 30 if name == "opendlign" else 90
    angle = math.radians(step)
    turn = torch.tensor([[math.cos(angle), 0, math.sin(angle)], [0, 1, 0], [-math.sin(angle), 0, math.cos(angle)]])
    still, turned = (project(points[None], name)[0] for points in (flag(), flag() @ turn.T))
    # Turned by +step about y, the object shows to azimuth a what it showed to azimuth a - step.
    pairs = [(k, k - 1) for k in range(1, 9)] if name == "opendlign" else [(5, 4), (6, 5), (7, 6), (4, 7), (1, 0)]
    for now, before in pairs:
        difference = (turned[now] - still[before]).abs()
        assert (difference > 0.02).float().mean() < 0.004, (now, before)
        assert difference.mean() < distinct_views(still)[distinct_views(still) > 0].min() / 3


def test_sides_and_poles_of_pointclip() -> None:
    directions = observer_directions(RECIPES["pointclip"])
    expected = [(0, 0, 1), (1, 0, 0), (0, 0, -1), (-1, 0, 0), (0, -1, 0), (0, 1, 0)]
    np.testing.assert_allclose(directions, expected, atol=1e-6)
