"""Arrays and JSON as bytes."""

import io
from typing import Any

import numpy as np
import pytest

from opendlign_core.samples import decode_array, encode_array, encode_json


def test_arrays_come_back_and_pickles_do_not() -> None:
    array = np.arange(6, dtype=np.float32).reshape(2, 3)
    assert np.array_equal(decode_array(encode_array(array)), array)
    with pytest.raises(ValueError, match="allow_pickle"):
        encode_array(np.array([object()], dtype=object))
    buffer = io.BytesIO()
    np.save(buffer, np.array([{}], dtype=object), allow_pickle=True)
    with pytest.raises(ValueError, match="allow_pickle"):
        decode_array(buffer.getvalue())


def test_archives_and_torn_files_are_no_arrays() -> None:
    archive = io.BytesIO()
    np.savez(archive, a=np.zeros(3))
    for encoded, said in (
        (archive.getvalue(), "npz archive"),
        (b"", "no .npy file"),
        (encode_array(np.zeros(30))[:-9], "EOF: reading array data"),
    ):
        with pytest.raises(ValueError, match=said):
            decode_array(encoded)


def test_json_has_one_spelling_and_no_nan() -> None:
    assert encode_json({"b": 1, "a": "\u00e9"}) == '{"a": "\u00e9", "b": 1}\n'.encode()
    value: Any = float("nan")
    with pytest.raises(ValueError, match="JSON"):
        encode_json({"x": value})
