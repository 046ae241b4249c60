"""The `.npy` format: a header that is checked before it is believed, and plain arrays."""

import io
import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from opendlign_core.ingestion.safety import require
from opendlign_core.ingestion.shapes import Array

MAX_NPY_HEADER = 1 << 16
"""Bytes at the head of a `.npy` file within which its header ends."""


@dataclass(frozen=True)
class NpyHeader:
    """What the head of a `.npy` file declares."""

    shape: tuple[int, ...]
    fortran: bool
    dtype: np.dtype[Any]
    start: int  # offset of the data

    @property
    def nbytes(self) -> int:
        """Bytes of data that the shape needs, however absurd."""
        return math.prod(self.shape) * self.dtype.itemsize


def read_npy_header(head: bytes) -> NpyHeader:
    """Parse the head of a `.npy` file, of which only the first bytes are given: its declared length is not trusted."""
    stream = io.BytesIO(head)
    major, _ = np.lib.format.read_magic(stream)
    read = np.lib.format.read_array_header_1_0 if major == 1 else np.lib.format.read_array_header_2_0
    shape, fortran, dtype = read(stream)
    require(all(isinstance(size, int) and size >= 0 for size in shape), f"declares an array of shape {shape}")
    return NpyHeader(shape, fortran, dtype, stream.tell())


def parse_npy(data: bytes) -> Array:
    """An array out of the bytes of a `.npy` file; shapes beyond the bytes and pickled objects are refused."""
    header = read_npy_header(data[:MAX_NPY_HEADER])
    require(not header.dtype.hasobject, "holds pickled objects where a plain array was expected")
    present = len(data) - header.start
    require(header.nbytes <= present, f"declares {header.nbytes} bytes of array, but holds {present}")
    flat = np.frombuffer(data, dtype=header.dtype, count=math.prod(header.shape), offset=header.start)
    return flat.reshape(header.shape, order="F" if header.fortran else "C")
