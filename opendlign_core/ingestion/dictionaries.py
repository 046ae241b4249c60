"""Pickled dictionaries of arrays (OpenShape's, ULIP's and ImageNet3D's), read without executing what they name.

The pickle machine runs on an allow-list: only the constructors that numpy arrays and plain containers need exist, and
each is replaced by a function that checks its arguments.
"""

import codecs
import io
import math
import pickle
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from opendlign_core.ingestion.errors import UnreadableShape
from opendlign_core.ingestion.npy import MAX_NPY_HEADER, read_npy_header
from opendlign_core.ingestion.safety import parsing, read_bounded, require

_DTYPE_KINDS = "biufcSU"


def load_array_dictionary(source: str | Path | bytes) -> dict[str, Any]:
    """Read a `.npy` file that holds one pickled dictionary of arrays, numbers and text.

    Raises:
        UnreadableShape: for anything else, naming the object that the pickle tried to build.
    """
    data = source if isinstance(source, bytes) else read_bounded(Path(source))
    with parsing("array dictionary"):
        header = read_npy_header(data[:MAX_NPY_HEADER])
        require(header.dtype.hasobject and header.shape == (), "is a plain array, not a dictionary")
        return _dictionary(_unpickled(data[header.start :]))


def load_dictionary_rows(data: bytes) -> list[dict[str, Any]]:
    """The rows of a `.npy` file that holds a row of pickled dictionaries.

    Raises:
        UnreadableShape: for anything else, naming the object that the pickle tried to build.
    """
    with parsing("row of dictionaries"):
        header = read_npy_header(data[:MAX_NPY_HEADER])
        require(header.dtype.hasobject and len(header.shape) == 1, "holds no row of dictionaries")
        loaded = _unpickled(data[header.start :])
        rows = loaded.tolist() if isinstance(loaded, np.ndarray) else loaded
        require(isinstance(rows, list) and len(rows) == header.shape[0], "holds no row of dictionaries")
        return [_dictionary(row) for row in rows]


def _unpickled(data: bytes) -> Any:
    return _Unpickler(io.BytesIO(data), encoding="latin1").load()


def _dictionary(loaded: Any) -> dict[str, Any]:
    # numpy pickles the 0-dimensional object array as its nested list, or as an array around the dictionary.
    while isinstance(loaded, list | tuple) and len(loaded) == 1:
        loaded = loaded[0]
    if isinstance(loaded, np.ndarray) and loaded.dtype == object and loaded.shape == ():
        loaded = loaded.item()
    require(isinstance(loaded, dict), f"holds a pickled {type(loaded).__name__}, not a dictionary")
    return {str(key): value for key, value in loaded.items()}


class _NdarrayName:
    """Stands for `numpy.ndarray` where a pickle names it; cannot be called into an allocation."""

    def __new__(cls, *_: Any) -> "_NdarrayName":
        raise UnreadableShape("builds a raw numpy.ndarray")


def _reconstruct(_kind: Any, shape: Any, _code: Any) -> Any:
    require(shape == (0,), f"reconstructs an array of shape {shape}")
    return np.empty(0, dtype=np.int8)


def _dtype(code: Any, *_: Any) -> Any:
    require(isinstance(code, str), "builds a structured numpy.dtype")
    if code in ("O", "O8", "O4", "|O"):
        return np.dtype(object, copy=True)
    # A copy, because the pickle goes on to set the byte order of what it gets.
    dtype = np.dtype(code, copy=True)
    require(dtype.kind in _DTYPE_KINDS and dtype.itemsize <= 1 << 16, f"builds the dtype {code!r}")
    return dtype


def _scalar(dtype: Any, data: Any = b"") -> Any:
    require(isinstance(dtype, np.dtype) and dtype.kind in "biufSU", "builds a numpy scalar of objects")
    raw = data.encode("latin-1") if isinstance(data, str) else bytes(data)
    return np.frombuffer(raw, dtype=dtype, count=1)[0]


def _bytes(*values: Any) -> bytes:
    require(not any(isinstance(value, int) for value in values), "builds bytes of a given length")
    return bytes(*values)


def _encode(text: Any, encoding: Any = "latin1") -> bytes:
    require(isinstance(text, str) and encoding in ("latin1", "latin-1"), f"encodes text as {encoding!r}")
    return codecs.encode(text, "latin-1")


_ALLOWED: dict[str, Callable[..., Any]] = {
    "numpy.ndarray": _NdarrayName,
    "numpy.dtype": _dtype,
    "_codecs.encode": _encode,
    "collections.OrderedDict": OrderedDict,
    "builtins.set": set,
    "builtins.frozenset": frozenset,
    "builtins.bytes": _bytes,
    "__builtin__.set": set,
    "__builtin__.frozenset": frozenset,
    "__builtin__.bytes": _bytes,
    **{f"numpy.{core}.multiarray._reconstruct": _reconstruct for core in ("core", "_core")},
    **{f"numpy.{core}.multiarray.scalar": _scalar for core in ("core", "_core")},
}

_REFUSED_OPCODES = (
    pickle.BYTEARRAY8,
    pickle.NEXT_BUFFER,
    pickle.READONLY_BUFFER,
    pickle.PERSID,
    pickle.BINPERSID,
    pickle.EXT1,
    pickle.EXT2,
    pickle.EXT4,
)


class _Unpickler(pickle._Unpickler):
    """The pure Python machine, whose memo and opcodes cannot be made to allocate what the file does not hold."""

    dispatch: ClassVar[dict[int, Callable[..., None]]] = {
        code: load for code, load in pickle._Unpickler.dispatch.items() if bytes([code]) not in _REFUSED_OPCODES
    }

    def find_class(self, module: str, name: str) -> Any:
        found = _ALLOWED.get(f"{module}.{name}")
        if found is None:
            raise UnreadableShape(f"names {module}.{name}, which is neither a numpy array nor a plain container")
        return found

    def load_build(self) -> None:
        """Give arrays and dtypes their state, checked; nothing else has any."""
        stack: list[Any] = getattr(self, "stack")  # noqa: B009 - not in the published types
        state = stack.pop()
        target = stack[-1]
        if isinstance(target, np.dtype):
            require(isinstance(state, tuple) and state[1] in "<>|=", "has a dtype of unknown byte order")
            # Only the byte order is taken from the file; sizes and flags stay those of the dtype itself.
            own = target.__reduce__()[2]
            set_state = getattr(target, "__setstate__")  # noqa: B009 - not in the published types
            set_state((own[0], state[1], *own[2:]))
        else:
            require(isinstance(target, np.ndarray), f"sets the state of a {type(target).__name__}")
            target.__setstate__(_array_state(state))

    dispatch[pickle.BUILD[0]] = load_build


def _array_state(state: Any) -> tuple[Any, ...]:
    require(isinstance(state, tuple) and len(state) == 5, "has an array of unknown state")
    version, shape, dtype, fortran, values = state
    require(isinstance(shape, tuple) and all(isinstance(n, int) and n >= 0 for n in shape), "has an impossible array")
    require(isinstance(dtype, np.dtype), "has an array without a dtype")
    if isinstance(values, str):
        values = values.encode("latin-1")
    kind, unit = (list, 1) if dtype.hasobject else (bytes, dtype.itemsize)
    fits = isinstance(values, kind) and len(values) == math.prod(shape) * unit
    require(fits, f"has an array of shape {shape} that does not match its data")
    return version, shape, dtype, fortran, values
