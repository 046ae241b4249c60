import io

import numpy as np
import pytest

from opendlign_core.projection import project
from opendlign_core.samples import decode_depth, encode_depth
from tests.projection.shapes import blob


def test_background_is_exact_and_the_rest_within_half_a_step() -> None:
    maps = project(blob()[None], "pointclip-v2")[0].numpy()
    back = decode_depth(encode_depth(maps))
    assert back.dtype == np.float32
    assert back.shape == maps.shape
    assert (back[maps == 1] == 1).all()
    assert np.abs(back - maps).max() <= 1 / 131070 + 1e-9
    assert back.min() == 0


def test_is_small_stable_and_a_plain_npy_file() -> None:
    maps = project(blob()[None], "opendlign")[0]
    stored = encode_depth(maps)
    assert stored == encode_depth(maps.numpy())
    assert encode_depth(decode_depth(stored)) == stored
    assert len(stored) < maps.numel() * 2 * 0.75
    assert np.load(io.BytesIO(stored), allow_pickle=False).dtype == np.uint8


@pytest.mark.parametrize("shape", [(1, 1, 1), (3, 5, 7), (2, 8, 8)])
@pytest.mark.parametrize("value", [0.0, 0.5, 1.0])
def test_any_shape_and_constant_maps(shape: tuple[int, int, int], value: float) -> None:
    back = decode_depth(encode_depth(np.full(shape, value, np.float32)))
    np.testing.assert_allclose(back, np.full(shape, value), atol=1 / 131070)


@pytest.mark.parametrize("value", [float("nan"), -0.1, 1.1, float("inf")])
def test_values_outside_the_range_are_refused(value: float) -> None:
    maps = np.ones((1, 4, 4), np.float32)
    maps[0, 1, 1] = value
    with pytest.raises(ValueError, match=r"must lie in \[0, 1\]"):
        encode_depth(maps)


def test_foreign_bytes_are_refused() -> None:
    with pytest.raises(ValueError, match=r"views, rows, columns"):
        encode_depth(np.ones((4, 4), np.float32))
    plain = io.BytesIO()
    np.save(plain, np.ones((2, 3), np.float32))
    wrong_magic = io.BytesIO()
    np.save(wrong_magic, np.zeros(100, np.uint8))
    for data in (b"", b"not a file", plain.getvalue(), wrong_magic.getvalue()):
        with pytest.raises(ValueError, match="these bytes"):
            decode_depth(data)
    with pytest.raises(ValueError, match="cut short"):
        decode_depth(_cut(encode_depth(np.random.default_rng(0).random((1, 8, 8)).astype(np.float32))))


def _cut(stored: bytes) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, np.load(io.BytesIO(stored))[:-10])
    return buffer.getvalue()
