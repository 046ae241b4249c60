import numpy as np
import pytest
from numpy.typing import NDArray

from opendlign_core.farthest import farthest_indices


def textbook(points: NDArray[np.float32], wanted: int) -> list[int]:
    """Farthest-point sampling as its definition says, in double precision."""
    exact = points.astype(np.float64)
    chosen = [int(np.linalg.norm(exact - exact.mean(axis=0), axis=1).argmax())]
    distance = np.full(len(exact), np.inf)
    while len(chosen) < wanted:
        distance = np.minimum(distance, np.linalg.norm(exact - exact[chosen[-1]], axis=1))
        chosen.append(int(distance.argmax()))
    return chosen


@pytest.mark.parametrize("count", [50, 700, 5000])
def test_farthest_points_follow_the_definition(count: int) -> None:
    rng = np.random.default_rng(count)
    points = (rng.random((count, 3)) * (5, 1, 0.2)).astype(np.float32)
    wanted = min(count, 300)
    assert farthest_indices(points, wanted).tolist() == textbook(points, wanted)


@pytest.mark.parametrize("count", [100, 3000])
def test_chosen_points_are_distinct_even_where_points_coincide(count: int) -> None:
    points = np.repeat(np.random.default_rng(0).random((count // 100, 3)).astype(np.float32), 100, axis=0)
    chosen = farthest_indices(points, count)
    assert sorted(chosen.tolist()) == list(range(count))
    distinct = np.unique(points[chosen[: count // 100]], axis=0)
    assert len(distinct) == count // 100
