"""The stored form of depth maps: one .npy of bytes holding where the object is and 16-bit depths of those pixels.

Most of a map is background, so this is about a quarter of the plain 16-bit array at its speed, where PNG
or deflate of the depths cost more time than the projection. Background comes back as exactly 1; any other value
in [0, 1] comes back within 1 / 131070.
"""

import io
import struct
import zlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

_HEADER = struct.Struct("<4sHHHI")  # magic, views, rows, columns, bytes of the mask
_MAGIC = b"ODM1"
_STEPS = np.float32(65535)


def encode_depth(depth: Any) -> bytes:
    """Return the stored form of depth maps [V, H, W] with values in [0, 1] (array or CPU tensor).

    Raises ValueError for another shape, or for values that are not in [0, 1].
    """
    maps = np.asarray(depth, dtype=np.float32)
    if maps.ndim != 3 or max(maps.shape) > 65535:
        raise ValueError(f"depth maps must have the shape [views, rows, columns], got {list(maps.shape)}")
    object_mask = maps < 1
    values = maps[object_mask]
    if not (maps.max(initial=1) <= 1 and values.min(initial=0) >= 0 and not np.isnan(maps.sum())):
        raise ValueError("depth values must lie in [0, 1], and these do not (or are NaN)")
    mask = zlib.compress(np.packbits(object_mask).tobytes(), 1)
    header = _HEADER.pack(_MAGIC, *maps.shape, len(mask))
    steps = np.rint(values * _STEPS).astype("<u2")
    return _npy(header + mask + steps.tobytes())


def decode_depth(data: bytes | NDArray[np.uint8]) -> NDArray[np.float32]:  # [V, H, W]
    """Return the depth maps that `encode_depth` stored; raise ValueError if the bytes are something else.

    Loaders of other projects open the .npy themselves: the array of bytes that they find in it will do.
    """
    body = _body(data)
    magic, views, rows, columns, mask_bytes = _HEADER.unpack_from(body)
    if magic != _MAGIC:
        raise ValueError("these bytes hold no depth maps of this product (wrong magic number)")
    count = views * rows * columns
    packed = np.frombuffer(zlib.decompress(body[_HEADER.size : _HEADER.size + mask_bytes]), np.uint8)
    object_mask = np.unpackbits(packed, count=count).view(bool)
    maps = np.ones(count, np.float32)
    values = np.frombuffer(body[_HEADER.size + mask_bytes :], "<u2")
    if len(values) != np.count_nonzero(object_mask):
        raise ValueError("these depth maps are cut short; store them again")
    maps[object_mask] = values / _STEPS
    return maps.reshape(views, rows, columns)


def _npy(body: bytes) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, np.frombuffer(body, np.uint8), allow_pickle=False)
    return buffer.getvalue()


def _body(data: bytes | NDArray[np.uint8]) -> bytes:
    try:
        stored = np.load(io.BytesIO(data), allow_pickle=False) if isinstance(data, bytes) else np.asarray(data)
    except (ValueError, EOFError, OSError) as error:
        raise ValueError(f"these bytes are no .npy file: {error}") from error
    if not isinstance(stored, np.ndarray) or stored.dtype != np.uint8 or stored.nbytes < _HEADER.size:
        raise ValueError("these bytes hold no depth maps of this product; encode them with encode_depth")
    return stored.tobytes()
