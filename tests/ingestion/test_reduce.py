import numpy as np
import pytest

from opendlign_core.ingestion.cloud import Points
from opendlign_core.ingestion.reduce import farthest_indices, pad_indices, random_indices


def textbook(points: Points, wanted: int) -> list[int]:
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


def test_random_reduction_is_a_seeded_subset_in_order() -> None:
    first, again = (random_indices(1000, 100, np.random.default_rng(3)) for _ in range(2))
    np.testing.assert_array_equal(first, again)
    assert (np.diff(first) > 0).all()
    assert first[-1] < 1000


def test_padding_repeats_every_point_about_as_often() -> None:
    counts = np.bincount(pad_indices(7, 100))
    assert counts.min() >= 14
    assert counts.sum() == 100
