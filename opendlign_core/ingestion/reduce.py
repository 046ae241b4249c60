"""From any number of points to N without looking at them: a random subset, or padding by repetition."""

import numpy as np
import numpy.typing as npt

Indices = npt.NDArray[np.int64]


def pad_indices(present: int, wanted: int) -> Indices:
    """Indices that repeat `present` points in turn until there are `wanted`."""
    return np.arange(wanted, dtype=np.int64) % present


def random_indices(present: int, wanted: int, rng: np.random.Generator) -> Indices:
    """A random subset in the order of the file."""
    return np.sort(rng.choice(present, wanted, replace=False)).astype(np.int64)
