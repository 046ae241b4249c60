"""What people hand over: numbers as arrays or tensors wherever they lie, lists of words, counts and new files."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeGuard

import numpy as np
from numpy.typing import NDArray

from opendlign_core.errors import BadInput

if TYPE_CHECKING:
    import torch


def is_tensor(given: object) -> "TypeGuard[torch.Tensor]":
    """Whether it is a tensor; without torch there is none."""
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(given, torch.Tensor)


def as_array(given: object, what: str) -> NDArray[Any]:
    """Numbers as an array, those of a tensor from whatever device.

    Raises:
        BadInput: these are no numbers, such as the name of a file.
    """
    found = given.detach().cpu().numpy() if is_tensor(given) else np.asarray(given)
    if found.dtype.kind not in "buif":
        hint = "; od.read reads files" if isinstance(given, str | Path) else ""
        raise BadInput(f"{what} must be an array or a tensor, not {type(given).__name__}{hint}")
    return found


def like(found: NDArray[np.float32], given: object) -> "NDArray[np.float32] | torch.Tensor":
    """Tensors are answered by tensors, on the device where they lie."""
    if not is_tensor(given):
        return found
    import torch

    return torch.from_numpy(found).to(given.device)


def listed(words: Sequence[str], what: str) -> list[str]:
    """Words of a list.

    Raises:
        BadInput: a single text, which would be taken for a list of letters.
    """
    if isinstance(words, str):
        raise BadInput(f"{what} must be a list, such as [{words!r}], not the text {words!r}")
    return list(words)
