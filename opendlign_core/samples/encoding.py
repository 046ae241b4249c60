"""Arrays and JSON as bytes, the same bytes for the same values."""

import io
import json
from typing import Any

import numpy as np
from numpy.typing import NDArray


def encode_array(array: NDArray[Any]) -> bytes:
    """The array as a .npy file; raises ValueError for an array of Python objects."""
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=False)
    return buffer.getvalue()


def decode_array(encoded: bytes) -> NDArray[Any]:
    """The array of a .npy file; raises ValueError for anything else, pickled objects included."""
    try:
        loaded = np.load(io.BytesIO(encoded), allow_pickle=False)
    except (EOFError, OSError) as error:
        raise ValueError(f"these bytes are no .npy file: {error}") from error
    if not isinstance(loaded, np.ndarray):
        raise ValueError("these bytes are an .npz archive where a .npy file was expected")
    return loaded


def encode_json(value: Any) -> bytes:
    """JSON with sorted keys and a final newline; raises ValueError for NaN and infinities."""
    return (json.dumps(value, ensure_ascii=False, sort_keys=True, allow_nan=False) + "\n").encode()
