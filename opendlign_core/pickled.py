"""Files of `torch.save` from elsewhere, read without executing their pickle.

An unpickler that admits nothing but the rebuilding of tensors reads them; every other name in the pickle becomes an
inert object.
"""

import pickle
import types
from collections import OrderedDict
from pathlib import Path
from typing import Any

import torch

from opendlign_core.errors import BadInput


def read_pickled(path: Path) -> Any:
    """What the file holds, tensors on the CPU.

    Raises:
        BadInput: it is no such file, or a broken one.
    """
    try:
        return torch.load(path, map_location="cpu", weights_only=False, pickle_module=_restricted_pickle())
    except (RuntimeError, pickle.UnpicklingError, EOFError, OSError) as error:
        first = " ".join(str(error).split())[:200]
        raise BadInput(f"{path} cannot be read as a PyTorch checkpoint ({first}); fetch it again") from error


class _Inert:
    """Stands in for every object that a checkpoint's pickle names and we do not rebuild."""

    def __new__(cls, *args: object, **kwargs: object) -> "_Inert":
        return super().__new__(cls)

    def __init__(self, *args: object, **kwargs: object) -> None:
        pass

    def __call__(self, *args: object, **kwargs: object) -> "_Inert":
        return self

    def __setstate__(self, state: object) -> None:
        pass

    def __setitem__(self, key: object, value: object) -> None:
        pass

    def append(self, value: object) -> None:
        pass

    def extend(self, values: object) -> None:
        pass


_STORAGES = ("Float", "Double", "Half", "BFloat16", "Long", "Int", "Short", "Char", "Byte", "Bool")
_ADMITTED: dict[tuple[str, str], Any] = {
    ("collections", "OrderedDict"): OrderedDict,
    ("torch._utils", "_rebuild_tensor_v2"): torch._utils._rebuild_tensor_v2,
    ("torch._utils", "_rebuild_parameter"): torch._utils._rebuild_parameter,
    ("torch", "Size"): torch.Size,
} | {("torch", f"{kind}Storage"): getattr(torch, f"{kind}Storage") for kind in _STORAGES}


class _RestrictedUnpickler(pickle.Unpickler):
    """Resolves the admitted names to themselves and everything else to `_Inert`."""

    def find_class(self, module: str, name: str) -> Any:
        return _ADMITTED.get((module, name), _Inert)


def _restricted_pickle() -> Any:
    """What `torch.load` expects of a pickle module, all of it restricted."""

    def load(file: Any, **options: Any) -> Any:
        return _RestrictedUnpickler(file, **options).load()

    return types.SimpleNamespace(__name__="restricted_pickle", Unpickler=_RestrictedUnpickler, load=load)
