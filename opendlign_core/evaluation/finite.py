"""What is no number stops an evaluation: NaN would win every comparison, or lose all of them."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from opendlign_core.errors import BadInput


class NotFinite(BadInput):
    """What a model or a method computed holds NaN or infinity."""


def require_finite(values: NDArray[Any], names: Sequence[str], what: str, remedy: str) -> None:
    """Refuse values [N, ...] that hold NaN or infinity; the error names the first of the N things that does.

    >>> require_finite(np.array([[1.0], [np.nan]]), ["a", "b"], "the model gives features", "train it again")
    Traceback (most recent call last):
    opendlign_core.evaluation.finite.NotFinite: b: the model gives features that are not finite numbers; train it again
    """
    broken = ~np.isfinite(values).reshape(len(values), -1).all(axis=1)
    if broken.any():
        raise NotFinite(f"{names[int(broken.argmax())]}: {what} that are not finite numbers; {remedy}")
