"""Places of points come back from their fields as they went in; what is cut short is refused."""

import numpy as np
import pytest

from opendlign_core.samples import LOOKUPS, Places, WrongSample, encode_array


def places(points: int, size: int) -> Places:
    rng = np.random.default_rng(points)
    row, column = (rng.integers(size, size=(3, points)) for _ in range(2))
    return Places.of(row, column, {name: rng.random((3, points)) < 0.5 for name in LOOKUPS})


@pytest.mark.parametrize("points", [1, 8, 301])
@pytest.mark.parametrize(("size", "kind"), [(224, np.uint8), (2048, np.uint16)])
def test_fields_give_the_places_back(points: int, size: int, kind: type) -> None:
    given = places(points, size)
    back = Places.read("toys%2Fchair", given.fields())
    assert back is not None
    for there, here in ((given.row, back.row), (given.column, back.column)):
        np.testing.assert_array_equal(there, here)
    assert back.seen.keys() == given.seen.keys()
    for name in LOOKUPS:
        np.testing.assert_array_equal(back.seen[name], given.seen[name])
    if points > 100:
        assert back.row.dtype == kind


def test_a_sample_without_places_has_none() -> None:
    assert Places.read("toys%2Fchair", {"depth.npy": b""}) is None


@pytest.mark.parametrize("shape", [(3, 5), (2, 38), (3, 39)])
def test_visibility_of_another_number_of_points_is_refused(shape: tuple[int, int]) -> None:
    fields = places(300, 64).fields() | {"seen-corrected.npy": encode_array(np.zeros(shape, np.uint8))}
    with pytest.raises(WrongSample, match="not of one number of views and points"):
        Places.read("toys%2Fchair", fields)
