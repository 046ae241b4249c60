import numpy as np

from opendlign_core.ingestion.reduce import pad_indices, random_indices


def test_random_reduction_is_a_seeded_subset_in_order() -> None:
    first, again = (random_indices(1000, 100, np.random.default_rng(3)) for _ in range(2))
    np.testing.assert_array_equal(first, again)
    assert (np.diff(first) > 0).all()
    assert first[-1] < 1000


def test_padding_repeats_every_point_about_as_often() -> None:
    counts = np.bincount(pad_indices(7, 100))
    assert counts.min() >= 14
    assert counts.sum() == 100
