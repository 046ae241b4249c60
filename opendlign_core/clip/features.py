"""Embeddings at length one."""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor


def unit(features: Tensor) -> Tensor:  # [..., E]
    """Features divided by their length.

    No epsilon guards the division, as in the reference: a zero feature is an error worth seeing as NaN.
    """
    scaled: Tensor = features / torch.linalg.vector_norm(features, dim=-1, keepdim=True)
    return scaled


def unit_array(vectors: NDArray[np.floating[Any]]) -> NDArray[np.float32]:  # [..., E]
    """Stored vectors divided by their length; a zero row, which stands for something absent, stays zero."""
    length = np.linalg.norm(vectors, axis=-1, keepdims=True)
    scaled: NDArray[np.float32] = (vectors / np.maximum(length, 1e-12)).astype(np.float32)
    return scaled


def object_features(views: Tensor) -> Tensor:  # [..., V, E]
    """Unit features [..., E] of objects from their views' features: normalise, average, normalise.

    >>> object_features(torch.tensor([[3.0, 0.0], [0.0, 1.0], [0.0, 5.0], [4.0, 0.0]]))
    tensor([0.7071, 0.7071])
    """
    return unit(unit(views).mean(dim=-2))
