"""The arrays of .npy, .npz, .h5 and pickled dictionary files by name, each read only when asked for."""

import math
import zipfile
from functools import cached_property
from pathlib import Path
from typing import Literal, Protocol

import numpy as np

from opendlign_core.ingestion.dictionaries import load_array_dictionary
from opendlign_core.ingestion.npy import MAX_NPY_HEADER, NpyHeader, parse_npy, read_npy_header
from opendlign_core.ingestion.safety import MAX_FILE_BYTES, read_bounded, read_zip_member, require
from opendlign_core.ingestion.shapes import Array

ONLY = "array"
"""Name of the one array of a plain `.npy` file."""


class ArrayFile(Protocol):
    """Named arrays of one file."""

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Shape of every array, without reading any."""
        ...

    def read(self, name: str, row: int | None) -> Array:
        """One array, or one row of it."""
        ...


def open_arrays(path: Path) -> ArrayFile:
    """Open an array file by its suffix."""
    suffix = path.suffix.lower()
    if suffix == ".npz":
        return NpzArrays(path)
    if suffix == ".npy":
        return _open_npy(path)
    return H5Arrays(path)


def _open_npy(path: Path) -> ArrayFile:
    with path.open("rb") as stream:
        header = read_npy_header(stream.read(MAX_NPY_HEADER))
    return PickledArrays(path) if header.dtype.hasobject else NpyArrays(path, header)


class NpyArrays:
    """A plain `.npy` file; the whole is read, a row of it through a map."""

    def __init__(self, path: Path, header: NpyHeader) -> None:
        needed, present = header.nbytes, path.stat().st_size - header.start
        require(needed > 0, f"holds an empty array, of shape {header.shape}")
        require(needed <= present, f"declares {needed} bytes of array, but holds {present}")
        self._path, self._header = path, header
        self._order: Literal["F", "C"] = "F" if header.fortran else "C"

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """The shape of the one array."""
        return {ONLY: self._header.shape}

    def read(self, name: str, row: int | None) -> Array:
        """The array or one of its rows, copied out of the file."""
        require(name == ONLY, f"is a plain array without a member {name!r}")
        header = self._header
        if row is not None:
            return np.array(self._mapped[row])
        # Mapped and copied, a large file would count twice.
        whole = np.fromfile(self._path, header.dtype, math.prod(header.shape), offset=header.start)
        return whole.reshape(header.shape, order=self._order)

    @cached_property
    def _mapped(self) -> Array:
        return np.memmap(self._path, self._header.dtype, "r", self._header.start, self._header.shape, self._order)


class NpzArrays:
    """A `.npz` archive; arrays that were read stay in memory, since an archive cannot be read in part."""

    def __init__(self, path: Path) -> None:
        self._archive = zipfile.ZipFile(path)
        self._members = {name.removesuffix(".npy"): name for name in self._archive.namelist()}
        self._cache: dict[str, Array] = {}

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """The declared shape of every array."""
        found = {}
        for name, member in self._members.items():
            with self._archive.open(member) as stream:
                found[name] = read_npy_header(stream.read(MAX_NPY_HEADER)).shape
        return found

    def read(self, name: str, row: int | None) -> Array:
        """An array or one of its rows."""
        if name not in self._cache:
            self._cache[name] = parse_npy(read_zip_member(self._archive, self._members[name]))
        return self._cache[name] if row is None else self._cache[name][row]


class PickledArrays:
    """A `.npy` file that holds a pickled dictionary of arrays."""

    def __init__(self, path: Path) -> None:
        loaded = load_array_dictionary(read_bounded(path))
        self._arrays = {key: value for key, value in loaded.items() if isinstance(value, np.ndarray)}

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """The shape of every array of the dictionary."""
        return {name: array.shape for name, array in self._arrays.items()}

    def read(self, name: str, row: int | None) -> Array:
        """An array or one of its rows."""
        return self._arrays[name] if row is None else self._arrays[name][row]


class H5Arrays:
    """An HDF5 file; rows are read one by one."""

    def __init__(self, path: Path) -> None:
        from opendlign_core.ingestion.hdf5 import numeric_arrays, open_hdf5

        self._file = open_hdf5(path)
        self._arrays = numeric_arrays(self._file)

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """The shape of every array of numbers at the top of the file or one group below."""
        return {name: array.shape for name, array in self._arrays.items()}

    def read(self, name: str, row: int | None) -> Array:
        """A dataset or one of its rows; chunks larger than a file may be are refused."""
        dataset = self._arrays[name]
        cells = dataset.shape if row is None else dataset.shape[1:]
        for wanted in (cells, dataset.chunks or ()):
            needed = math.prod(wanted) * dataset.dtype.itemsize
            require(needed <= MAX_FILE_BYTES, f"declares {needed} bytes for {name!r}")
        return np.asarray(dataset[()] if row is None else dataset[row])
